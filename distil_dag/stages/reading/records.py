"""One record of a production log -> the traces that it holds.

Formats (`auto` tells them apart by their fields):

- `openai_chat`: `request` and `response` of a chat completion, as objects or JSON text. The
  response is the trace; assistant turns in the request are its history, since each of them was a
  call with a record of its own.
- `messages`: a list of chat turns, as `messages`, or as `context` in Distil Labs' unstructured
  files. Every assistant turn is a trace with the turns before it as history, unless its `weight` is 0.
- `question_answer`: Distil Labs rows. `answer` is a call, a list of calls or text.

All other formats are brought into one of these first, by `formats/`.

Which assistant turns are traces: those that answer a user turn, by calls or by text, and those
that call further tools after a tool's result. Text after a tool's result reports what the tool
said; it chooses no tool, and stays in the history only. Assistant turns in a row are one turn.

Personal data is replaced before anything is returned. Whatever else a text says, instructions to
a judge or a teacher included, is a text like any other and stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from distil_dag.core.case import Message, Trace
from distil_dag.core.source_fields import RecordFormat
from distil_dag.core.tool_call import NAMESPACE, ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.reading.evidence.beside import evidence_of
from distil_dag.stages.reading.fields import MARKS, latency_of, model_of, without_nulls
from distil_dag.stages.reading.formats.basic_turns import turns_of
from distil_dag.stages.reading.formats.plain_records import MAX_MODEL, PlainCall, PlainTrace, plain_parts
from distil_dag.stages.reading.formats.records import BASIC, basic_record
from distil_dag.stages.reading.recorders.outcome import NoAnswer, is_content_off
from distil_dag.stages.reading.redaction.redactor import NOTHING_FOUND, Redactor
from distil_dag.stages.reading.redaction.replaced_texts import refuse_replaced
from distil_dag.stages.reading.strict_values import Unreadable, bare, clean_text, read_time, time_or_none
from distil_dag.stages.reading.tool_results import in_call_order
from distil_dag.stages.reading.turns import Record, Turn, bounded, joined

_MAX_PROBLEM = 300
_CACHED_CALLS = 20_000


class ReadRecord(NamedTuple):
    """What a record gave: its traces, why the rest could not be read, what was redacted.

    A plain record gives one trace, in `plain`; those of any other stand in `complete`. `by_order` counts tool
    results that only their order assigns to one of several calls. `is_no_answer` says what a recorder wrote
    the record of, if not of an answer of a model; `is_recorded`, that a recorder did.

    Without traces, problem and this, a record holds no choice of a tool (see above).
    """

    complete: tuple[Trace, ...] = ()
    problem: Unreadable | None = None
    redacted: Mapping[str, int] = NOTHING_FOUND
    by_order: int = 0
    is_no_answer: str = ""
    is_recorded: bool = False
    plain: PlainTrace | None = None

    @property
    def traces(self) -> tuple[Trace, ...]:
        """The traces, in the order of the record's turns."""
        return (self.plain.trace(),) if self.plain else self.complete


class RecordReader:
    """Reads the records of one source; without a toolset no call is checked."""

    def __init__(self, toolset: Toolset | None, record_format: RecordFormat = "auto") -> None:
        self._toolset = toolset
        self._format = record_format
        self._problems: dict[str, tuple[str, ...]] = {}

    def read(self, record: Record, identity: str, time: Any = None, *, columnar: bool = False) -> ReadRecord:
        """The traces of one record, in the order of its turns; never raises for what it holds.

        A record with one assistant turn gives a trace with the record's own id, the k-th assistant
        turn of a longer conversation is `<id>#<k>`. What stands before an unreadable turn is kept.
        `columnar`: the record comes from typed columns, where what is absent shows as null.
        """
        if columnar:
            record = without_nulls(record)
        try:
            moment = read_time(time)
        except Unreadable as error:
            return ReadRecord(problem=bare(error))
        if MARKS.isdisjoint(record) and (plain := self._plain(record, record, identity, moment)):
            return plain
        return self._by_all_rules(record, identity, moment)

    def _by_all_rules(self, logged: Record, identity: str, moment: datetime | None) -> ReadRecord:
        record = logged
        turns: list[Turn] = []
        traces: list[Trace] = []
        problem: Unreadable | None = None
        redacted: Mapping[str, int] = NOTHING_FOUND
        by_order = 0
        is_recorded = False
        try:
            record = basic_record(record, self._format)
            if is_recorded := "recorded_at" in record:
                moment = moment or time_or_none(record["recorded_at"])
                if plain := self._plain(record, logged, identity, moment):
                    return plain._replace(is_recorded=True)
            style = self._format if self._format in BASIC else _style(record)
            try:
                turns.extend(bounded(turns_of(record, style, self._toolset)))
            except Unreadable as error:
                problem = bare(error)
            ordered, by_order = in_call_order(joined(turns))
            turns = [self._as_defined(turn) for turn in ordered]
            refuse_replaced(turns)
            model = clean_text(model_of(record), "model")[:MAX_MODEL]
            texts = [turn.content for turn in turns]
            redactor = Redactor(
                [*texts, model], [call for turn in turns for call in turn.calls], self._toolset
            )
            redacted = redactor.found
            messages = [_message(turn, redactor) for turn in turns]
            evidence = evidence_of(logged)
            answers = sum(turn.role == "assistant" for turn in turns) + (problem is not None)
            several = style == "messages" and answers > 1
            for number, place in _answers(turns):
                answer = turns[place]
                if not _asked(turns[:place]).strip():
                    raise Unreadable("empty request")
                if is_recorded and not answer.calls and not answer.content:
                    raise Unreadable(
                        "empty answer", "neither text nor calls; the recorder may have lost them"
                    )
                traces.append(
                    Trace(
                        id=f"{identity}#{number}" if several else identity,
                        messages=tuple(messages[:place]),
                        calls=messages[place].tool_calls,
                        text=messages[place].content,
                        time=moment,
                        problems=self._check(answer.calls, redactor),
                        model=redactor.text(model),
                        latency_ms=latency_of(record),
                        **evidence.usage._asdict(),
                        feedback=evidence.feedback,
                    )
                )
        except Unreadable as error:
            problem = problem or bare(error)
            is_recorded = is_recorded or is_content_off(error)
        except NoAnswer as answer:
            return ReadRecord(is_no_answer=answer.kind)
        if not traces:
            problem = problem or _missing(turns)
        return ReadRecord(tuple(traces), problem, redacted, by_order, is_recorded=is_recorded)

    def _plain(
        self, record: Record, logged: Record, identity: str, moment: datetime | None
    ) -> ReadRecord | None:
        """What a plain record gives; None for any other."""
        parts = plain_parts(record) if self._format in ("auto", "openai_chat") else None
        if parts is None:
            return None
        turns, calls, model, may_be_personal = parts
        problems: tuple[str, ...] = ()
        for call in calls:
            problems += self._problems_of(call.said, call.name, call.arguments)
        if problems and any(call.name.startswith(NAMESPACE) for call in calls):
            return None
        redacted: Mapping[str, int] = NOTHING_FOUND
        if may_be_personal:
            called = [ToolCall(name=call.name, arguments=call.arguments) for call in calls]
            try:
                redactor = Redactor([*(words for _, words in turns), model], called, self._toolset)
            except Unreadable as error:
                return ReadRecord(problem=bare(error))
            if redacted := redactor.found:
                turns = [(role, redactor.text(words)) for role, words in turns]
                calls = [PlainCall.of(redactor.text(c.name), redactor.value(c.arguments)) for c in calls]
                model, problems = redactor.text(model), tuple(map(redactor.text, problems))
        if problems:
            problems = tuple([problem[:_MAX_PROBLEM] for problem in problems])
        latency, evidence = latency_of(record), evidence_of(logged)
        plain = PlainTrace(identity, turns, calls, moment, problems, model, latency, evidence)
        return ReadRecord(plain=plain, redacted=redacted)

    def _as_defined(self, turn: Turn) -> Turn:
        """The turn with its calls as their tools define them."""
        if self._toolset is None or not turn.calls:
            return turn
        return turn._replace(calls=tuple(map(self._toolset.as_defined, turn.calls)))

    def _check(self, calls: Sequence[ToolCall], redactor: Redactor) -> tuple[str, ...]:
        """Problems of the calls as logged, since a placeholder need not satisfy a schema."""
        return tuple(
            redactor.text(problem)[:_MAX_PROBLEM]
            for call in calls
            for problem in self._problems_of(f"{call.name} {call.arguments!r}", call.name, call.arguments)
        )

    def _problems_of(self, key: str, name: str, arguments: dict[str, Any]) -> tuple[str, ...]:
        if self._toolset is None:
            return ()
        # Logs repeat themselves, and validation is the dearest step.
        found = self._problems.get(key)
        if found is None:
            if len(self._problems) >= _CACHED_CALLS:
                self._problems.clear()
            call = ToolCall(name=name, arguments=arguments)
            found = self._problems[key] = tuple(self._toolset.problems(call))
        return found


def _style_or_none(record: Record) -> RecordFormat | None:
    has = record.get
    if has("response") is not None and (has("request") is not None or has("messages") is not None):
        return "openai_chat"
    asked, answered = has("question") is not None, has("answer") is not None
    if (has("messages") is not None or has("context") is not None) and not (asked and answered):
        return "messages"
    return "question_answer" if asked or answered else None


def _style(record: Record) -> RecordFormat:
    style = _style_or_none(record)
    if style:
        return style
    if any(record.get(name) is not None for name in ("request", "response")):
        return "openai_chat"
    found = ", ".join(sorted(map(str, record))[:8])
    raise Unreadable(
        "unknown format", f"has none of the fields of a known form, see traces.format; has {found[:200]}"
    )


def _answers(turns: Sequence[Turn]) -> Iterator[tuple[int, int]]:
    """(which assistant turn, its place) of every turn that chooses a tool, or none, for a user."""
    number = 0
    for place, turn in enumerate(turns):
        number += turn.role == "assistant"
        before = turns[place - 1].role if place else ""
        if turn.answers and (before == "user" or (before == "tool" and turn.calls)):
            yield number, place


def _asked(turns: Sequence[Turn]) -> str:
    return next((turn.content for turn in reversed(turns) if turn.role == "user"), "")


def _missing(turns: Sequence[Turn]) -> Unreadable | None:
    if not any(turn.role == "user" for turn in turns):
        return Unreadable("no user turn")
    if not any(turn.answers for turn in turns):
        return Unreadable("no assistant turn")
    return None


def _message(turn: Turn, redactor: Redactor) -> Message:
    if redactor.is_idle:
        return Message(role=turn.role, content=turn.content, tool_calls=turn.calls, result_of=turn.result_of)
    calls, content = tuple(map(redactor.call, turn.calls)), redactor.text(turn.content)
    return Message(role=turn.role, content=content, tool_calls=calls, result_of=turn.result_of)
