"""Stratified samples that keep rare cells: strata are tool and argument pattern."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from distil_dag.core.case import Case
from distil_dag.core.tool_call import NO_CALL, ToolCall

CaseType = TypeVar("CaseType", bound=Case)
CellType = TypeVar("CellType", bound=Hashable)


def pattern(calls: Iterable[ToolCall]) -> str:
    """The cell of an answer: its tools with the names of their arguments, without values.

    Returns:
        Text such as `light_on(area, name)`. Parallel calls are joined by ` + `; without calls, `no call`.
    """
    return " + ".join(sorted(f"{c.name}({', '.join(sorted(c.arguments))})" for c in calls)) or NO_CALL


def fair_shares(sizes: Mapping[CellType, int], total: int, exponent: float = 0.0) -> dict[CellType, int]:
    """How many rows each cell gives, in proportion to its size to a power.

    What a small cell does not have goes to the larger ones. Ties go to the smaller name.

    Args:
        sizes: cell -> its number of rows, 1 at least.
        total: rows wanted of all cells together.
        exponent: from 0 (the same of all cells) over 0.5 (in proportion to the root of their sizes) to 1.

    Returns:
        Cell -> rows; in sum `total`, or all rows if there are fewer.
    """
    left = min(total, sum(sizes.values()))
    shares: dict[CellType, int] = {}
    waiting = sorted(sizes, key=lambda cell: (sizes[cell], str(cell)))
    weights = [sizes[cell] ** exponent for cell in waiting]
    for place, cell in enumerate(waiting):
        # A share of exactly a whole number must not be rounded below it.
        wanted = math.floor(left * weights[place] / sum(weights[place:]) + 1e-9)
        shares[cell] = min(sizes[cell], wanted)
        left -= shares[cell]
    # The last cell takes a rounded share of what is left, so nothing remains unless all is given.
    return shares


def proportional_shares(sizes: Mapping[CellType, int], total: int) -> dict[CellType, int]:
    """How many rows each cell gives, as large as its share of all rows (largest remainder method).

    Args:
        sizes: cell -> its number of rows.
        total: rows wanted of all cells together.

    Returns:
        Cell -> rows; in sum `total`, or all rows if there are fewer.
    """
    rows = sum(sizes.values())
    total = min(total, rows)
    exact = {cell: total * size / rows for cell, size in sizes.items() if rows}
    shares = {cell: int(value) for cell, value in exact.items()}
    order = sorted(exact, key=lambda cell: (shares[cell] - exact[cell], sizes[cell], str(cell)))
    for cell in order[: total - sum(shares.values())]:
        shares[cell] += 1
    return shares


def stratified(cases: Sequence[CaseType], size: int, seed: int = 0, exponent: float = 0.0) -> list[CaseType]:
    """A sample of cases over the cells of :func:`pattern`.

    Args:
        cases: what to draw from, in any order.
        size: the most cases to draw.
        seed: of the draw within a cell.
        exponent: as for :func:`fair_shares`.

    Returns:
        The sample, sorted by id.
    """
    cells: dict[str, list[CaseType]] = defaultdict(list)
    for case in sorted(cases, key=lambda case: case.id):
        cells[pattern(case.calls)].append(case)
    shares = fair_shares({name: len(rows) for name, rows in cells.items()}, size, exponent)
    chosen: list[CaseType] = []
    for name in sorted(cells):
        rows = list(cells[name])
        random.Random(f"{seed}:{name}").shuffle(rows)
        chosen += rows[: shares[name]]
    return sorted(chosen, key=lambda case: case.id)
