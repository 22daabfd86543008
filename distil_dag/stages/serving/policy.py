"""Whether a student's answer is heard: what a server asks of the evidence."""

from __future__ import annotations

from typing import Protocol

from distil_dag.stages.serving.standing import Decision, Standing


class Policy(Protocol):
    """Decides by scores, and learns from what both answered; for one thread at a time."""

    def decide(self, score: float) -> Decision:
        """What is done with an answer of this score; higher is surer."""
        ...

    def learn(self, score: float, agreed: bool, audited: bool, weight: float | None = None) -> None:
        """Take note of an answer that the teacher was asked about too.

        Args:
            score: of the student's answer.
            agreed: whether the teacher's calls are the same.
            audited: whether the student's answer was sent.
            weight: as the decision said; None where none was asked for.
        """
        ...

    def close(self) -> None:
        """Keep what was learned; nothing is learned afterwards."""
        ...

    @property
    def standing(self) -> Standing | None:
        """What is proved by now; None where nothing ever is."""
        ...

    @property
    def may_answer(self) -> bool:
        """Whether any score suffices by now; where none does, the teacher need not wait for the student."""
        ...


class TeacherOnly:
    """The student is never heard where there is a teacher."""

    may_answer, standing = False, None

    def decide(self, score: float) -> Decision:
        """The teacher's, whatever the score."""
        return Decision(False, False, "not proved yet")

    def learn(self, score: float, agreed: bool, audited: bool, weight: float | None = None) -> None:
        """Nothing is learned."""

    def close(self) -> None:
        """Nothing is kept."""
