"""A task's log, judged: the test is held out, the rest is judged, and calibration cases are set aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from distil_dag.core.case import Example, Trace
from distil_dag.core.reports.judging import JudgeReport
from distil_dag.core.task import Task
from distil_dag.stages.judging.aftermath.followed import aftermaths
from distil_dag.stages.judging.calibration_split import set_aside
from distil_dag.stages.judging.judge import Judged, judge, keep_apart
from distil_dag.stages.ports import ChatModel, Progress, quiet
from distil_dag.stages.splitting.holdout import Holdout, alike, split_of


@dataclass(frozen=True)
class JudgedLog:
    """A log after judging.

    Attributes:
        split: the held-out test, and the part that may be learned from.
        judged: what judging left of that part.
        report: the report on it.
    """

    split: Holdout
    judged: Judged
    report: JudgeReport


def judge_log(
    task: Task,
    traces: Sequence[Trace],
    model: ChatModel,
    committee: Sequence[ChatModel] = (),
    arbiter: ChatModel | None = None,
    progress: Progress = quiet,
    earlier: Sequence[Example] = (),
) -> JudgedLog:
    """Hold out the test, judge the rest, and set calibration cases aside.

    Args:
        task: its settings, tools, frozen test and labels.
        traces: the log, in any order.
        model: the judging model.
        committee: who may propose other calls for rejected traces.
        arbiter: who scores the proposals; the judge where there is none.
        progress: called after each judgement.
        earlier: what the run that is continued set aside, which stays so.

    Returns:
        The same for equal models, whatever the order of the traces.

    Raises:
        ValueError: where the judge can't learn from the log, or the committee can't propose.
    """
    tools, spec, same = task.toolset, task.settings.judge, task.normaliser
    if earlier:
        # What the earlier student has not seen is known; of anything else it may have learned.
        spec = spec.model_copy(update={"evidence": 0})
    split, holdout = split_of(task, traces)
    against = aftermaths(traces, task.settings.language.corrections)
    judged, report = judge(
        split.rest, tools, spec, model, committee, arbiter, progress, holdout, task.labels, same, against
    )
    judged, report = keep_apart(judged, report, split.test, tools, alike(task), same)
    judged, report = set_aside(judged, report, spec, tools, alike(task), earlier, same)
    return JudgedLog(split, judged, report)
