"""Policies of one decision, which remember what they were told."""

from __future__ import annotations

from dataclasses import dataclass, field

from distil_dag.stages.serving.standing import Decision, Standing


@dataclass
class Fixed:
    """Decides always the same, as a policy with a threshold does for scores on one side of it."""

    said: Decision
    may_answer: bool = True
    learned: list[tuple[float, bool, bool, bool | None]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    closed: bool = False
    standing: Standing | None = None

    def decide(self, score: float) -> Decision:
        self.scores.append(score)
        return self.said

    def learn(self, score: float, agreed: bool, audited: bool, weight: float | None = None) -> None:
        self.learned.append((score, agreed, audited, weight))

    def close(self) -> None:
        self.closed = True


def alone(audit: bool = False) -> Fixed:
    return Fixed(Decision(True, audit, "proved", weight=0.25))


def not_sure() -> Fixed:
    return Fixed(Decision(False, False, "not sure", weight=0.25))
