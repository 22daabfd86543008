"""Routes of a vLLM server outside OpenAI's protocol: token ids of conversations, and its version."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from openai import BadRequestError, NotFoundError

from distil_dag.adapters.openai_api.endpoint import Endpoint
from distil_dag.adapters.openai_api.engines import engine_after_refusal
from distil_dag.adapters.openai_api.errors import UnreadableAnswerError
from distil_dag.adapters.openai_api.wire import read_completion, template_variables, wire_messages
from distil_dag.core.case import Message
from distil_dag.stages.ports import Prompt, Reply

# The end of a prompt in the spelling of its tokens, in which a line break may be a letter.
_OPENED = re.compile(r"<think>[^<>]{0,8}\Z")


async def conversation_tokens(
    endpoint: Endpoint, prompt: Prompt, said: str = "", ends: bool = False
) -> tuple[list[int], int]:
    """A conversation in the server's own tokens, as its chat route renders it for answers without thoughts.

    Args:
        endpoint: A vLLM server.
        prompt: Messages and tools.
        said: The assistant's text after the messages.
        ends: Whether the assistant's turn is closed after `said`.

    Returns:
        The token ids, and the size of the server's context in tokens. With neither `said` nor `ends`, the ids
        end where the assistant begins.

    Raises:
        UnreadableAnswerError: The answer holds no tokens.
    """
    answer_turn = (Message(role="assistant", content=said),) if said or ends else ()
    body = {
        "model": endpoint.model,
        "messages": wire_messages((*prompt.messages, *answer_turn)),
        "add_generation_prompt": not (said or ends),
        "continue_final_message": bool(said) and not ends,
        "tools": list(prompt.tools) or None,
    }
    answer = await _posted(endpoint, body)
    try:
        return [int(token) for token in answer["tokens"]], int(answer["max_model_len"])
    except (LookupError, TypeError, ValueError):
        raise UnreadableAnswerError(f"no tokens in the answer: {str(answer)[:200]!r}") from None


async def opens_thoughts(endpoint: Endpoint, thinking: bool) -> bool:
    """Whether a server's chat template begins the assistant's turn within thoughts; found out once.

    An answer that is cut then may hold nothing but thoughts, with no tag in it that says so.

    Args:
        endpoint: The server.
        thinking: Whether its model is told to think.
    """
    if endpoint.opens_thoughts is None:
        body = {
            "model": endpoint.model,
            "messages": wire_messages((Message(role="user", content="Hello"),)),
            "return_token_strs": True,
        }
        tokens: Any = None
        if (await endpoint.engine()).tokenizes:
            with suppress(BadRequestError, NotFoundError):
                tokens = await _posted(endpoint, body, thinking)
        words = tokens.get("token_strs") if isinstance(tokens, dict) else None
        text = "".join(map(str, words or []))
        endpoint.opens_thoughts = _OPENED.search(text) is not None
    return endpoint.opens_thoughts


async def _posted(endpoint: Endpoint, body: dict[str, Any], thinking: bool = False) -> Any:
    while True:
        engine = await endpoint.engine()
        asked = dict(body)
        if engine.switch == "template":
            asked["chat_template_kwargs"] = template_variables(thinking)
        try:
            return await endpoint.client.post(_beside(endpoint, "tokenize"), body=asked, cast_to=object)
        except BadRequestError as error:
            less = engine_after_refusal(engine, str(error))
            if less is None:
                raise
            endpoint.has_learnt(less)


async def continuation(endpoint: Endpoint, prompt: tuple[tuple[int, ...], int]) -> Reply:
    """Continue a prompt of token ids greedily.

    Args:
        endpoint: The server.
        prompt: The token ids, and the greatest length of the answer in tokens.

    Raises:
        UnreadableAnswerError: The answer is no completion.
    """
    ids, most = prompt
    return read_completion(
        await endpoint.client.completions.create(
            model=endpoint.model, prompt=list(ids), max_tokens=most, temperature=0.0
        )
    )


async def version(endpoint: Endpoint, _: object = None) -> str:
    """The version that the server reports; empty where it reports none.

    Args:
        endpoint: A vLLM server.
        _: Ignored; present so that :meth:`EndpointChat.each` can call this function.
    """
    answer: Any = await endpoint.client.get(_beside(endpoint, "version"), cast_to=object)
    return str(answer.get("version", "")) if isinstance(answer, dict) else ""


def _beside(endpoint: Endpoint, path: str) -> str:
    """The URL of a route that is no part of OpenAI's protocol, and so lies beside `/v1`."""
    parts = urlsplit(str(endpoint.client.base_url))
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/v1')}/{path}"
