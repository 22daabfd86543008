"""Who takes the test: what a candidate is, and the names by which reports and gates find them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from distil_dag.core.case import Case
from distil_dag.stages.evaluating.answers import Answered
from distil_dag.stages.ports import Progress, quiet

CHECKPOINT = "student checkpoint"
VLLM = "student checkpoint, vLLM"
# The student of the run that is continued.
PARENT = "parent"
BASE = "base"
TEACHER = "teacher zero-shot"
TEACHER_FEW_SHOT = "teacher few-shot"
PRODUCTION = "production"
LOOKUP = "lookup"


def gguf_name(file_format: str) -> str:
    """The candidate's name of a student's GGUF file, e.g. `student Q8_0`."""
    return f"student {file_format}"


def decoder_name(gguf: str) -> str:
    """The candidate's name of a student's file when the project's own decoder reads it."""
    return f"{gguf}, decoder"


class Candidate(Protocol):
    """Something that answers cases: a model, a baseline, or the production log."""

    @property
    def name(self) -> str:
        """Name in reports."""
        ...

    @property
    def model(self) -> str:
        """Identity of what answers, for the lineage."""
        ...

    @property
    def bytes(self) -> int:
        """Size of its weights in bytes; 0 where there are none here."""
        ...

    def answer(self, cases: Sequence[Case], progress: Progress = quiet) -> list[Answered | None]:
        """One answer for each case, in order; None where this candidate has none to score."""
        ...


@runtime_checkable
class Served(Protocol):
    """A candidate that says which software answers; it is known once it has answered."""

    @property
    def software(self) -> str:
        """Names and versions."""
        ...
