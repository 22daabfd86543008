"""What a student has proved so far, as values to show."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Identity:
    """What evidence is about. Other evidence says nothing of it.

    Attributes:
        student: identity of the student's file.
        tools_digest: of the tools that it answers with.
        teacher: the model whose answers are the reference.
        target: share of the student's own answers that agree with it, by the promise.
        confidence: of the promise.
    """

    student: str
    tools_digest: str
    teacher: str
    target: float = 0.98
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not (0 < self.target < 1 and 0 < self.confidence < 1):
            raise ValueError(
                f"target and confidence lie between 0 and 1: {self.target}, {self.confidence} given"
            )

    def changed(self, before: Identity) -> str:
        """What differs from an earlier identity, in words; empty if nothing does."""
        old, new = asdict(before), asdict(self)
        return ", ".join(f"{name} was {old[name]}, is {new[name]}" for name in new if old[name] != new[name])


@dataclass(frozen=True)
class Decision:
    """What is done with one answer of the student.

    Attributes:
        alone: it is sent.
        audit: the teacher is asked too, after it was sent.
        why: `proved`, `audit`, `not sure` or `not proved yet`.
        weight: of the answer in proofs, if the teacher's is compared with it; for :meth:`Autonomy.learn`.
    """

    alone: bool
    audit: bool
    why: str
    weight: float = 1.0


@dataclass(frozen=True)
class Change:
    """One change of what the student answers alone.

    Attributes:
        time: when, ISO 8601, UTC.
        answers: number of answers that both gave until then.
        what: what happened, in words.
        threshold: least score that suffices since then; None where none does.
        coverage: share of requests that reach it.
    """

    time: str
    answers: int
    what: str
    threshold: float | None
    coverage: float


@dataclass(frozen=True)
class Standing:
    """What the student may answer alone, and on what evidence.

    Attributes:
        threshold: least score of an answer that is sent alone; None where none is.
        coverage: share of requests that reach it, by the weights of what was compared: answered alone
            under the guarantee.
        bound: at least this share of those answers agrees, by the evidence of this moment; it holds at all
            moments with the promised confidence. None without a threshold.
        agreement: share of their weight that agrees; None without a threshold.
        evidence: compared answers at the threshold or above, since the last change of the world.
        sample: compared answers in all, since then.
        answers: answers that both have given, ever.
        audit: share of its own answers for which the teacher is asked as well, now.
        suspicious: whether all of them are, because something looks changed.
        history: changes, the latest last; a bounded number.
    """

    threshold: float | None
    coverage: float
    bound: float | None
    agreement: float | None
    evidence: int
    sample: int
    answers: int
    audit: float
    suspicious: bool
    history: tuple[Change, ...] = ()
