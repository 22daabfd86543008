"""Samples that keep the rare: cells of tool × argument pattern, filled evenly."""

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
    """The cell of an answer: its tools with the names of their arguments, values left out.

    `light_on(area, name)`; parallel calls are joined by ` + `; without calls, `no call`.
    """
    return " + ".join(sorted(f"{c.name}({', '.join(sorted(c.arguments))})" for c in calls)) or NO_CALL


def fair_shares(sizes: Mapping[CellType, int], total: int, exponent: float = 0.0) -> dict[CellType, int]:
    """How many of `total` each cell gives: in proportion to its size to the power of `exponent`.

    That is the same of all cells by 0, and by 0.5 the root of their sizes. What a small cell does not have
    goes to the larger ones; ties go to the smaller name. Sizes are 1 at least, `exponent` is from 0 to 1.
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
    """How many of `total` each cell gives, as large as its share of all rows (largest remainder)."""
    rows = sum(sizes.values())
    total = min(total, rows)
    exact = {cell: total * size / rows for cell, size in sizes.items() if rows}
    shares = {cell: int(value) for cell, value in exact.items()}
    order = sorted(exact, key=lambda cell: (shares[cell] - exact[cell], sizes[cell], str(cell)))
    for cell in order[: total - sum(shares.values())]:
        shares[cell] += 1
    return shares


def stratified(cases: Sequence[CaseType], size: int, seed: int = 0, exponent: float = 0.0) -> list[CaseType]:
    """At most `size` cases, the shares of cells by `fair_shares`; by id, whatever the order of `cases`."""
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
