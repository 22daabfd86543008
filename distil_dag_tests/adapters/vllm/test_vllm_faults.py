"""A real vLLM server behind a bad line, asked by a process that is killed again and again."""

from __future__ import annotations

import json
import random
import subprocess
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from distil_dag.adapters.vllm.lease import Servers
from distil_dag.core.settings import ModelSpec
from distil_dag.stages.ports import ChatModel
from distil_dag_tests.adapters.openai_api.asking_process import asking, place_of
from distil_dag_tests.adapters.openai_api.faulty_server import DISCONNECT, TRUNCATE, Server
from distil_dag_tests.adapters.vllm.test_vllm_managed import record_of, requests

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800)]

SIZE, KILLS = 200, 20
# A call of this server takes a second or two; one that hangs must not hold up the test.
TIMEOUT = 15.0


class Line:
    """Forwards calls to the server; every tenth is refused, hangs, breaks off, or comes back cut."""

    def __init__(self, port: int, key: str, model: str) -> None:
        self.faults: Counter[str] = Counter()
        self._url, self._key, self._model = f"http://127.0.0.1:{port}", key, model
        self._rng, self._turns, self._over = random.Random(0), threading.Lock(), threading.Event()
        self.server = Server(self, owner="vllm")

    def __call__(self, path: str, body: dict[str, Any]) -> Any:
        with self._turns:
            kinds = ("429", "500", "hang", "disconnect", "truncate")
            kind = self._rng.choice(kinds) if self._rng.random() < 0.1 else ""
            self.faults[kind] += 1
        if kind == "429":
            return 429, {"error": "slow down"}, {"Retry-After": "1"}
        if kind == "500":
            return 500, {"error": "broken"}
        if kind == "disconnect":
            return 0, DISCONNECT
        if kind == "hang":
            self._over.wait(2 * TIMEOUT)
            return 504, {}
        answer = self._forward(path, body)
        return (200, TRUNCATE) if kind == "truncate" else answer

    def _forward(self, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        request = urllib.request.Request(
            self._url + path,
            data=json.dumps(body | {"model": self._model}).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=600) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def asked(self) -> set[int]:
        """Places of the prompts that came since this was last called; what only asks for life is none."""
        words, self.server.words = self.server.words, Counter()
        return {place_of(text) for text in words if text.startswith("word ")}

    def stop(self) -> None:
        self._over.set()
        self.server.stop()


@pytest.fixture
def line(vllm_chat: ChatModel, vllm_spec: ModelSpec, vllm_servers: Servers) -> Iterator[Line]:
    vllm_chat.generate(requests(1))  # starts it
    record = record_of(vllm_servers)
    line = Line(record.port, record.key.get_secret_value(), str(vllm_spec.model))
    yield line
    line.stop()


def test_killed_twenty_times_behind_a_bad_line_it_repeats_no_finished_call(
    line: Line, tmp_path: Path
) -> None:
    rng, url = random.Random(0), line.server.url
    finished: set[int] = set()
    for _ in range(KILLS):
        known = set(finished)
        process = asking(url, tmp_path, SIZE, timeout=TIMEOUT)
        assert process.stdout is not None
        for _ in range(len(known) + rng.randrange(1, 2 * (SIZE - len(known)) // KILLS + 2)):
            finished.add(int(process.stdout.readline()))
        process.kill()
        # What it had said before it was killed counts as finished too.
        finished |= {int(said) for said in process.stdout.read().split("\n")[:-1]}
        process.communicate()
        assert not known & line.asked()
    assert 0 < len(finished) < SIZE

    assert ended(asking(url, tmp_path, SIZE, timeout=TIMEOUT)) == f"all {SIZE}"
    assert not finished & line.asked()
    assert ended(asking(url, tmp_path, SIZE, timeout=TIMEOUT)) == f"all {SIZE}"
    assert not line.asked()
    assert len(line.faults) == 6, line.faults


def ended(process: subprocess.Popen[str]) -> str:
    """The last line that it said."""
    said, errors = process.communicate(timeout=1200)
    assert process.returncode == 0, errors
    return said.splitlines()[-1]
