"""A vLLM server for a benchmark: started, waited for, stopped."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

PYTHON = "DISTIL_DAG_VLLM_PYTHON"
_START_SECONDS = 1800


def vllm_python() -> str:
    """The Python that has vLLM: of the variable DISTIL_DAG_VLLM_PYTHON, else of `.venv-vllm`."""
    return os.environ.get(PYTHON) or str(Path(__file__).parents[1] / ".venv-vllm" / "bin" / "python")


@contextmanager
def vllm_server(model: Path, arguments: Sequence[str], log: Path) -> Iterator[str]:
    """A vLLM server, for the length of the block.

    Its prefix cache can be emptied by a POST to `/reset_prefix_cache`.

    Args:
        model: folder of the model.
        arguments: further arguments of its command line.
        log: file for its output.

    Yields:
        The address of the server, which answers.

    Raises:
        RuntimeError: with the end of the log if it dies before.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*shlex.split(vllm_python()), "-m", "vllm.entrypoints.openai.api_server"]
    command += ["--model", str(model), "--served-model-name", "teacher", "--port", str(port), *arguments]
    settings = {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_SERVER_DEV_MODE": "1",  # for /reset_prefix_cache
        "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1",
        "VLLM_NO_USAGE_STATS": "1",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env={**settings, **{k: v for k, v in os.environ.items() if k != "PYTHONPATH"}},
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"vLLM did not start:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def empty_prefix_cache(address: str) -> None:
    """Empty the server's prefix cache, so that no measurement profits from the one before."""
    urllib.request.urlopen(urllib.request.Request(f"{address}/reset_prefix_cache", method="POST"), timeout=60)
