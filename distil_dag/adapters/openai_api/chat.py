"""A chat model behind one or several OpenAI-compatible endpoints."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import closing
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from distil_dag.adapters.openai_api.asking import reply_to
from distil_dag.adapters.openai_api.endpoint import Endpoint, Patience
from distil_dag.adapters.openai_api.errors import Fault
from distil_dag.adapters.openai_api.pool import EndpointPool
from distil_dag.adapters.openai_api.prefix_order import by_beginning
from distil_dag.adapters.openai_api.prompt_logprobs import CannotScoreError, prompt_score
from distil_dag.adapters.system.closing import Closing
from distil_dag.adapters.system.environment import expand
from distil_dag.adapters.system.event_loop import BackgroundLoop
from distil_dag.core.settings import ModelSpec
from distil_dag.stages.ports import OnReply, OnScore, Prompt, Reply, Score, unheeded

Item = TypeVar("Item")
Result = TypeVar("Result")


class EndpointChat(Closing):
    """Chat completions over HTTP, with as many calls at a time as the servers take.

    Close it, or use it in a `with` block. Several addresses serve one model. A call goes to the least busy
    address, and a failed call is tried at another one. What is learnt about the servers lives as long as the
    object. Threads may share the object.

    The API key comes from the environment variable that `spec.api_key_env` names; an own server may do
    without. `${NAME}` in an address is replaced from the environment too.

    Args:
        spec: The model's settings; `model` and `base_url` are needed.
        patience: How long to wait for a server and how often to try a call.
        order: Returns the places of the prompts in the order in which they are sent.
        here: Whether the servers are on this machine. Calls to others use the environment's proxy.

    Raises:
        ValueError: The settings can't be used.

    Several addresses serve one model: calls go to the least busy one, and from one that fails to another.
    What is learnt of the servers lives as long as the object. Safe to share between threads.

    Args:
        spec: The model; `${NAME}` in its addresses is read from the environment.
        patience: How long a server is waited for, and how often a call is tried.
        order: The order in which prompts are sent.
        here: The servers are on this machine, so no proxy of the environment stands before them.
        key: The servers' key. Without it the variable that `spec.api_key_env` names has it, and where that
            is not set there is none.

    Raises:
        ValueError: The settings can't be used.
    """

    def __init__(
        self,
        spec: ModelSpec,
        patience: Patience = Patience(),  # noqa: B008
        order: Callable[[Sequence[Prompt]], Sequence[int]] = by_beginning,
        here: bool = False,
        key: SecretStr | None = None,
    ) -> None:
        if not spec.model or not spec.base_urls:
            raise ValueError(
                f"a model of mode `{spec.mode}` needs `base_url`, the address of its server, and `model`, "
                "the name that the server knows it by"
            )
        secret = key.get_secret_value() if key is not None else os.environ.get(spec.api_key_env, "")
        self._spec = spec
        self._order = order
        self._endpoints = [
            Endpoint(address, spec.model, secret, spec.max_in_flight, spec.timeout_seconds, patience, here)
            for address in map(_address, spec.base_urls)
        ]
        self._pool = EndpointPool(self._endpoints, patience)
        self._loop = BackgroundLoop(f"calls of {spec.model}")

    def __repr__(self) -> str:
        return f"EndpointChat({self.identity!r})"

    def close(self) -> None:
        """End the connections and their thread; a later call opens new ones."""

        async def disconnect() -> None:
            for endpoint in self._endpoints:
                await endpoint.close()

        self._loop.close(disconnect)

    @property
    def identity(self) -> str:
        """The model's name with its revision, or with the servers' addresses without credentials.

        With a revision, cached replies stay valid when the server moves.
        """
        where = self._spec.revision or ",".join(sorted(endpoint.host for endpoint in self._endpoints))
        return f"{self._spec.model}@{where}{self._spec.thoughts}"

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
        """Generate one reply for each prompt; see :class:`ChatModel`.

        By default prompts with a common prefix are sent one after another.

        Args:
            prompts: The requests.
            arrived: Called in the caller's thread with a prompt's place and its reply, as replies come in.

        Returns:
            The replies in the order of the prompts; a prompt that failed has `finish="error"`.

        Raises:
            ModelUnreachableError: No server is worth waiting for any longer.
        """

        async def answer(endpoint: Endpoint, prompt: Prompt) -> Reply:
            return await reply_to(endpoint, prompt, self._spec)

        replies: dict[int, Reply] = {}
        numbered = [(place, prompts[place]) for place in self._order(prompts)]
        with closing(self._stream(numbered, answer)) as outcomes:
            for place, outcome in outcomes:
                reply = Reply("", "error", error=outcome.text) if isinstance(outcome, Fault) else outcome
                replies[place] = reply
                arrived(place, reply)
        return [replies[place] for place in range(len(prompts))]

    def score(self, items: Sequence[tuple[Prompt, str]], arrived: OnScore = unheeded) -> list[Score]:
        """Log-probabilities of given texts, from a vLLM server's tokenizer and its `prompt_logprobs`.

        Args:
            items: Pairs of a prompt and the assistant's text.
            arrived: Called in the caller's thread with a pair's place and its score.

        Returns:
            One score for each pair, in order (natural log).

        Raises:
            CannotScoreError: The server returns no log-probabilities of prompts; nearly all but vLLM don't.
            ModelUnreachableError: No server is worth waiting for any longer.
        """
        scores: dict[int, Score] = {}
        try:
            with closing(self._stream(enumerate(items), prompt_score)) as outcomes:
                for place, outcome in outcomes:
                    if isinstance(outcome, Fault):
                        raise CannotScoreError(outcome.text)
                    scores[place] = outcome
                    arrived(place, outcome)
        except CannotScoreError as error:
            raise CannotScoreError(
                f"{self.identity} cannot score given texts ({error}). "
                "Set `judge.kind: rubric` in task.yaml, or serve the model by vLLM"
            ) from None
        return [scores[place] for place in range(len(items))]

    def each(
        self,
        items: Sequence[Item],
        work: Callable[[Endpoint, Item], Awaitable[Result]],
        arrived: Callable[[int, Result | Fault], None] = unheeded,
    ) -> list[Result | Fault]:
        """Run `work` for each item against one of the endpoints.

        Args:
            items: The arguments of the calls.
            work: Coroutine function of an endpoint and an item.
            arrived: Called with an item's place and its outcome, as outcomes come in.

        Returns:
            The result for each item, or the error that ended its tries, in order.

        Raises:
            ModelUnreachableError: No server is worth waiting for any longer.
        """
        outcomes: dict[int, Result | Fault] = {}
        with closing(self._stream(enumerate(items), work)) as stream:
            for place, outcome in stream:
                outcomes[place] = outcome
                arrived(place, outcome)
        return [outcomes[place] for place in range(len(items))]

    def _stream(
        self, items: Iterable[tuple[int, Item]], work: Callable[[Endpoint, Item], Awaitable[Result]]
    ) -> Generator[tuple[int, Result | Fault]]:
        return self._loop.stream(lambda put: self._pool.run(items, work, put))


def _address(text: str) -> str:
    address = expand(text, "base_url")
    try:
        _ = urlsplit(address).port
    except ValueError:
        # The error quotes the text after the colon, which may be the beginning of a password.
        raise ValueError(
            "base_url can't be used as an address. It looks like http://HOST:PORT/v1; signs such as @ : / # "
            "in a password must be percent-encoded (%40 %3A %2F %23), in a variable of the environment too"
        ) from None
    return address
