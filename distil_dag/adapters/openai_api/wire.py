"""A prompt as the body of a chat completion in an engine's dialect, and an answer as a reply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionMessage

from distil_dag.adapters.openai_api.engines import Engine
from distil_dag.adapters.openai_api.errors import UnreadableAnswerError
from distil_dag.core.answers.call_objects import read_call
from distil_dag.core.answers.form import NotReadable
from distil_dag.core.answers.thoughts import final_words, without_thoughts
from distil_dag.core.case import Message
from distil_dag.core.conversation import openai_turns, with_results_named
from distil_dag.core.tool_call import ToolCall, render_calls
from distil_dag.stages.ports import Prompt, Reply

# Fields in which servers put thoughts beside the answer.
_THOUGHTS = ("reasoning", "reasoning_content", "thinking")


def request_body(prompt: Prompt, model: str, engine: Engine, thinking: bool | None = None) -> dict[str, Any]:
    """The arguments of the SDK's `chat.completions.create`.

    Args:
        prompt: The request.
        model: The server's name of the model.
        engine: What the server takes.
        thinking: Whether the model is told to think; None for no word of it.
    """
    body: dict[str, Any] = {
        "model": model,
        "messages": wire_messages(prompt.messages),
        engine.limit_name: prompt.max_tokens,
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
    }
    extra: dict[str, Any] = {}
    if prompt.stop:
        body["stop"] = list(prompt.stop)
    if prompt.temperature > 0 and engine.takes_seed:
        body["seed"] = prompt.seed
    if prompt.tools:
        body["tools"] = list(prompt.tools)
    if prompt.tools and not engine.parses_calls:
        # The tools stay in the prompt; calls come back as text, with the marks that set them off.
        body["tool_choice"] = "none"
        extra["skip_special_tokens"] = False
    if prompt.schema is not None and engine.schema == "json_object":
        body["response_format"] = {"type": "json_object", "schema": prompt.schema}
    elif prompt.schema is not None:
        form = {"name": "answer", "schema": prompt.schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    if prompt.prefill:
        body["messages"].append({"role": "assistant", "content": prompt.prefill})
        if engine.continues == "flag":
            extra |= {"continue_final_message": True, "add_generation_prompt": False}
    if thinking is not None and engine.switch == "template":
        extra["chat_template_kwargs"] = template_variables(thinking)
    elif thinking is False and engine.switch == "effort":
        extra["reasoning_effort"] = "none"
    if extra:
        body["extra_body"] = extra
    return body


def template_variables(thinking: bool) -> dict[str, bool]:
    """The variables of chat templates that switch thoughts; templates pass over what they don't know."""
    return {"enable_thinking": thinking, "thinking": thinking}


def wire_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """A conversation in OpenAI's form, as a server takes it; see :func:`openai_turns`."""
    return openai_turns(with_results_named(messages))


@dataclass(frozen=True)
class Heard:
    """A server's answer to one request.

    Attributes:
        reply: The answer without thoughts.
        thought: Whether the model thought.
        again: Whether more room may bring the answer that is missing.
    """

    reply: Reply
    thought: bool = False
    again: bool = False


def read_answer(completion: object, prompt: Prompt, limit: int) -> Heard:
    """A server's answer, its thoughts cut.

    Tool calls that the server has parsed come back as text in the Hermes form.

    Args:
        completion: The SDK's answer.
        prompt: The request. Its `prefill` is removed where the server repeats it.
        limit: Most tokens that the answer could have.

    Raises:
        UnreadableAnswerError: The answer is no completion.
        ValueError: The model wrote a malformed tool call; a second try would not change that.
    """
    choices = completion.choices if isinstance(completion, ChatCompletion) else None
    if not isinstance(completion, ChatCompletion) or not choices or choices[0].message is None:
        raise UnreadableAnswerError(f"the server's answer holds no message: {str(completion)[:200]!r}")
    message, ending, usage = choices[0].message, choices[0].finish_reason, completion.usage
    asked, told = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
    if ending == "content_filter":
        return Heard(Reply("", "error", asked, told, "the server's filter stopped the answer"))
    # A call that is whole hides from some servers that what followed it was cut.
    finish: Literal["stop", "length"] = (
        "length" if ending == "length" or (ending == "tool_calls" and told >= limit) else "stop"
    )
    text, thought, ended = _answer_text(message, prompt)
    details = usage.completion_tokens_details if usage else None
    thought = thought or bool(details and details.reasoning_tokens)
    if not ended:
        # Tokens ended them, or a stop string did.
        return Heard(Reply("", "length", asked, told), thought=True, again=True)
    if not text and prompt.tools and finish == "stop" and told > 1 and not (thought and prompt.stop):
        why = (
            f"the server gave neither text nor a call for {told} tokens. If it is vLLM, start it with "
            "--enable-auto-tool-choice and the model's --tool-call-parser (`openai` for gpt-oss)"
        )
        return Heard(Reply("", "error", asked, told, why), thought)
    cut = finish == "length" or (not text and bool(prompt.stop))
    return Heard(Reply(text, finish, asked, told), thought, again=thought and cut)


def _answer_text(message: ChatCompletionMessage, prompt: Prompt) -> tuple[str, bool, bool]:
    """(text, whether the model thought, whether its thoughts ended)."""
    calls: list[ToolCall] = [read_call(call.model_dump()) for call in message.tool_calls or []]
    fields = message.model_extra or {}
    thought = any(isinstance(said, str) and said.strip() for said in map(fields.get, _THOUGHTS))
    if calls:
        return render_calls(calls), thought, True
    text = message.content or message.refusal or ""
    if prompt.prefill:  # a server that can't continue a turn may have begun it anew
        return text.removeprefix(prompt.prefill), thought, True
    try:
        said = without_thoughts(text) if prompt.tools else final_words(text)
    except NotReadable:  # nothing but thoughts
        return "", True, False
    changed = said != text.strip()
    return (said if changed else text), thought or changed, True


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
