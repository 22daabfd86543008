"""Rows of public data sets for function calling: xLAM and glaive."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.formats.messages import with_system
from distil_dag.stages.reading.logged_calls import as_list
from distil_dag.stages.reading.strict_values import Unreadable, clean_text

_SPEAKERS = {"USER": "user", "ASSISTANT": "assistant", "A": "assistant", "FUNCTION RESPONSE": "tool"}
_SPEAKER = re.compile(r"(?:\A|\n\s*\n)\s*(USER|ASSISTANT|A|FUNCTION RESPONSE):")
# Arguments as JSON text in single quotes, which are not escaped within it.
_QUOTED = re.compile(r"(\"arguments\"\s*:\s*)'(\{.*\})'(?=\s*\})", re.DOTALL)
_END = "<|endoftext|>"


def xlam_record(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row with `query` and `answers`, a list of calls, as a question with its answer."""
    answers = as_list(record.get("answers"), "answers")
    return {**record, "question": record.get("query"), "answer": answers}


def glaive_record(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row whose `chat` is one text with the names of its speakers, as `messages`.

    Raises:
        Unreadable: the text does not begin with a speaker.
    """
    before, *turns = _SPEAKER.split(clean_text(record.get("chat"), "chat"))
    if before.strip() or not turns:
        raise Unreadable("unknown format", "chat does not begin with USER:")
    messages = [_message(name, said) for name, said in zip(turns[::2], turns[1::2], strict=True)]
    system = record.get("system")
    if isinstance(system, str):
        system = system.strip().removeprefix("SYSTEM:").strip()
    return {**record, "messages": with_system(messages, system)}


def _message(speaker: str, said: str) -> dict[str, Any]:
    text = said.replace(_END, "").strip()
    if speaker in ("ASSISTANT", "A"):
        text = _QUOTED.sub(r"\1\2", text)
    message: dict[str, Any] = {"role": _SPEAKERS[speaker], "content": text}
    return {**message, "finish_reason": "function_call"} if "<functioncall>" in text else message
