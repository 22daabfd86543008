"""A challenger against the champion of its task: both students are asked the same cases, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from distil_dag.adapters.candidates.gguf import GgufCandidate
from distil_dag.adapters.forgetting.kept_tombstones import read_tombstones
from distil_dag.adapters.logs.source import read_traces
from distil_dag.adapters.run_store import RunStore
from distil_dag.core import tables
from distil_dag.core.case import Case, Trace
from distil_dag.core.promotion import Contest, Decision, Verdict
from distil_dag.core.reports.exporting import GgufReport
from distil_dag.core.reports.judging import JudgeReport
from distil_dag.core.run_key import RunKey
from distil_dag.core.sources import has_times
from distil_dag.core.tables import CaseType
from distil_dag.core.task import Task
from distil_dag.core.toolset import Toolset
from distil_dag.runs.earlier_round import rows_before
from distil_dag.runs.training_rows import in_mix, tables_of_run
from distil_dag.stages.evaluating.answers import Scored
from distil_dag.stages.evaluating.candidate import Candidate
from distil_dag.stages.evaluating.evaluate import scored_answers
from distil_dag.stages.ports import Progress, quiet
from distil_dag.stages.promoting.contest import contest, unseen
from distil_dag.stages.promoting.decision import decide_by_later_traces, decide_by_tests, too_few
from distil_dag.stages.splitting.holdout import alike

# Later traces that are asked at most; both students take about 60 ms for each.
_MOST = 500

Answers = dict[int, Scored]
OpenStudent = Callable[[Path, Toolset, int], Candidate]
ReadTraces = Callable[[Task, RunKey], tuple[list[Trace], Task]]


@dataclass(frozen=True)
class _Contender:
    """A run whose student takes part."""

    run: str
    task: Task
    student: Candidate
    test: Sequence[Case]
    labels: str
    learned: Sequence[Case]
    read_until: datetime | None


def _untimed(file: Path, tools: Toolset, max_tokens: int) -> Candidate:
    return GgufCandidate(file, tools, max_tokens, timed=0)


def hold(
    store: RunStore,
    challenger: str,
    champion: str,
    task: Task,
    failed_gates: Sequence[str],
    seen_until: datetime | None,
    progress: Progress = quiet,
    student: OpenStudent = _untimed,
    later_traces: ReadTraces | None = None,
) -> tuple[Decision, datetime | None]:
    """Ask both students their frozen tests, and where the challenger wins them, later traces.

    Cases that one of both has learned from are left out. Traces that were logged after both runs are blind:
    they are looked at only where the tests are won and there are enough of them, and by one decision only.

    Args:
        store: The store of all runs.
        challenger: Key of the run that may take the champion's place.
        champion: Key of the champion's run.
        task: The task as it stands in its folder, whose log is read and whose `promotion` counts.
        failed_gates: Names of the challenger's gates that do not hold.
        seen_until: Traces before it are no longer blind.
        progress: Called as answers come in.
        student: Makes a candidate of a file, for the tools in it.
        later_traces: Reads the log; by default without traces that were forgotten.

    Returns:
        The decision, and until when traces have been looked at by now.

    Raises:
        FileNotFoundError: One of the runs has no student or no test.
        SourceError: The log can't be read.
    """
    spec, now = task.settings.promotion, datetime.now(UTC)
    contests: list[Contest] = []

    def decided(verdict: Verdict, reason: str) -> Decision:
        return Decision(
            challenger=challenger,
            champion=champion,
            verdict=verdict,
            reason=reason,
            contests=contests,
            decided=now,
        )

    if failed_gates:
        return decided(*decide_by_tests(failed_gates, [], spec)), seen_until
    with ExitStack() as stack:
        first, second = (_contender(store, run, student, stack) for run in (challenger, champion))
        contests.append(_by_tests(first, second, progress))
        verdict, reason = decide_by_tests((), contests, spec)
        if verdict == "keep" or not spec.fresh:
            return decided(verdict, reason), seen_until
        read = later_traces or partial(read_traces, stones=read_tombstones(store))
        later = _later(first, second, task, seen_until, now, read)
        why = too_few(None if later is None else len(later), spec)
        if later is None or why:
            return decided("wait", f"{reason}; {why}"), seen_until
        contests.append(_by_later(first, second, task, later, progress))
        verdict, more = decide_by_later_traces(contests[-1], spec)
        return decided(verdict, more if verdict == "keep" else f"{reason}; {more}"), now


def _contender(store: RunStore, run: str, student: OpenStudent, stack: ExitStack) -> _Contender:
    task = store.read_report(run, "traces", Task, name="task")
    folder = stack.enter_context(store.local_folder(run, "gguf", "files"))
    file = folder / Path(store.read_report(run, "gguf", GgufReport).primary).name
    mix = tables_of_run(store, run, in_mix(task.settings.training))
    learned = [row for rows in (*mix.values(), *rows_before(store, task).values()) for row in rows]
    return _Contender(
        run=run,
        task=task,
        # It is asked with the tools of its own file; what it says is scored by those of the case.
        student=student(file, Toolset(()), task.settings.evaluation.max_new_tokens),
        test=store.read_cases(run, tables.TEST),
        labels=store.read_report(run, "judged_seeds", JudgeReport).holdout.test_labels,
        learned=learned,
        read_until=_read_until(run, task, store),
    )


def _read_until(run: str, task: Task, store: RunStore) -> datetime | None:
    """Until when the run has read its log: by its key, or by its newest trace."""
    if until := RunKey.parse(run, task.name).until:
        return until
    times = [trace.time for trace in store.read_cases(run, tables.TRACES) if trace.time]
    return max(times, default=None)


def _by_tests(first: _Contender, second: _Contender, progress: Progress) -> Contest:
    """Both on the frozen tests of both, each request once."""
    groups, total, known = [], 0, set[str]()
    for one in (first, second):
        keys = {one.task.normaliser.identity(case): case for case in one.test}
        new = [case for key, case in keys.items() if key not in known]
        known |= keys.keys()
        total += len(new)
        groups.append((one.task.toolset, _unseen(new, first, second)))
    mine, theirs = (_answers(one, groups, progress) for one in (first, second))
    same = {case.id for case in first.test} == {case.id for case in second.test}
    name = "their common test" if same else f"the tests of {first.run} and {second.run}"
    labels = first.labels if first.labels == second.labels else f"{first.labels}; {second.labels}"
    left_out = total - sum(len(cases) for _, cases in groups)
    return contest(name, labels, mine, theirs, left_out)


def _by_later(
    first: _Contender, second: _Contender, task: Task, later: Sequence[Trace], progress: Progress
) -> Contest:
    mine, theirs = (_answers(one, [(task.toolset, later)], progress) for one in (first, second))
    return contest("later traces", "production log (unreviewed)", mine, theirs)


def _later(
    first: _Contender,
    second: _Contender,
    task: Task,
    seen_until: datetime | None,
    now: datetime,
    read: ReadTraces,
) -> list[Trace] | None:
    """Traces that were logged after both runs and that no decision has seen; None without times."""
    if not has_times(task.settings.traces):
        return None
    starts = [time for time in (first.read_until, second.read_until, seen_until) if time]
    since = max(starts, default=None)
    if since is None or since >= now:
        return []
    # A window's start is inclusive, and the newest trace of a run is one that it has read.
    traces, _ = read(task, RunKey(task.name, since=since, until=now))
    found = [trace for trace in traces if not trace.problems and trace.time and trace.time > since]
    left = _unseen(found, first, second)
    return sorted(left, key=lambda trace: trace.id)[:_MOST]


def _unseen(cases: Sequence[CaseType], first: _Contender, second: _Contender) -> list[CaseType]:
    learned, task = [*first.learned, *second.learned], first.task
    return unseen(cases, learned, task.toolset, alike(task), task.normaliser)


def _answers(
    one: _Contender, groups: Sequence[tuple[Toolset, Sequence[Case]]], progress: Progress
) -> Answers:
    """The student's scored answers, at the places of the cases in the order of the groups."""
    found: Answers = {}
    start = 0
    for tools, cases in groups:
        scored = scored_answers(one.student, cases, tools, progress) if cases else {}
        found |= {start + place: answer for place, answer in scored.items()}
        start += len(cases)
    return found
