"""What the synthetic set shall cover: cells of tool × argument pattern, each with a quota.

Production's own mix is what the student will meet, but a cell with two traces teaches nothing: the
quotas follow the log, smoothed towards the same number for every cell. When a student is trained on,
half of the rows go where it fails instead.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from distil_dag.core.case import Case, Example
from distil_dag.core.reports.synthesis import CellCoverage
from distil_dag.core.tool_call import NO_CALL, ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.nlu.value_catalogue import Slot, ValueCatalogue
from distil_dag.stages.synthesis.error_rates import ErrorRates

# This part of the rows is dealt evenly over the cells.
EVEN_SHARE = 0.2
# This part goes to the cells in proportion to the mistakes that the student would make in each.
AIMED_SHARE = 0.5
# What other cells leave may raise a cell to so many times its quota: a set that is full of one call
# teaches a student to give it always.
_MOST = 2
# An argument without words of its own (on/off, an enum code) splits cells by value up to this many.
_CLOSED_VALUES = 8


@dataclass(frozen=True)
class Cell:
    """One cell of the plan: what its calls look like, the trusted cases in it, and how many rows it gets.

    `weak` where the student that is trained on fails more than elsewhere.
    """

    name: str
    tools: tuple[str, ...]
    arguments: tuple[str, ...]
    cases: tuple[Example, ...]
    quota: int
    weak: bool = False

    def coverage(self, accepted: int) -> CellCoverage:
        """The cell's line in the report."""
        return CellCoverage(
            cell=self.name,
            tool=" + ".join(self.tools) or NO_CALL,
            arguments=list(self.arguments),
            quota=self.quota,
            accepted=accepted,
            weak=self.weak,
        )


class CellNames:
    """Names the cell of a call: arguments by name, those that no words show by value as well."""

    def __init__(self, by_value: Iterable[Slot], toolset: Toolset) -> None:
        self.by_value, self._toolset = frozenset(by_value), toolset

    @classmethod
    def learn(cls, trusted: Sequence[Case], catalogue: ValueCatalogue) -> CellNames:
        """Splits cells by the values of arguments that no words show and that have few."""
        values: dict[Slot, set[str]] = defaultdict(set)
        for case in trusted:
            for call in case.calls:
                for name, value in call.arguments.items():
                    values[(call.name, name)].add(str(value))
        closed = [
            slot
            for slot, seen in values.items()
            if not catalogue.is_grounded(*slot) and len(seen) <= _CLOSED_VALUES
        ]
        return cls(closed, catalogue.toolset)

    def __call__(self, calls: Sequence[ToolCall]) -> str:
        return " + ".join(sorted(self._one(self._toolset.canonical(call)) for call in calls)) or NO_CALL

    def _one(self, call: ToolCall) -> str:
        parts = [
            f"{name}={value}" if (call.name, name) in self.by_value else name
            for name, value in sorted(call.arguments.items())
        ]
        return f"{call.name}({', '.join(parts)})"


def draw_plan(
    trusted: Sequence[Example],
    names: CellNames,
    rows: int,
    no_call_share: float | None = None,
    error_rates: ErrorRates | None = None,
) -> list[Cell]:
    """The cells of the trusted cases with quotas that sum to `rows`, largest first.

    `no_call_share` overrides the log's share of requests without a call; it needs such a trace. With the
    `error_rates` of a student half of the rows are dealt in proportion to error rate times traffic.
    """
    members: dict[str, list[Example]] = defaultdict(list)
    for case in sorted(trusted, key=lambda case: case.id):
        members[names(case.calls)].append(case)
    sizes = {name: len(cases) for name, cases in members.items()}
    quotas = _quotas(sizes, rows, no_call_share, error_rates)
    cells = []
    for name in sorted(members, key=lambda name: (-quotas[name], name)):
        calls = sorted(members[name][0].calls, key=lambda call: call.name)
        arguments = tuple(argument for call in calls for argument in sorted(call.arguments))
        tools = tuple(call.name for call in calls)
        weak = error_rates is not None and error_rates.weak(name)
        cells.append(Cell(name, tools, arguments, tuple(members[name]), quotas[name], weak))
    return cells


def re_aim(cells: Sequence[Cell], accepted: Mapping[str, int], closed: frozenset[str]) -> dict[str, int]:
    """How many rows each open cell still needs, when what closed cells left is dealt to the open ones.

    Cells that yield nothing close; their rest goes to the others in proportion to their quotas, as long as
    none gets more than twice its own.
    """
    left = {cell.name: max(0, cell.quota - accepted.get(cell.name, 0)) for cell in cells}
    surplus = sum(max(0, accepted.get(cell.name, 0) - cell.quota) for cell in cells)
    missing = sum(n for name, n in left.items() if name in closed)
    open_cells = {cell.name: cell.quota for cell in cells if cell.name not in closed and cell.quota}
    # What cells took beyond their quota (a re-aimed rest) counts against the rest that is dealt again.
    spare = max(0, missing - surplus)
    extra = largest_remainder({name: float(quota) for name, quota in open_cells.items()}, spare)
    needs = {
        name: min(left[name] + extra[name], _MOST * quota - accepted.get(name, 0))
        for name, quota in open_cells.items()
    }
    return {name: need for name, need in needs.items() if need > 0}


def largest_remainder(weights: Mapping[str, float], total: int) -> dict[str, int]:
    """Whole numbers in proportion to weights that sum to `total`; ties go to the smaller name."""
    whole = sum(weights.values())
    if not whole:
        return dict.fromkeys(weights, 0)
    exact = {name: total * weight / whole for name, weight in weights.items()}
    shares = {name: int(value) for name, value in exact.items()}
    order = sorted(exact, key=lambda name: (shares[name] - exact[name], name))
    for name in order[: total - sum(shares.values())]:
        shares[name] += 1
    return shares


def _quotas(
    sizes: Mapping[str, int], rows: int, no_call_share: float | None, error_rates: ErrorRates | None
) -> dict[str, int]:
    if no_call_share is not None and NO_CALL in sizes:
        fixed = round(rows * no_call_share)
        rest = {name: size for name, size in sizes.items() if name != NO_CALL}
        return _quotas(rest, rows - fixed, None, error_rates) | {NO_CALL: fixed}
    total = sum(sizes.values())
    weights = {
        name: (1 - EVEN_SHARE) * size / total + EVEN_SHARE / len(sizes) for name, size in sizes.items()
    }
    if error_rates is not None:
        mistakes = {name: error_rates.error(name) * size for name, size in sizes.items()}
        expected = sum(mistakes.values())
        weights = {
            name: (1 - AIMED_SHARE) * weight + AIMED_SHARE * mistakes[name] / expected
            for name, weight in weights.items()
        }
    return largest_remainder(weights, rows)
