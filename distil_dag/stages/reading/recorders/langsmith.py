"""LangSmith and LangChain: runs of a tracer, and what the callbacks of LangChain are given."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from distil_dag.stages.reading.recorders.outcome import AROUND, OTHER, PART, TOOL_RUN, NoAnswer, content_off
from distil_dag.stages.reading.recorders.pairs import chat_pair, is_empty, parsed
from distil_dag.stages.reading.recorders.spans.span import milliseconds
from distil_dag.stages.reading.strict_values import Unreadable

SETTING = "set LANGSMITH_HIDE_INPUTS=false and LANGSMITH_HIDE_OUTPUTS=false"
CALLBACK = "log runs of a tracer, or each message.model_dump(): response.model_dump() has no calls"
_MODELS = ("llm", "chat_model")
_SPEAKERS = {"System": "system", "Human": "user", "AI": "assistant", "Tool": "tool", "Function": "tool"}
_UNLIKELY = {("user", "user"), ("assistant", "assistant"), ("user", "tool")}
_TURN = re.compile(r"(?:\A|\n)(System|Human|AI|Tool|Function): ")
_CALLS = re.compile(r"\[\{'name': .*\}\]\Z", re.DOTALL)
_RUN_OF_MESSAGE = re.compile(r"(?:lc_run-|run-)-?([0-9a-f-]{36})")


def is_run(record: Mapping[str, Any]) -> bool:
    """Whether a record is a run."""
    return isinstance(record.get("run_type"), str)


def is_start(record: Mapping[str, Any]) -> bool:
    """Whether a record is what `on_chat_model_start` is given."""
    return "serialized" in record and "run_id" in record and isinstance(record.get("messages"), list)


def is_end(record: Mapping[str, Any]) -> bool:
    """Whether a record is what `on_llm_end` is given: an `LLMResult`."""
    return isinstance(record.get("generations"), list) and (
        "llm_output" in record or record.get("type") == "LLMResult"
    )


def run_of(record: Mapping[str, Any]) -> str:
    """The id of the run that a callback's record belongs to; empty where it does not say."""
    if isinstance(record.get("run_id"), str):
        return str(record["run_id"])
    found = _RUN_OF_MESSAGE.search(str(_answer(record).get("id")))
    return found[1] if found else ""


def is_whole(run: Mapping[str, Any]) -> bool:
    """Whether a run has its end and its start; a long one is written as two records."""
    return run.get("end_time") is not None and "inputs" in run


def run_record(run: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a run of a model.

    Raises:
        Unreadable: content is hidden, the run has no end, or a call is not logged.
        NoAnswer: it is the run of something else.
    """
    kind = str(run["run_type"])
    if kind not in _MODELS:
        raise NoAnswer(TOOL_RUN if kind == "tool" else AROUND if kind in ("chain", "agent") else OTHER)
    given, got = (parsed(run.get(name), name) for name in ("inputs", "outputs"))
    if not is_empty(run.get("error")):
        raise Unreadable("the request failed", "the run ended in an error")
    if run.get("end_time") is None and is_empty(got):
        raise Unreadable("no response", "the end of the run is not in the log")
    if "inputs" not in run:
        raise Unreadable("no request", "the start of the run is not in the log")
    if is_empty(given) or is_empty(got):
        raise content_off(SETTING)
    start = run.get("start_time")
    more = {"latency_ms": milliseconds(start, run.get("end_time")), "recorded_at": start}
    if isinstance(given, Mapping) and "messages" not in given and isinstance(given.get("prompts"), list):
        given = {"messages": _turns_of(given["prompts"])}
    return chat_pair(given, _answered(got), **more, model=_model(run))


def end_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record of what the callbacks of LangChain are given; the start of its run stands in `messages`.

    Raises:
        Unreadable: the calls or the request are not in it.
        NoAnswer: it is the start of a run.
    """
    if not is_end(record):
        raise NoAnswer(PART)
    answer = _answer(record)
    if "tool_calls" not in answer:
        # Its ending does not tell: some services end calls as they end a text.
        raise Unreadable(f"content is not logged; {CALLBACK}", "whether a call was made is not in the record")
    if is_empty(record.get("messages")):
        raise Unreadable("no request", "it is in the record of on_chat_model_start, which is not in the log")
    return chat_pair({"messages": record["messages"]}, _answered(record), model=_model_of(answer))


def _answered(got: Any) -> Any:
    """The generations of a run, as choices."""
    generations = got.get("generations") if isinstance(got, Mapping) else None
    while isinstance(generations, list) and len(generations) == 1 and isinstance(generations[0], list):
        generations = generations[0]
    if not isinstance(generations, list):
        return got
    choices = []
    for one in generations:
        one = parsed(one, "a generation")
        if not isinstance(one, Mapping) or not isinstance(one.get("message"), Mapping):
            raise Unreadable("only a text at the end of a span", "a generation without a message")
        info = one.get("generation_info")
        ending = info.get("finish_reason") or info.get("stop_reason") if isinstance(info, Mapping) else None
        choices.append({"message": one["message"], "finish_reason": ending})
    return choices


def _answer(record: Mapping[str, Any]) -> Mapping[str, Any]:
    generations: Any = record.get("generations")
    while isinstance(generations, list) and generations:
        generations = generations[0]
    message = generations.get("message") if isinstance(generations, Mapping) else None
    message = message if isinstance(message, Mapping) else {}
    held = message.get("kwargs")
    return held if isinstance(held, Mapping) else message


def _turns_of(prompts: list[Any]) -> list[dict[str, Any]]:
    """The turns of a chat that LangChain wrote into one text.

    Raises:
        Unreadable: the text is none of these.
    """
    if len(prompts) != 1 or not isinstance(prompts[0], str):
        raise Unreadable("several prompts", "a batch was asked at once")
    text = prompts[0]
    starts = list(_TURN.finditer(text))
    if not starts or starts[0].start() != 0:
        raise Unreadable("a text for the whole chat", "inputs.prompts has no turns of a chat")
    ends = [*(found.start() for found in starts[1:]), len(text)]
    turns = [(_SPEAKERS[found[1]], text[found.end() : end]) for found, end in zip(starts, ends, strict=True)]
    roles = [role for role, _ in turns]
    if "system" in roles[1:] or any(pair in _UNLIKELY for pair in pairwise(roles)):
        # A line of a user's text begins as a turn does.
        raise Unreadable("a text for the whole chat", "where its turns begin can't be told")
    return [_turn(role, said) for role, said in turns]


def _turn(role: str, said: str) -> dict[str, Any]:
    if role == "assistant" and (found := _CALLS.search(said)):
        try:
            calls = ast.literal_eval(found[0])
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise Unreadable(
                "unreadable call", "a call of the history, written into the text of the prompt"
            ) from None
        return {"role": role, "content": said[: found.start()], "tool_calls": calls}
    return {"role": role, "content": said}


def _model(run: Mapping[str, Any]) -> Any:
    extra = parsed(run.get("extra"), "extra")
    told = extra.get("metadata") if isinstance(extra, Mapping) else None
    answer = parsed(run.get("outputs"), "outputs")
    answer = answer if isinstance(answer, Mapping) else {}
    return _model_of(_answer(answer)) or answer.get("model") or (
        told.get("ls_model_name") if isinstance(told, Mapping) else None
    )  # fmt: skip


def _model_of(answer: Mapping[str, Any]) -> Any:
    told = answer.get("response_metadata")
    return (told.get("model_name") or told.get("model")) if isinstance(told, Mapping) else None
