"""The tables of `massive_accuracy.py`, and the record that they are written from.

The record is a JSON line for each finished measurement: what it is of, the ids of the tests that it got
wrong, and how well the probabilities of its answers told these apart. It holds no text of the log, so it can
be kept beside the tables, and whoever doubts a number can compare row by row what they measure themselves.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from distil_dag.stages.reporting.markdown import points
from distil_dag.stages.statistics import auroc, paired_interval, wilson

_CONFIDENCE = 0.95
_PRIMARY = "Q8_0"


@dataclass(frozen=True)
class Cell:
    """One method on one log and split: which of its tests each format got wrong.

    Attributes:
        measurements: names the task, the log and the training's recipe.
        log: name of the log.
        split: number of the split.
        method: name of the method.
        seed: of the training.
        tests: number of tests.
        rows: number of rows that were trained on.
        seconds: time of the measurement.
        date: day of the measurement.
        machine: cores, precision and versions of packages.
        wrong: format -> ids of the tests that it got wrong.
        auroc: format -> the chance that a right answer is more probable than a wrong one, for formats that
            tell how probable their answers are.
        confirmed: ids of the tests whose label the log repeats and never contradicts.
    """

    measurements: str
    log: str
    split: int
    method: str
    seed: int
    tests: int
    rows: int
    seconds: int
    date: str
    machine: str
    wrong: Mapping[str, Sequence[str]]
    auroc: Mapping[str, float] = field(default_factory=dict)
    confirmed: Sequence[str] = field(default_factory=list)

    @property
    def place(self) -> tuple[str, int, str, int]:
        """What identifies the cell: log, split, method, seed."""
        return self.log, self.split, self.method, self.seed

    @classmethod
    def of(cls, measured: Mapping[str, Any], measurements: str) -> Cell:
        """The cell of a measurement with all its answers.

        Args:
            measured: the measurement.
            measurements: names the task, the log and the training's recipe.
        """
        return cls(
            measurements=measurements,
            log=measured["log"],
            split=measured["split"],
            method=measured["method"],
            seed=measured["seed"],
            tests=measured["n"],
            rows=measured.get("rows", 0),
            seconds=measured.get("seconds", 0),
            date=measured["date"],
            machine=measured["machine"],
            wrong={
                form: [row["id"] for row in rows if not row["exact"]]
                for form, rows in measured["answers"].items()
            },
            auroc={
                form: found
                for form, rows in measured["answers"].items()
                if (found := _auroc(rows)) is not None
            },
            confirmed=measured["confirmed"],
        )


def read_record(path: Path) -> list[Cell]:
    """The cells of a record; none where there is no such file."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [Cell(**json.loads(line)) for line in lines]


def dump_record(cells: Iterable[Cell]) -> str:
    """The cells as JSON lines, in an order that no measurement changes."""
    ordered = sorted(cells, key=lambda cell: cell.place)
    return "".join(json.dumps(asdict(cell)) + "\n" for cell in ordered)


def machines(cells: Sequence[Cell]) -> list[str]:
    """Where and when the cells were measured, a line a machine."""
    found: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        found[cell.machine].append(cell)
    lines = []
    for machine, measured in sorted(found.items()):
        dates = ", ".join(sorted({cell.date for cell in measured}))
        seeds = ", ".join(str(seed) for seed in sorted({cell.seed for cell in measured}))
        lines.append(f"- {dates}, training seeds {seeds}: {machine}")
    return lines


def shares_table(cells: Sequence[Cell], logs: Sequence[str], methods: Sequence[str]) -> list[str]:
    """A Markdown table of exact calls, of all tests and of confirmed ones, and mean AUROC.

    Args:
        cells: the measurements.
        logs: names of the logs, in the order of the rows.
        methods: names of the methods, in the order of the rows.

    Returns:
        Its lines, one for each log, method and format.
    """
    groups: dict[tuple[str, str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        for form in cell.wrong:
            groups[cell.log, cell.method, form].append(cell)
    lines = [
        "| log | method | format | exact calls | spread | interval | tests | confirmed | AUROC |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for log, method, form in sorted(groups, key=lambda g: (logs.index(g[0]), methods.index(g[1]), g[2])):
        found = groups[log, method, form]
        each = [1 - len(cell.wrong[form]) / cell.tests for cell in found]
        asked = sum(cell.tests for cell in found)
        right = asked - sum(len(cell.wrong[form]) for cell in found)
        bounds = wilson(right, asked, _CONFIDENCE)
        sure = [(cell, name) for cell in found for name in cell.confirmed]
        told = sum(name not in cell.wrong[form] for cell, name in sure)
        areas = [cell.auroc[form] for cell in found if form in cell.auroc]
        auroc = f"{statistics.mean(areas):.3f} ({len(areas)})" if areas else ""
        lines.append(
            f"| {log} | {method} | {form} | {statistics.mean(each):.1%} | {min(each):.1%} to {max(each):.1%} "
            f"| {bounds.low:.1%} to {bounds.high:.1%} | {len(found)} of {asked // len(found)} "
            f"| {told} of {len(sure)} | {auroc} |"
        )
    return lines


def differences_table(cells: Sequence[Cell], logs: Sequence[str]) -> list[str]:
    """A Markdown table of what the chain gains on direct training, and what each log costs either.

    All differences are paired: on the same tests.

    Args:
        cells: the measurements.
        logs: names of the logs; the others are compared with the first.
    """
    known = {cell.place: cell for cell in cells}
    clean = logs[0]
    lines = [
        f"| log | chain less direct | chain less itself on the {clean} log | direct less itself there |",
        "|---|---|---|---|",
    ]
    for log in logs:
        gain = _difference(known, (log, "chain"), (log, "direct"))
        costs = [_difference(known, (log, name), (clean, name)) for name in ("chain", "direct")]
        found = [gain, *(costs if log != clean else ["", ""])]
        if any(found):
            lines.append(f"| {log} | {' | '.join(found)} |")
    return lines


def _auroc(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """By how probable answers are; None where none tells it, or where all are right or none is."""
    logprobs = [row.get("logprob") for row in rows]
    right = np.array([bool(row["exact"]) for row in rows])
    if all(logprob is None for logprob in logprobs) or right.all() or not right.any():
        return None
    return round(auroc(np.array([-np.inf if logprob is None else logprob for logprob in logprobs]), right), 4)


def _difference(
    known: Mapping[tuple[str, int, str, int], Cell], one: tuple[str, str], other: tuple[str, str]
) -> str:
    """The first's share less the second's on the splits and seeds that both have; empty without any."""
    pairs = [
        (set(cell.wrong[_PRIMARY]), set(rival.wrong[_PRIMARY]), cell.tests)
        for (log, split, method, seed), cell in known.items()
        if (log, method) == one and (rival := known.get((other[0], split, other[1], seed)))
    ]
    if not pairs:
        return ""
    first_only = sum(len(theirs - mine) for mine, theirs, _ in pairs)
    second_only = sum(len(mine - theirs) for mine, theirs, _ in pairs)
    found = paired_interval(first_only, second_only, sum(tests for *_, tests in pairs), _CONFIDENCE)
    return f"{points(found.value)} ({points(found.low)} to {points(found.high)})"
