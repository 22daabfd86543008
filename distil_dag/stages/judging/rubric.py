"""The judge for capable teachers: two marks from 1 to 5, by structured output."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from distil_dag.core.answers.form import NotReadable
from distil_dag.core.answers.thoughts import final_words
from distil_dag.core.case import Message, Trace
from distil_dag.core.tool_call import Calls
from distil_dag.core.toolset import Toolset
from distil_dag.stages.judging.aftermath.followed import Aftermath
from distil_dag.stages.judging.port import Judgement, OnJudgement, ignore
from distil_dag.stages.judging.rendering import answer, conversation
from distil_dag.stages.ports import ChatModel, Prompt, Reply
from distil_dag.stages.prompting.batches import ask_all
from distil_dag.stages.prompting.delimiters import delimited
from distil_dag.stages.prompting.prompt_files import PromptName, digests, render

METHOD = "rubric-1"

_MAX_TOKENS = 300
_MOST_OBJECTS = 20
# Grammars of some engines let a raw line break into a text.
_DECODER = json.JSONDecoder(strict=False)


def _whole(mark: object) -> object:
    return int(mark) if isinstance(mark, float) and mark.is_integer() else mark


Mark = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=5, strict=True)]

# What every engine takes: no limits of length, which make a grammar that llama.cpp refuses, and all
# required and nothing more, which strict modes insist on. The reason comes first, so that the marks
# follow from it.
_MARK_SCHEMA = {"type": "integer", "enum": [1, 2, 3, 4, 5]}
_SCHEMA = {
    "type": "object",
    "properties": {
        "rationale": {"type": "string"},
        "inference_clarity": _MARK_SCHEMA,
        "inference_coherence": _MARK_SCHEMA,
    },
    "required": ["rationale", "inference_clarity", "inference_coherence"],
    "additionalProperties": False,
}
_MARKED = {"inference_clarity", "inference_coherence"}


class Marks(BaseModel):
    """What the judging model must answer.

    Attributes:
        rationale: one sentence that names the decisive words.
        inference_clarity: how far the words determine a call, from 1 to 5.
        inference_coherence: how far the call follows from the words, from 1 to 5.
    """

    model_config = ConfigDict(extra="ignore")

    rationale: Annotated[str, StringConstraints(max_length=4000)] = ""
    inference_clarity: Mark
    inference_coherence: Mark

    @property
    def score(self) -> float:
        """The mean of the two marks, with 1 mapped to 0 and 5 to 1."""
        return (self.inference_clarity + self.inference_coherence - 2) / 8


class RubricJudge:
    """A judge that asks a model for two marks of each exchange (LLM as a judge, Zheng et al. 2023).

    An answer that can't be read stays without a score. No exchange is in another's prompt, so what one says
    can change no other's marks.
    """

    prompts: tuple[PromptName, ...] = ("rubric_judge",)

    def __init__(
        self, toolset: Toolset, model: ChatModel, against: Mapping[str, Aftermath] | None = None
    ) -> None:
        self._toolset = toolset
        self._against = against or {}
        self._model = model
        self.identity = f"{METHOD} prompt {digests(*self.prompts)['rubric_judge']} {model.identity}"

    def assess(
        self, items: Sequence[tuple[Trace, Calls]], on_result: OnJudgement = ignore
    ) -> list[Judgement]:
        """One judgement for each item; see :meth:`Judge.assess`."""
        found: dict[int, Judgement] = {}

        def arrived(place: int, reply: Reply) -> None:
            found[place] = read_marks(reply)
            on_result(found[place])

        prompts = [
            rubric_prompt(
                self._toolset, trace, calls, self._against.get(trace.id) if calls == trace.calls else None
            )
            for trace, calls in items
        ]
        ask_all(self._model, prompts, arrived, whole=True)
        return [found[place] for place in range(len(items))]

    def again(self) -> tuple[RubricJudge, str]:
        """The judge with the tools listed backwards, which should change no mark."""
        backwards = Toolset(self._toolset.tools[::-1], self._toolset.description)
        return RubricJudge(
            backwards, self._model, self._against
        ), "asked again with the tools listed backwards"


def rubric_prompt(toolset: Toolset, trace: Trace, calls: Calls, against: Aftermath | None = None) -> Prompt:
    """The prompt by which the judge asks about one exchange, and about what followed it."""
    exchange: dict[str, object] = {"conversation": conversation(trace), "answer": answer(trace, calls)}
    if against:
        exchange["afterwards"] = f"{against.reason}: {against.said}"
    text = render(
        "rubric_judge",
        description=toolset.description,
        tools=json.dumps(toolset.openai(), ensure_ascii=False),
        exchange=delimited(exchange),
        has_sequel=against is not None,
    )
    return Prompt(
        messages=(Message(role="user", content=text),),
        max_tokens=_MAX_TOKENS,
        schema=_SCHEMA,
    )


def read_marks(reply: Reply) -> Judgement:
    """The judgement in a reply: one JSON object, alone, in a fence or among words.

    Args:
        reply: what the judge said.

    Returns:
        The judgement; one without a score where the reply holds no marks, or different ones.
    """
    if reply.finish == "error":
        return Judgement(None, "the judge did not answer", reply.error[:300])
    try:
        found = [value for value in _objects(final_words(reply.text)) if set(value) >= _MARKED]
        marks = Marks.model_validate(found[0] if found else {})
        if any(Marks.model_validate(other) != marks for other in found[1:]):
            return Judgement(None, "the judge gave different marks", repr(reply.text[:200]))
    except (ValidationError, NotReadable) as error:
        if reply.finish == "length":
            return Judgement(None, "the judge ran out of tokens", repr(reply.text[-200:]))
        said = error.errors()[:3] if isinstance(error, ValidationError) else []
        what = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in said) or str(error)
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


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in a text, from its beginning."""
    at = text.find("{")
    for _ in range(_MOST_OBJECTS):
        if at < 0:
            return
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            yield value
        at = text.find("{", end)
