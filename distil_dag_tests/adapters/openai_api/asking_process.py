"""A process that asks an endpoint for much through the cache of replies, to be killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ASK = """
import resource, sys
from pathlib import Path
from distil_dag.adapters.chat.open_chat import open_chat
from distil_dag.core.case import Message
from distil_dag.core.settings import ModelSpec
from distil_dag.stages.ports import Prompt

url, folder, size, limit, timeout = sys.argv[1:]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
spec = ModelSpec(
    mode="attached", model="big", base_url=url, max_in_flight=8, timeout_seconds=float(timeout)
)
words = [f"word {n} " + "x" * 200 for n in range(int(size))]
prompts = [Prompt((Message(role="user", content=text),), max_tokens=8) for text in words]
with open_chat(spec, Path(folder)) as model:
    replies = model.generate(prompts, lambda place, reply: print(place, flush=True))
print("all", sum(reply.finish != "error" for reply in replies), flush=True)
"""


def asking(url: str, folder: Path, size: int, limit: int = 0, timeout: float = 120) -> subprocess.Popen[str]:
    """It prints the place of every reply that it has, then `all` and how many are none of an error.

    `limit` is the size in bytes that no file of it may exceed, 0 for none; `timeout` a call's, in seconds.
    """
    command = [sys.executable, "-c", _ASK, url, str(folder), str(size), str(limit), str(timeout)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def place_of(words: str) -> int:
    """Which of its prompts that was."""
    return int(words.split()[1])
