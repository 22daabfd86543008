"""The tables of a run: which asset writes each, under which name, and the class of its rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from distil_dag.core.case import Case, Example, HeldOut, Trace

CaseType = TypeVar("CaseType", bound=Case)
# A table of examples can be read wherever one of cases can.
CaseType_co = TypeVar("CaseType_co", bound=Case, covariant=True)


@dataclass(frozen=True)
class Table:
    """A table of flat rows in the folder of the asset that writes it.

    Attributes:
        asset: the asset.
        name: name of the table in that folder.
        nested: columns whose texts are JSON.
    """

    asset: str
    name: str
    nested: tuple[str, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True)
class CaseTable(Table, Generic[CaseType_co]):
    """A table whose rows are cases.

    Attributes:
        row: the class of its rows.
    """

    row: type[CaseType_co]

    def __post_init__(self) -> None:
        object.__setattr__(self, "nested", self.row.nested())


TRACES = CaseTable("traces", "traces", Trace)
QUARANTINE = Table("traces", "quarantine")
TEST = CaseTable("judged_seeds", "test", HeldOut)
SEEDS = CaseTable("judged_seeds", "seeds", Example)
CONTEXT = CaseTable("judged_seeds", "context", Example)
CALIBRATION = CaseTable("judged_seeds", "calibration", Example)
UNLABELLED = CaseTable("judged_seeds", "unlabelled", Case)
VERDICTS = Table(
    "judged_seeds", "verdicts", nested=("calls", "proposed", "relabelled_from", "proposals", "details")
)
SPLIT = Table("judged_seeds", "split")
SYNTHETIC = CaseTable("synthetic_set", "accepted", Example)
REJECTED = Table("synthetic_set", "rejected", nested=("calls",))
ORIGINS = Table("synthetic_set", "origins", nested=("made_from",))
ANSWERS = Table("eval_report", "answers", nested=("expected",))

TABLES: dict[str, Table] = {
    "traces": TRACES,
    "quarantine": QUARANTINE,
    "test": TEST,
    "seeds": SEEDS,
    "context": CONTEXT,
    "calibration": CALIBRATION,
    "unlabelled": UNLABELLED,
    "verdicts": VERDICTS,
    "split": SPLIT,
    "synthetic": SYNTHETIC,
    "rejected": REJECTED,
    "origins": ORIGINS,
    "answers": ANSWERS,
}
"""What a user calls each table."""
