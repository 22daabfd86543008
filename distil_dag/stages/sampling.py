"""Samples that keep the rare: cells of tool × argument pattern, filled evenly."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from distil_dag.core.case import Case
from distil_dag.core.tool_call import ToolCall

NO_CALL = "no call"

CaseType = TypeVar("CaseType", bound=Case)
Cell = TypeVar("Cell", bound=Hashable)


def pattern(calls: Iterable[ToolCall]) -> str:
    """The cell of an answer: its tools with the names of their arguments, values left out.

    `light_on(area, name)`; parallel calls are joined by ` + `; without calls, `no call`.
    """
    return " + ".join(sorted(f"{c.name}({', '.join(sorted(c.arguments))})" for c in calls)) or NO_CALL


def fair_shares(sizes: Mapping[Cell, int], total: int) -> dict[Cell, int]:
    """How many of `total` each cell gives: all cells the same, small ones what they have.

    What a small cell cannot give goes to the larger ones; ties go to the smaller name.
    """
    left = min(total, sum(sizes.values()))
    shares: dict[Cell, int] = {}
    waiting = sorted(sizes, key=lambda cell: (sizes[cell], str(cell)))
    for place, cell in enumerate(waiting):
        shares[cell] = min(sizes[cell], left // (len(waiting) - place))
        left -= shares[cell]
    # The last cell takes a rounded share of what is left, so nothing remains unless all is given.
    return shares


def proportional_shares(sizes: Mapping[Cell, int], total: int) -> dict[Cell, int]:
    """How many of `total` each cell gives, as large as its share of all rows (largest remainder)."""
    rows = sum(sizes.values())
    total = min(total, rows)
    exact = {cell: total * size / rows for cell, size in sizes.items() if rows}
    shares = {cell: int(value) for cell, value in exact.items()}
    order = sorted(exact, key=lambda cell: (shares[cell] - exact[cell], sizes[cell], str(cell)))
    for cell in order[: total - sum(shares.values())]:
        shares[cell] += 1
    return shares


def stratified(
    cases: Sequence[CaseType],
    size: int,
    seed: int = 0,
    cell: Callable[[CaseType], str] = lambda case: pattern(case.calls),
) -> list[CaseType]:
    """At most `size` cases with rare cells first, the same whatever the order of `cases`; by id."""
    cells: dict[str, list[CaseType]] = defaultdict(list)
    for case in sorted(cases, key=lambda case: case.id):
        cells[cell(case)].append(case)
    shares = fair_shares({name: len(rows) for name, rows in cells.items()}, size)
    chosen: list[CaseType] = []
    for name in sorted(cells):
        rows = list(cells[name])
        random.Random(f"{seed}:{name}").shuffle(rows)
        chosen += rows[: shares[name]]
    return sorted(chosen, key=lambda case: case.id)
