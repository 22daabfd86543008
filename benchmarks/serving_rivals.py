"""Servers for a benchmark of serving: started, waited for, stopped, asked in the form that each takes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from distil_dag.adapters.serving.student import Student
from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.tool_call import CLOSE_TAG, NO_CALL_TEXT, OPEN_TAG, ToolCall
from distil_dag.core.toolset import Toolset

ROOM = 128
_START_SECONDS = 180
_CONTEXT = 512


@dataclass
class Server:
    """A server that answers.

    Attributes:
        name: of the row in the table.
        port: on loopback.
        process: its process id.
        body: makes the body of a chat completion from a request.
    """

    name: str
    port: int
    process: int
    body: Callable[[str], bytes]

    def cpu_seconds(self) -> float:
        """CPU time that it and its children have used."""
        own = psutil.Process(self.process)
        spent = [one.cpu_times() for one in (own, *own.children(recursive=True))]
        return float(sum(times.user + times.system for times in spent))


def body_with_tools(tools: list[dict[str, Any]], model: str) -> Callable[[str], bytes]:
    """Bodies as production sends them: the request, and all tools."""
    return lambda text: _json(
        {"model": model, "messages": [{"role": "user", "content": text}], "tools": tools}
    )


def body_with_grammar(student: Student, tools: Toolset) -> Callable[[str], bytes]:
    """Bodies for a server that knows no students: the turns that one reads, and a grammar of its calls."""
    grammar = _rules(tools)

    def body(text: str) -> bytes:
        turns = [{"role": turn.role, "content": turn.content} for turn in student.turns(text)]
        asked = {"model": "student", "messages": turns, "grammar": grammar}
        return _json(asked | {"temperature": 0.0, "repeat_penalty": 1.0, "max_tokens": ROOM})

    return body


def calls_of(answer: bytes, tools: Toolset) -> tuple[ToolCall, ...]:
    """The calls of a chat completion, in their own field or in its words."""
    message = json.loads(answer)["choices"][0]["message"]
    said = [call["function"] for call in message.get("tool_calls") or ()]
    if said:
        return tuple(ToolCall(name=one["name"], arguments=json.loads(one["arguments"])) for one in said)
    return parse_answer(message.get("content") or "", tools).calls


@contextmanager
def distil_dag(model: Path, name: str, body: Callable[[str], bytes], home: Path) -> Iterator[Server]:
    """`distil-dag serve` with the file alone."""
    program = [sys.executable, "-c", "from distil_dag.cli import main; main()", "serve", str(model)]
    with _started(name, program, "--port", body, home) as server:
        yield server


@contextmanager
def llama_cpp_python(python: str, model: Path, body: Callable[[str], bytes], home: Path) -> Iterator[Server]:
    """llama-cpp-python's server, in the environment of `python`."""
    command = [python, "-m", "llama_cpp.server", "--model", str(model), "--n_ctx", str(_CONTEXT)]
    command += ["--n_threads", str(_cores()), "--n_threads_batch", str(_cores()), "--verbose", "false"]
    with _started("llama-cpp-python", command, "--port", body, home) as server:
        yield server


@contextmanager
def llama_server(
    program: Path, model: Path, parallel: int, body: Callable[[str], bytes], home: Path
) -> Iterator[Server]:
    """llama.cpp's `llama-server` with a number of slots."""
    command = [str(program), "--model", str(model), "--parallel", str(parallel), "--threads", str(_cores())]
    command += ["--ctx-size", str(_CONTEXT * parallel), "--no-webui"]
    with _started(f"llama-server --parallel {parallel}", command, "--port", body, home) as server:
        yield server


def _rules(tools: Toolset) -> str:
    """The calls of the tools in the student's form, as a grammar of llama.cpp."""
    from llama_cpp.llama_grammar import json_schema_to_gbnf

    calls = [
        {
            "type": "object",
            "properties": {
                "name": {"const": tool["function"]["name"]},
                "arguments": tool["function"]["parameters"],
            },
            "required": ["name", "arguments"],
        }
        for tool in tools.openai()
    ]
    rules = str(json_schema_to_gbnf(json.dumps({"anyOf": calls})))
    rules = "\n".join(
        line.replace("root ::=", "one ::=", 1) if line.startswith("root ::=") else line
        for line in rules.splitlines()
    )
    call = f'"{OPEN_TAG}" one "{CLOSE_TAG}"'
    return f'root ::= "{NO_CALL_TEXT}" | {call} ("\\n" {call})*\n{rules}\n'


@contextmanager
def _started(
    name: str, command: Sequence[str], port_option: str, body: Callable[[str], bytes], home: Path
) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = home / f"{name.replace(' ', '_')}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, port_option, str(port)],
            stdout=output,
            stderr=output,
            cwd=home,
            env={**os.environ, "DISTIL_DAG_HOME": str(home)},
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _ready(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)
        yield Server(name, port, process.pid, body)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        if process.poll() is None:
            process.kill()
            process.wait()


def _ready(port: int) -> bool:
    # All three know it, and llama-server refuses it while it loads.
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=2):
        return True
    return False


def _cores() -> int:
    # As ours: OMP_NUM_THREADS, or all.
    return int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
