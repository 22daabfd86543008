"""A chat model behind any OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from openai import AsyncOpenAI, OpenAIError
from openai.types.chat import ChatCompletion

from distil_dag.core.case import Message
from distil_dag.core.task import ModelSpec
from distil_dag.core.tool_call import ToolCall, read_call, render_calls
from distil_dag.stages.ports import Arrived, Prompt, Reply, Score, unheeded

Item = TypeVar("Item")
Result = TypeVar("Result")

_RETRIES = 4
_LONGEST_ERROR = 500


class CannotScoreError(RuntimeError):
    """The endpoint does not say how likely a given text is."""


class EndpointChat:
    """Chat completions with `spec.max_in_flight` requests at once; the SDK retries what may pass.

    The key comes from the environment variable that `spec.api_key_env` names; an endpoint of
    one's own may do without. A request that fails for good gives a Reply with its error.
    """

    def __init__(self, spec: ModelSpec) -> None:
        if not spec.model:
            raise ValueError("a model of mode `attached` needs `model`: the name that the server knows it by")
        self._spec = spec
        self._model = spec.model
        self._key = os.environ.get(spec.api_key_env, "")
        if not self._key and spec.base_url is None:
            raise ValueError(
                f"the environment variable {spec.api_key_env} is not set; it holds the key of the "
                "endpoint (or name an endpoint that needs none in `base_url`)"
            )
        self._is_vllm: bool | None = None

    def __repr__(self) -> str:
        return f"EndpointChat({self.identity!r})"

    @property
    def identity(self) -> str:
        """The model's name and the server's address, without any credentials."""
        parts = urlsplit(self._spec.base_url or "https://api.openai.com/v1")
        port = f":{parts.port}" if parts.port else ""
        return f"{self._model}@{parts.hostname}{port}{parts.path.rstrip('/')}"

    def generate(self, prompts: Sequence[Prompt], arrived: Arrived = unheeded) -> list[Reply]:
        """One reply a prompt, in order; see the port. `seed` is not sent: not every server takes it.

        Tool calls that the server has read out of the model's text come back in the Hermes form.
        """
        return asyncio.run(self._each(prompts, self._answer))

    def score(self, items: Sequence[tuple[Prompt, str]]) -> list[Score]:
        """Log-probabilities from a vLLM server, by its tokenizer and its `prompt_logprobs`.

        Raises CannotScoreError for servers without them, which are nearly all others.
        """
        return asyncio.run(self._each(items, self._score))

    async def _each(
        self,
        items: Sequence[Item],
        work: Callable[[AsyncOpenAI, Item], Awaitable[Result]],
    ) -> list[Result]:
        places = asyncio.Semaphore(self._spec.max_in_flight)
        client = AsyncOpenAI(
            api_key=self._key or "none",
            base_url=self._spec.base_url,
            timeout=self._spec.timeout_seconds,
            max_retries=_RETRIES,
        )

        async def one(item: Item) -> Result:
            async with places:
                return await work(client, item)

        try:
            async with client, asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(item)) for item in items]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _answer(self, client: AsyncOpenAI, prompt: Prompt) -> Reply:
        try:
            completion = await client.chat.completions.create(**await self._body(client, prompt))
            return _reply(completion, prompt.prefill)
        except (OpenAIError, ValueError) as error:
            return Reply("", "error", error=self._without_key(f"{type(error).__name__}: {error}"))

    async def _body(self, client: AsyncOpenAI, prompt: Prompt) -> dict[str, Any]:
        # OpenAI's own endpoint takes only the new name, most others only the old one.
        limit = "max_tokens" if self._spec.base_url else "max_completion_tokens"
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [message.openai() for message in prompt.messages],
            limit: prompt.max_tokens,
            "temperature": prompt.temperature,
            "top_p": prompt.top_p,
        }
        if prompt.stop:
            body["stop"] = list(prompt.stop)
        if prompt.tools:
            body["tools"] = list(prompt.tools)
        if prompt.schema is not None:
            form = {"name": "answer", "schema": prompt.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        if prompt.prefill:
            body["messages"].append({"role": "assistant", "content": prompt.prefill})
            if await self._serves_vllm(client):
                body["extra_body"] = {"continue_final_message": True, "add_generation_prompt": False}
        return body

    async def _serves_vllm(self, client: AsyncOpenAI) -> bool:
        if self._is_vllm is None:
            try:
                served = [model.owned_by async for model in client.models.list()]
            except OpenAIError:
                served = []
            self._is_vllm = "vllm" in served
        return self._is_vllm

    async def _score(self, client: AsyncOpenAI, item: tuple[Prompt, str]) -> Score:
        prompt, text = item
        try:
            before = await self._tokens(client, prompt, prompt.prefill, ends=False)
            said = await self._tokens(client, prompt, prompt.prefill + text, ends=False)
            whole = await self._tokens(client, prompt, prompt.prefill + text, ends=True)
            whole = whole[: len(said) + 1]  # the template may put a line break behind the end of the turn
            start = next(
                (at for at, (a, b) in enumerate(zip(before, whole, strict=False)) if a != b), len(before)
            )
            body = {"model": self._model, "prompt": whole, "max_tokens": 1, "prompt_logprobs": 0}
            answer: Any = await client.post("/completions", body=body, cast_to=object)
            rows = answer["choices"][0]["prompt_logprobs"][start:]
            values = [row[str(token)]["logprob"] for row, token in zip(rows, whole[start:], strict=True)]
        except (OpenAIError, ValueError, LookupError, TypeError) as error:
            reason = self._without_key(f"{type(error).__name__}: {error}")
            raise CannotScoreError(
                f"{self.identity} cannot score given texts ({reason}). "
                "Set `judge.kind: rubric` in task.yaml, or serve the model by vLLM"
            ) from None
        return Score(sum(values), len(values))

    async def _tokens(self, client: AsyncOpenAI, prompt: Prompt, said: str, ends: bool) -> list[int]:
        """The server's own tokens of a conversation, its last turn closed or (`ends`) left open."""
        messages = [message.openai() for message in prompt.messages]
        if said or ends:
            messages.append(Message(role="assistant", content=said).openai())
        body = {
            "model": self._model,
            "messages": messages,
            "add_generation_prompt": not (said or ends),
            "continue_final_message": bool(said) and not ends,
            "tools": list(prompt.tools) or None,
        }
        parts = urlsplit(str(client.base_url))
        address = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/v1')}/tokenize"
        answer: Any = await client.post(address, body=body, cast_to=object)
        return [int(token) for token in answer["tokens"]]

    def _without_key(self, text: str) -> str:
        text = text.replace(self._key, "***") if self._key else text
        return text if len(text) <= _LONGEST_ERROR else text[:_LONGEST_ERROR] + "…"


def _reply(completion: ChatCompletion, prefill: str) -> Reply:
    """Read a server's answer; ValueError when it is none."""
    choices = completion.choices if isinstance(completion, ChatCompletion) else None
    if not choices or choices[0].message is None:
        raise ValueError(f"the server's answer holds no message: {str(completion)[:200]!r}")
    message, finish = choices[0].message, choices[0].finish_reason
    calls: list[ToolCall] = [read_call(call.model_dump()) for call in message.tool_calls or []]
    text = render_calls(calls) if calls else message.content or message.refusal or ""
    if prefill and text.startswith(prefill):
        text = text[len(prefill) :]  # a server that can't continue a turn may have begun it anew
    usage = completion.usage
    return Reply(
        text=text,
        finish="length" if finish == "length" else "stop",
        prompt_tokens=usage.prompt_tokens if usage else 0,
        completion_tokens=usage.completion_tokens if usage else 0,
    )
