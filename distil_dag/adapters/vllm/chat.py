"""A chat model behind a vLLM server that is started for it, and started again when it dies."""

from __future__ import annotations

import functools
import math
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from distil_dag.adapters.openai_api.chat import EndpointChat
from distil_dag.adapters.openai_api.endpoint import Endpoint, Patience
from distil_dag.adapters.openai_api.errors import Fault
from distil_dag.adapters.run_store import file_digest
from distil_dag.adapters.vllm.lease import ServerLease, Servers
from distil_dag.adapters.vllm.server import HOST, ServerError
from distil_dag.core.settings import ModelSpec
from distil_dag.stages.ports import ModelUnreachableError, OnReply, OnScore, Prompt, Reply, Score, unheeded

Request = TypeVar("Request")
Result = TypeVar("Result")

# How often a supervisor that was itself ended from outside is replaced, in the life of one model.
_SUPERVISORS = 3


class ManagedChat:
    """Starts its server with the first call, so that a run whose replies are all known starts none.

    A server that dies is started again by its supervisor, at the same address: the calls under way wait,
    and are made once more. Use it in a `with` block; the server itself stays for the run's next step.

    Raises:
        ServerError: From the methods, when the server does not come, or does not come back.
    """

    def __init__(self, spec: ModelSpec, servers: Servers) -> None:
        self._spec = spec
        self._lease: ServerLease = servers.lease(spec)
        self._chat: EndpointChat | None = None
        self._address = ""
        self._attempts = 0

    def __enter__(self) -> Self:
        self._lease.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._chat is not None:
            self._chat.close()
        self._lease.__exit__(kind, error, trace)

    @property
    def identity(self) -> str:
        """Model and revision, wherever the server is; a local folder's revision is its content."""
        return _identity(str(self._spec.model), self._spec.revision) + self._spec.thoughts

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
        """One reply a prompt, in order; see the port."""
        return self._each(prompts, EndpointChat.generate, arrived)

    def score(self, items: Sequence[tuple[Prompt, str]], arrived: OnScore = unheeded) -> list[Score]:
        """How likely the given texts are; see the port."""
        return self._each(items, EndpointChat.score, arrived)

    def each(
        self, items: Sequence[Request], work: Callable[[Endpoint, Request], Awaitable[Result]]
    ) -> list[Result | Fault]:
        """What `work` brings for each item, or the fault that ended its tries, in order."""

        def ask(
            chat: EndpointChat, left: Sequence[Request], on_result: Callable[[int, Result | Fault], None]
        ) -> None:
            chat.each(left, work, on_result)

        return self._each(items, ask, unheeded)

    def release(self) -> None:
        """End the server, which nobody of this run needs any more."""
        self._lease.release()

    def _each(
        self,
        requests: Sequence[Request],
        ask: Callable[[EndpointChat, Sequence[Request], Callable[[int, Result], None]], object],
        arrived: Callable[[int, Result], None],
    ) -> list[Result]:
        """What came for each request; only those without it are asked again after the server has died."""
        found: dict[int, Result] = {}

        def ask_for_the_rest(chat: EndpointChat) -> None:
            left = [place for place in range(len(requests)) if place not in found]

            def on_result(at: int, result: Result) -> None:
                found[left[at]] = result
                arrived(left[at], result)

            ask(chat, [requests[place] for place in left], on_result)

        self._until_answered(ask_for_the_rest)
        return [found[place] for place in range(len(requests))]

    def _until_answered(self, ask: Callable[[EndpointChat], None]) -> None:
        while True:
            chat = self._connected()
            try:
                return ask(chat)
            except ModelUnreachableError as error:
                self._attempts += 1
                if self._attempts >= _SUPERVISORS or self._lease.has_failed():
                    raise ServerError(self._lease.failure() or str(error)) from error

    def _connected(self) -> EndpointChat:
        """The client of the server as it stands now; its limits and connections last while it does."""
        record = self._lease.ready()
        address = f"http://{HOST}:{record.port}/v1"
        if self._chat is None or address != self._address:
            if self._chat is not None:
                self._chat.close()
            # It answered a moment ago. Its supervisor knows better than a clock whether it comes back.
            patience = Patience(
                known=math.inf,
                unknown=math.inf,
                is_gone=self._lease.is_gone,
                is_dying=self._lease.is_dying,
            )
            served = self._spec.model_copy(update={"mode": "attached", "base_url": address})
            self._chat = EndpointChat(served, patience, here=True, key=record.key)
            self._address = address
        return self._chat


@functools.cache
def _identity(model: str, revision: str | None) -> str:
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return f"{model}@{revision or 'main'}"
    weights = [*sorted(folder.glob("*.safetensors")), *sorted(folder.glob("config.json"))]
    return f"{folder.name}@{'+'.join(file_digest(path) for path in weights)}"
