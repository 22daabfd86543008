"""A vLLM server as a session of processes: started on loopback, checked for answers, ended as a whole."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Literal

from distil_dag.adapters.system.processes import ProcessMark, end, end_with_parent, session
from distil_dag.core.settings import ModelSpec

HOST = "127.0.0.1"
KEY_VARIABLE = "VLLM_API_KEY"
# Arguments that are chosen for each start. Otherwise two servers might share a port, or all users of the
# machine might read the key.
_OURS = ("--host", "--port", "--api-key", "--model", "--revision", "--served-model-name")
_QUIET = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
_STOP_SECONDS = 30.0
_TAIL_LINES = 25
_TAIL_BYTES = 16_384

# Without a proxy: the environment's proxy reaches no server of this machine, but would be used unless
# NO_PROXY excludes loopback.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

Health = Literal["well", "broken", "silent"]


class ServerError(RuntimeError):
    """A managed server did not start, or died too often; the message ends with the end of its log."""


def command(spec: ModelSpec, port: int) -> list[str]:
    """The command line that serves a model on a port of this machine.

    `vllm serve` takes the model as its first argument, every other entry point as `--model`.

    Args:
        spec: The model's settings.
        port: Port on loopback.

    Raises:
        ValueError: The settings lack a command or a model, or hold arguments that the user may not choose.
    """
    for argument in spec.arguments:
        name = argument.partition("=")[0].replace("_", "-")
        if name in _OURS:
            raise ValueError(
                f"`arguments` of a managed model must not hold {name}: it is chosen for each start "
                "(`model` and `revision` have settings of their own)"
            )
    words = shlex.split(spec.executable)
    if not words or not spec.model:
        raise ValueError("a model of mode `managed` needs `executable` and `model`")
    model = [spec.model] if words[-1] == "serve" else ["--model", spec.model]
    revision = ["--revision", spec.revision] if spec.revision else []
    return [*words, *model, *revision, "--host", HOST, "--port", str(port), *spec.arguments]


def free_port() -> int:
    """A free port on loopback."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def health(port: int) -> Health:
    """Ask `/health` on a port of loopback.

    Returns:
        `well`; `broken` when the engine has ended (status 503); `silent` when the server is loading, busy or
        absent.
    """
    try:
        with _open(f"http://{HOST}:{port}/health", timeout=5):
            return "well"
    except urllib.error.HTTPError as error:
        return "broken" if error.code == 503 else "silent"
    except (OSError, ValueError):
        return "silent"


class VllmServer:
    """One start of the server, which begins with the object.

    The key travels in the environment only.

    Args:
        spec: The model's settings.
        port: Port on loopback.
        key: API key that the server will ask for.
        log: File that the output is appended to.

    Raises:
        ServerError: The command can't be run.
        ValueError: The settings are refused by :func:`command`.
    """

    def __init__(self, spec: ModelSpec, port: int, key: str, log: Path) -> None:
        self._model = str(spec.model)
        self._address = f"http://{HOST}:{port}"
        self._key = key
        words = command(spec, port)
        with log.open("ab") as file:
            file.write(f"$ {shlex.join(words)}\n".encode())
            file.flush()
            try:
                self._process = subprocess.Popen(  # noqa: S603
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=file,  # a pipe that nobody reads would block the server once it is full
                    stderr=subprocess.STDOUT,
                    env={**_QUIET, **os.environ, KEY_VARIABLE: key},
                    start_new_session=True,
                    preexec_fn=end_with_parent,
                )
            except OSError as error:
                raise ServerError(
                    f"the command of the managed model can't be run ({error}): {words[0]}. Set "
                    "`executable` in task.yaml to the command that starts vLLM where it is installed, "
                    "for example `/path/to/python -m vllm.entrypoints.openai.api_server`"
                ) from None
        self._mark = ProcessMark.of(self._process.pid)

    @property
    def alive(self) -> bool:
        """Whether the server's own process runs."""
        return self._mark is not None and self._mark.alive()

    def members(self) -> list[ProcessMark]:
        """Every live process of this start, the server's own first."""
        # While nobody has waited for the process, its number and its session's are not reused.
        found = session(self._process.pid) if self._process.returncode is None else []
        return sorted(found, key=lambda mark: mark != self._mark)

    def answers(self) -> bool:
        """Whether the server answers a chat request with a token; False when it is too early to ask.

        Raises:
            ServerError: The server refuses the request itself, which waiting does not change.
        """
        body = {"model": self._model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
        request = urllib.request.Request(  # noqa: S310
            f"{self._address}/v1/chat/completions",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"},
        )
        try:
            with _open(request, timeout=120) as response:
                usage = json.load(response).get("usage") or {}
                return int(usage.get("completion_tokens", 0)) > 0
        except urllib.error.HTTPError as error:
            if error.code in (408, 429) or error.code >= 500:
                return False
            said = error.read(500).decode(errors="replace").replace(self._key, "***")
            raise ServerError(
                f"{self._model} was loaded but does not take a chat request (HTTP {error.code}: {said}). "
                "Is it an instruction-tuned model with a chat template?"
            ) from None
        except (OSError, ValueError):
            return False

    def stop(self) -> int:
        """End every process of this start.

        Returns:
            The exit code of the server's own process; negative for the signal that ended it.

        Raises:
            ServerError: A process is left.
        """
        members = self.members()
        # The server ends its own workers. If all were signalled at once, they would log each other's death.
        leader = [mark for mark in members if mark == self._mark]
        left = end(leader, _STOP_SECONDS) if leader else members
        if left := end(left, 5.0):
            raise ServerError(f"processes of the model server can't be ended: {[mark.pid for mark in left]}")
        return self._process.wait()


def log_tail(log: Path) -> str:
    """The end of a server's log, at most 25 lines; empty where it can't be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(line for line in lines[-_TAIL_LINES:] if line.strip())
