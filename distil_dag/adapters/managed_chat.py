"""A chat model behind a vLLM server that is started for it, and started again when it dies."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from distil_dag.adapters.endpoint import Patience
from distil_dag.adapters.endpoint_chat import EndpointChat
from distil_dag.adapters.run_store import file_digest
from distil_dag.adapters.server_lease import ServerLease, Servers
from distil_dag.adapters.server_record import server_name
from distil_dag.adapters.vllm_server import HOST, ServerError
from distil_dag.core.task import ModelSpec
from distil_dag.stages.ports import Arrived, Heard, ModelUnreachableError, Prompt, Reply, Score, unheeded

# How often a keeper that was itself ended from outside is replaced, in the life of one model.
_KEEPERS = 3


class ManagedChat:
    """Starts its server with the first call, so that a run whose replies are all known starts none.

    A server that dies is started again by its keeper, at the same address: the calls under way wait,
    and are made once more. Use it in a `with` block; the server itself stays for the run's next step.
    Raises ServerError when the server does not come, or does not come back.
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
        return _identity(str(self._spec.model), self._spec.revision)

    def generate(self, prompts: Sequence[Prompt], arrived: Arrived = unheeded) -> list[Reply]:
        """One reply a prompt, in order; see the port."""
        replies: dict[int, Reply] = {}

        def ask(chat: EndpointChat) -> None:
            left = [place for place in range(len(prompts)) if place not in replies]

            def heard(at: int, reply: Reply) -> None:
                replies[left[at]] = reply
                arrived(left[at], reply)

            chat.generate([prompts[place] for place in left], heard)

        self._until_answered(ask)
        return [replies[place] for place in range(len(prompts))]

    def score(self, items: Sequence[tuple[Prompt, str]], arrived: Heard = unheeded) -> list[Score]:
        """How likely the given texts are; see the port."""
        scores: dict[int, Score] = {}

        def ask(chat: EndpointChat) -> None:
            left = [place for place in range(len(items)) if place not in scores]

            def heard(at: int, score: Score) -> None:
                scores[left[at]] = score
                arrived(left[at], score)

            chat.score([items[place] for place in left], heard)

        self._until_answered(ask)
        return [scores[place] for place in range(len(items))]

    def _until_answered(self, ask: Callable[[EndpointChat], None]) -> None:
        while True:
            chat = self._connected()
            try:
                return ask(chat)
            except ModelUnreachableError as error:
                self._attempts += 1
                if self._attempts >= _KEEPERS or self._lease.has_failed():
                    raise ServerError(self._lease.failure() or str(error)) from error

    def _connected(self) -> EndpointChat:
        """The client of the server as it stands now; its limits and connections last while it does."""
        record = self._lease.ready()
        address = f"http://{HOST}:{record.port}/v1"
        if self._chat is None or address != self._address:
            if self._chat is not None:
                self._chat.close()
            variable = f"DISTIL_DAG_SERVER_KEY_{server_name(self._spec).upper()}"
            os.environ[variable] = record.key.get_secret_value()
            # It was heard of a moment ago, and its keeper knows better than a clock whether it comes back.
            patience = Patience(
                known=math.inf,
                unknown=math.inf,
                is_gone=self._lease.is_gone,
                is_dying=self._lease.is_dying,
            )
            served = {"mode": "attached", "base_url": address, "api_key_env": variable}
            self._chat = EndpointChat(self._spec.model_copy(update=served), patience)
            self._address = address
        return self._chat


@functools.cache
def _identity(model: str, revision: str | None) -> str:
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return f"{model}@{revision or 'main'}"
    weights = [*sorted(folder.glob("*.safetensors")), *sorted(folder.glob("config.json"))]
    return f"{folder.name}@{'+'.join(file_digest(path) for path in weights)}"
