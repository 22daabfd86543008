"""Raw records of any source -> rows of two tables: traces, and records that could not be read.

Memory stays bounded: rows leave page by page, and the ids that have been read are kept on disk.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from typing import Any

import pyarrow as pa

from distil_dag.adapters.logs.joining import Joining
from distil_dag.adapters.logs.records.outcomes import Kept, Outcome, Outcomes
from distil_dag.adapters.logs.records.raw import Line, RawRecord
from distil_dag.adapters.logs.records.tally import Tally
from distil_dag.adapters.logs.records.trace_rows import (
    COLUMNS,
    SCHEMA,
    Row,
    columns_of,
    digest_lines,
    table_of,
)
from distil_dag.adapters.logs.seen_ids import SeenIds
from distil_dag.core.case import Trace
from distil_dag.core.context import ContextRule
from distil_dag.core.reports.intake import ContextReport, TracesReport
from distil_dag.core.run_key import RunKey
from distil_dag.core.task import Task
from distil_dag.core.tool_call import NO_CALL, UNKNOWN_TOOL
from distil_dag.stages.forgetting.tombstones import Tombstones
from distil_dag.stages.reading.discovery.requested import RequestedTools
from distil_dag.stages.reading.recorders.outcome import AROUND, COPY, PART
from distil_dag.stages.reading.records import ReadRecord
from distil_dag.stages.reading.redaction.excerpts import excerpt
from distil_dag.stages.reading.strict_values import Unreadable
from distil_dag.stages.student.context_report import context_report
from distil_dag.stages.student.context_split import ContextSplit, SystemPrompts, split_of

TRACES, QUARANTINE = "traces", "quarantine"
SCHEMAS = {
    TRACES: SCHEMA,
    QUARANTINE: pa.schema(
        [(name, pa.string()) for name in ("source", "position", "reason", "detail", "excerpt")]
    ),
}

_PREVIEW = 10
# So few that what they leave behind is gone before Python looks for cycles among long-lived objects.
_AT_ONCE = 100
_MAX_ID = 200
_MOST_AROUND = 20_000
_ID = COLUMNS.index("id")

FORGOTTEN = "forgotten on request"
"""What is counted of records that are not read again."""


Watch = Callable[[RawRecord, str, ReadRecord], None]
"""Is told of each record: what it is with its parts, its id, and what it gave."""


class Intake:
    """Turns the records of one run into pages of tables, and counts what becomes of them.

    Args:
        task: Names the columns, the filter and the tools.
        key: The run's key, which sets the window of times.
        watch: Is told of each record of the window.
        stones: What was forgotten, and is not read again.

    Attributes:
        task: The task.
        key: The run's key.
        preview: The first ten trace rows.

    Raises:
        ValueError: `key` asks for a window of a log without times.
    """

    def __init__(
        self, task: Task, key: RunKey, watch: Watch | None = None, stones: Tombstones | None = None
    ) -> None:
        self.task, self.key = task, key
        self._stones = None if stones is None or stones.is_empty else stones
        self._watch = watch
        self._outcomes = Outcomes(task, key)
        self._toolset = task.toolset
        self._continued = task.context if task.continues else None
        self._wanted = task.settings.student.context
        self._prompts = SystemPrompts()
        self._joining = Joining()
        self._around: OrderedDict[str, None] = OrderedDict()
        self._seen = SeenIds()
        self._new: list[Kept] = []
        self._rejected: list[tuple[str, ...]] = []
        self._digest = hashlib.sha256()
        self._quarantined: Counter[str] = Counter()
        self._redacted: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()
        self._no_answers: Counter[str] = Counter()
        self._tally = Tally()
        self._tools = RequestedTools()
        self._read = self._kept = self._marked = self._passed_over = self._by_order = 0
        self.preview: list[dict[str, Any]] = []

    @property
    def digest(self) -> str:
        """Content hash of all trace rows so far, equal to `run_store.digest` of the table."""
        return "sha256:" + self._digest.hexdigest()

    @property
    def kept(self) -> int:
        """Number of traces so far."""
        return self._kept

    @cached_property
    def context(self) -> ContextRule:
        """What the student reads of system prompts, by all records; that of a continued run stays."""
        return self._split.rule(self._wanted) if self._continued is None else self._continued

    @cached_property
    def _split(self) -> ContextSplit:
        return split_of(self._prompts, self._toolset)

    @cached_property
    def _context_report(self) -> ContextReport | None:
        if not self._prompts.requests:
            return None
        return context_report(self._prompts, self._split, self.context, self._toolset)

    def report(self) -> TracesReport:
        """What became of the records so far."""
        return TracesReport(
            read=self._read,
            kept=self._kept,
            marked=self._marked,
            passed_over=self._passed_over,
            no_answers=dict(self._no_answers.most_common()),
            quarantined=dict(self._quarantined.most_common()),
            redacted=dict(sorted(self._redacted.items())),
            results_by_order=self._by_order,
            calls_per_tool=dict(self._calls.most_common()),
            **self._tally.report(),
            tool_versions=self._tools.over_time(),
            tool_versions_left_out=self._tools.left_out,
            context=self._context_report,
        )

    def read(self, page: Iterable[RawRecord | Line]) -> dict[str, pa.Table]:
        """Read a page of records; parts of a record wait for the rest of it.

        Returns:
            Table name -> the rows that the page adds to it, in order; no entry for a table without new rows.
        """
        records = iter(page)
        while some := list(itertools.islice(records, _AT_ONCE)):
            self._add(self._outcomes.of_page(some))
        return self._new_rows()

    def add(self, outcomes: list[Outcome]) -> dict[str, pa.Table]:
        """Add what the records of a page gave in another process; as :meth:`read`."""
        self._add(outcomes)
        return self._new_rows()

    def _add(self, outcomes: list[Outcome]) -> None:
        self._seen.look_up([key for outcome in outcomes for key in outcome.keys])
        for outcome in outcomes:
            if outcome.is_part:
                self._join(outcome.record)
            else:
                self._take(outcome)

    def rest(self) -> dict[str, pa.Table]:
        """Read what still waits at the end of the log; as :meth:`read`."""
        for record in self._joining.rest():
            self._take_whole(record)
        return self._new_rows()

    def _join(self, part: RawRecord) -> None:
        """Take the records that a part completes."""
        joined = self._joining.joined
        for record in self._joining.push(part):
            self._take_whole(record)
        if self._joining.joined > joined:
            self._no_answers[PART] += 1

    def _take_whole(self, record: RawRecord) -> None:
        for outcome in self._outcomes.of_record(record):
            self._take(outcome)

    def _new_rows(self) -> dict[str, pa.Table]:
        tables = {}
        new, self._new = self._new, []
        if new:
            tables[TRACES] = self._table(new)
        rejected, self._rejected = self._rejected, []
        if rejected:
            schema = SCHEMAS[QUARANTINE]
            values = zip(*rejected, strict=True)
            tables[QUARANTINE] = table_of(dict(zip(schema.names, values, strict=True)), schema)
        return tables

    def _table(self, new: list[Kept]) -> pa.Table:
        """The table of new traces, which are counted."""
        columns = columns_of(kept.row for kept in new)
        self._digest.update(digest_lines(columns))
        self._tally.add(columns)
        self._kept += len(new)
        self._marked += len(new) - columns["problems"].count("[]")
        for kept in new:
            self._prompts.add_text(kept.system, partial(_trace_of, kept.row))
        # The log may name any number of tools; only those of the task are counted separately.
        for name, times in Counter(name for kept in new for name in kept.called or (None,)).items():
            known = NO_CALL if name is None else name if name in self._toolset else UNKNOWN_TOOL
            self._calls[known] += times
        if missing := _PREVIEW - len(self.preview):
            self.preview += [dict(zip(COLUMNS, kept.row, strict=True)) for kept in new[:missing]]
        return table_of(columns, SCHEMA)

    def _take(self, outcome: Outcome) -> None:
        """Count what a record gave, and keep its traces if they are new in the log."""
        record, identity, reading = outcome.record, outcome.identity, outcome.reading
        if self._stones:
            left = _without_forgotten(outcome, self._stones)
            if left is None:
                self._no_answers[FORGOTTEN] += 1
                return None
            outcome = left
        if not identity and reading.problem:
            return self._set_aside(record, reading.problem)
        if identity in self._around:
            return self._pass_over(outcome, AROUND)
        if reading.is_no_answer:
            return self._pass_over(outcome, reading.is_no_answer)
        if outcome.is_own and not self._is_new(outcome):
            if reading.is_recorded:
                return self._pass_over(outcome, COPY)
            said = f"{identity} has been read before; the first one stays"
            return self._set_aside(record, Unreadable("duplicate id", said))
        if outcome.around:
            self._surround(outcome.around)
        self._read += 1
        if outcome.defined.key:
            self._tools.take(outcome.defined, outcome.time)
        if outcome.kept:
            if reading.redacted:
                self._redacted.update(reading.redacted)
            self._by_order += reading.by_order
            self._new += outcome.kept
        elif not reading.problem:
            self._passed_over += 1
        if reading.problem:
            self._reject(record, reading.problem)
        if self._watch:
            self._watch(record, identity, reading)

    def _set_aside(self, record: RawRecord, problem: Unreadable) -> None:
        self._read += 1
        self._reject(record, problem)
        if self._watch:
            self._watch(record, "", ReadRecord(problem=problem))

    def _pass_over(self, outcome: Outcome, kind: str) -> None:
        self._no_answers[kind] += 1
        # Some recorders keep definitions at the agent alone.
        self._tools.take(outcome.defined, None, counts=False)
        if self._watch:
            self._watch(outcome.record, outcome.identity, ReadRecord(is_no_answer=kind))

    def _is_new(self, outcome: Outcome) -> bool:
        """Whether a reading was not given before; what could not be read may follow what could."""
        if outcome.kept:
            return self._seen.add(outcome.keys)
        reading = outcome.reading
        return not (reading.is_recorded and reading.problem and self._seen.has(outcome.identity))

    def _surround(self, identity: str) -> None:
        """Remember what stands around an answer: it repeats the answer, and is written after it."""
        if identity:
            self._around[identity] = None
            if len(self._around) > _MOST_AROUND:
                self._around.popitem(last=False)

    def _reject(self, record: RawRecord, problem: Unreadable) -> None:
        self._quarantined[problem.reason] += 1
        self._rejected.append(
            (
                excerpt(record.source),
                excerpt(record.position),
                problem.reason,
                excerpt(problem.detail),
                excerpt(_raw(record)),
            )
        )


def _without_forgotten(outcome: Outcome, stones: Tombstones) -> Outcome | None:
    """A record's outcome without traces that were forgotten; None where nothing else is left of it."""
    if stones.holds_id(outcome.identity):
        return None
    if outcome.reading.problem and stones.holds_record(excerpt(_raw(outcome.record))):
        return None
    kept = tuple(one for one in outcome.kept if not _is_forgotten(one.row, outcome.is_own, stones))
    if len(kept) == len(outcome.kept):
        return outcome
    return outcome._replace(kept=kept) if kept or outcome.reading.problem else None


def _is_forgotten(row: Row, has_own_id: bool, stones: Tombstones) -> bool:
    if stones.holds_id(row[_ID]):
        return True
    trace = _trace_of(row)
    # Without an id of its own a record is named by its place, which changes when the log is written anew.
    return stones.holds_row(trace) or (not has_own_id and stones.holds_content(trace))


def _raw(record: RawRecord) -> Any:
    return record.raw if record.raw is not None else record.value


def _trace_of(row: Row) -> Trace:
    return Trace.from_row(dict(zip(COLUMNS, row, strict=True)))
