"""The judge for capable teachers: two marks from 1 to 5, by structured output."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from distil_dag.core.case import Message, Trace
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.judge_port import Calls, Judgement
from distil_dag.stages.ports import ChatModel, Progress, Prompt, Reply, quiet

METHOD = "rubric-1"

# Prompts handed over at once: a batch is kept by the cache as a whole.
_BATCH = 64
_MAX_TOKENS = 300
_LONGEST = 20_000
_FENCED = re.compile(r"^\s*```(?:json)?\s*(.*?)\s*```\s*$", re.DOTALL)

Mark = Annotated[int, Field(ge=1, le=5, strict=True)]


class Marks(BaseModel):
    """What the judging model must answer."""

    model_config = ConfigDict(extra="ignore")

    rationale: Annotated[str, StringConstraints(max_length=4000)] = ""
    inference_clarity: Mark
    inference_coherence: Mark

    @property
    def score(self) -> float:
        """The mean of the two marks, with 1 mapped to 0 and 5 to 1."""
        return (self.inference_clarity + self.inference_coherence - 2) / 8


class RubricJudge:
    """Asks a model for the two marks of each exchange; what it can't read stays without a score."""

    def __init__(self, toolset: Toolset, model: ChatModel) -> None:
        self._toolset = toolset
        self._model = model
        self.identity = f"{METHOD} prompt {prompt_digest()} {model.identity}"

    def assess(self, items: Sequence[tuple[Trace, Calls]], progress: Progress = quiet) -> list[Judgement]:
        """A judgement an item. No exchange is in another's prompt, so none can change another's marks."""
        found: list[Judgement] = []
        for start in range(0, len(items), _BATCH):
            batch = items[start : start + _BATCH]
            replies = self._model.generate([self._prompt(trace, calls) for trace, calls in batch])
            found += [read_marks(reply) for reply in replies]
            progress(len(found), len(items), "judged")
        return found

    def _prompt(self, trace: Trace, calls: Calls) -> Prompt:
        exchange = json.dumps(
            {"conversation": [_turn(m) for m in trace.messages], "answer": _answer(trace, calls)},
            ensure_ascii=True,
        )[:_LONGEST]
        # Whoever writes a request can't know the hash of the whole exchange, itself included.
        fence = f"data-{hashlib.sha256(exchange.encode()).hexdigest()[:24]}"
        text = _template().render(
            description=self._toolset.description,
            tools=json.dumps(self._toolset.openai(), ensure_ascii=False),
            exchange=exchange,
            fence=fence,
        )
        return Prompt(
            messages=(Message(role="user", content=text),),
            max_tokens=_MAX_TOKENS,
            schema=Marks.model_json_schema(),
        )


def read_marks(reply: Reply) -> Judgement:
    """The judgement in a reply; one without a score where it is not exactly what was asked for."""
    if reply.finish == "error":
        return Judgement(None, "the judge did not answer", reply.error[:300])
    text = _FENCED.sub(r"\1", reply.text)
    try:
        marks = Marks.model_validate_json(text)
    except ValidationError as error:
        what = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'reply'}: {e['msg']}" for e in error.errors()[:3])
        return Judgement(None, "the judge's answer can't be read", f"{what} in {reply.text[:200]!r}")
    weaker = (
        "the call does not follow from the words"
        if marks.inference_coherence <= marks.inference_clarity
        else "the words do not determine a call"
    )
    return Judgement(
        marks.score,
        weaker,
        marks.rationale,
        {
            "inference_clarity": float(marks.inference_clarity),
            "inference_coherence": float(marks.inference_coherence),
        },
    )


def prompt_digest() -> str:
    """The first hex digits of the prompt's sha256: a changed prompt is another judge."""
    return hashlib.sha256(_source().encode()).hexdigest()[:12]


def _source() -> str:
    return (files("distil_dag.stages") / "prompts" / "rubric_judge.jinja").read_text(encoding="utf-8")


@cache
def _template() -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    return SandboxedEnvironment(undefined=StrictUndefined, autoescape=False).from_string(_source())


def _turn(message: Message) -> dict[str, object]:
    turn: dict[str, object] = {"role": message.role, "content": message.content}
    return turn | ({"calls": [_call(call) for call in message.tool_calls]} if message.tool_calls else {})


def _answer(trace: Trace, calls: Calls) -> dict[str, object]:
    return {"calls": [_call(call) for call in calls]} | ({} if calls else {"text": trace.text})


def _call(call: ToolCall) -> dict[str, object]:
    return {"name": call.name, "arguments": call.arguments}
