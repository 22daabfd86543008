"""A prompt as the body of a chat completion in an engine's dialect, and an answer as a reply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openai.types import Completion
from openai.types.chat import ChatCompletion

from distil_dag.adapters.openai_api.engines import Engine
from distil_dag.adapters.openai_api.errors import UnreadableAnswerError
from distil_dag.core.answers.call_objects import read_call
from distil_dag.core.case import Message
from distil_dag.core.conversation import openai_turns, with_results_named
from distil_dag.core.tool_call import ToolCall, render_calls
from distil_dag.stages.ports import Prompt, Reply


def request_body(prompt: Prompt, model: str, engine: Engine) -> dict[str, Any]:
    """The arguments of the SDK's `chat.completions.create`.

    Args:
        prompt: The request.
        model: The server's name of the model.
        engine: What the server takes.
    """
    body: dict[str, Any] = {
        "model": model,
        "messages": wire_messages(prompt.messages),
        engine.limit_name: prompt.max_tokens,
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
    }
    if prompt.stop:
        body["stop"] = list(prompt.stop)
    if prompt.temperature > 0 and engine.takes_seed:
        body["seed"] = prompt.seed
    if prompt.tools:
        body["tools"] = list(prompt.tools)
    if prompt.schema is not None and engine.schema == "json_object":
        body["response_format"] = {"type": "json_object", "schema": prompt.schema}
    elif prompt.schema is not None:
        form = {"name": "answer", "schema": prompt.schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    if prompt.prefill:
        body["messages"].append({"role": "assistant", "content": prompt.prefill})
        if engine.continues == "flag":
            body["extra_body"] = {"continue_final_message": True, "add_generation_prompt": False}
    return body


def wire_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """A conversation in OpenAI's form, as a server takes it; see :func:`openai_turns`."""
    return openai_turns(with_results_named(messages))


def read_reply(completion: object, prefill: str = "") -> Reply:
    """A server's answer as a reply.

    Tool calls that the server has parsed come back as text in the Hermes form.

    Args:
        completion: The SDK's answer.
        prefill: Beginning of the assistant's turn that was sent; removed where the server repeats it.

    Raises:
        UnreadableAnswerError: The answer is no completion.
        ValueError: The model wrote a malformed tool call; a second try would not change that.
    """
    choices = completion.choices if isinstance(completion, ChatCompletion) else None
    if not isinstance(completion, ChatCompletion) or not choices or choices[0].message is None:
        raise UnreadableAnswerError(f"the server's answer holds no message: {str(completion)[:200]!r}")
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


def read_completion(completion: object) -> Reply:
    """The text that a server wrote after a prompt without turns.

    Raises:
        UnreadableAnswerError: The answer is no completion.
    """
    choices = completion.choices if isinstance(completion, Completion) else None
    if not isinstance(completion, Completion) or not choices:
        raise UnreadableAnswerError(f"the server's answer holds no text: {str(completion)[:200]!r}")
    usage = completion.usage
    return Reply(
        text=choices[0].text,
        finish="length" if choices[0].finish_reason == "length" else "stop",
        prompt_tokens=usage.prompt_tokens if usage else 0,
        completion_tokens=usage.completion_tokens if usage else 0,
    )
