"""Clients that ask a server again and again, for a soak."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2

from distil_dag.stages.serving.completions import assembled, data_of

Calls = list[tuple[str, str]]
"""Name and arguments, as JSON with sorted keys, of each call."""


@dataclass(frozen=True)
class Answer:
    """What a client was told: id, who answered, by which file, what, when, and how long it took."""

    id: str
    text: str
    by: str
    student: str
    calls: Calls
    time: float
    seconds: float
    streamed: bool


class Clients:
    """Some clients, each in a thread, until they are stopped.

    Args:
        url: of the server.
        texts: what they ask.
        tools: what each request brings.
        count: of clients.

    Attributes:
        failures: requests without a whole answer, by what they got.
        is_down: whether the server is ended and started again now, so that a lost connection is no failure.
        cut_off: requests that were under way at such an end, and were asked again.
    """

    def __init__(self, url: str, texts: Sequence[str], tools: list[dict[str, Any]], count: int) -> None:
        self._url, self._texts, self._tools = f"{url}/v1/chat/completions", texts, tools
        self._done = threading.Event()
        self._answers: list[Answer] = []
        self.failures: list[str] = []
        self.is_down, self.cut_off = False, 0
        self._threads = [
            threading.Thread(target=self._ask, args=(number,), daemon=True) for number in range(count)
        ]

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> list[Answer]:
        """The answers of all, once what is under way has ended."""
        self._done.set()
        for thread in self._threads:
            thread.join()
        return self._answers

    def _ask(self, number: int) -> None:
        rng = random.Random(number)
        with httpx2.Client(timeout=60) as client:
            while not self._done.is_set():
                text, streamed = rng.choice(self._texts), rng.random() < 0.5
                try:
                    self._answers.append(self._answer(client, text, streamed))
                except httpx2.TransportError as error:
                    if not self.is_down:
                        self.failures.append(type(error).__name__)
                    self.cut_off += not isinstance(error, httpx2.ConnectError)
                    time.sleep(0.2)
                except (ValueError, KeyError, TypeError) as error:
                    self.failures.append(f"{type(error).__name__}: {error}"[:200])

    def _answer(self, client: httpx2.Client, text: str, streamed: bool) -> Answer:
        messages = [{"role": "user", "content": text}]
        body = {"model": "any", "messages": messages, "tools": self._tools, "stream": streamed}
        began = time.perf_counter()
        response = client.post(self._url, json=body)
        if response.status_code != 200:
            raise ValueError(f"{response.status_code}: {response.text}")
        said: Mapping[str, Any] | None = assembled(response.content) if streamed else response.json()
        if said is None:
            raise ValueError(f"a stream that did not end: {response.text[-200:]}")
        first = data_of(response.content)[0] if streamed else said
        return Answer(
            id=str(said["id"]),
            text=text,
            by=response.headers["x-distil-dag-answered-by"],
            student=str(first.get("system_fingerprint")),
            calls=calls_of(said),
            time=time.time(),
            seconds=time.perf_counter() - began,
            streamed=streamed,
        )


def calls_of(completion: Mapping[str, Any]) -> Calls:
    """The calls of a chat completion."""
    listed = completion["choices"][0]["message"].get("tool_calls") or []
    return [
        (
            call["function"]["name"],
            json.dumps(json.loads(call["function"]["arguments"]), sort_keys=True),
        )
        for call in listed
    ]
