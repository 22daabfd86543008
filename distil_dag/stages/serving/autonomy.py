"""Which answers of a student may be sent alone, by what it has proved beside its teacher.

The promise: of what the student answers alone, at least `target` agrees with the teacher, with the promised
confidence, at whatever moment one looks.

What is evidence. Below the threshold the teacher answers, so every answer of the student is compared. Above
it only audits are. A laxer threshold is to be proved by both, and they are not alike: the doubtful answers
are seen always, the sure ones seldom.

So each compared answer has a weight: one that was sent and audited counts whole, a doubtful one as the audit
share of this moment. Among what is compared at or above any fixed threshold, both kinds then weigh as they
come in traffic, so no bet against the promise wins on average (`proving.confidence_sequence`). Answers that
nobody compared count nothing, so a teacher that fails now and then does no harm.

Three other ways are valid:

- thinning: a doubtful answer counts whole, but only if a draw with the audit share says so. It is the same
  game with less evidence, since the log of a mean is more than the mean of the logs;
- weights of `1 / share` for audits: no bet may be larger than one wrong audit leaves, and every request that
  nobody looked at changes the evidence too;
- strata: sure and doubtful answers apart, then the worst mixture of both. Each threshold of the past adds a
  stratum that pays for bets of its own.

Sure answers are the larger part of what proves a threshold, and too few audits starve it. So the audit
share falls slowly to the permanent one: it is about 50 over the weight that the threshold rests on, so audits
grow as the root of the requests. Audits delay no answer; they cost the teacher's price.

Which threshold. Twenty are laid over the scores of a first few answers, which then prove nothing. They are
tested from strict to lax by the fallback procedure, with half of alpha where those first answers point to.
The laxest that is proved *now* counts, so a threshold is given back when its own evidence falls.

Rows of the run's calibration are such first answers, and no more: they were chosen by a judge, from an older
log, with other labels than the teacher's, so that their agreement may be another. They cost no validity,
whatever they are, and without them the first live answers do their work.

When the world changes, old evidence would go on for long. An e-detector watches the student's own audited
answers. Its alarm gives everything back, and all evidence begins anew. A wrong audit, or doubtful answers
that become worse, are reason enough to audit everything for a short while, so that an alarm need not wait
for fifty requests at each look.

Each stretch between two alarms has its own confidence. Before an alarm wrong answers
do pass: see `benchmarks/autonomy.py`.

What is assumed: between changes, an answer at a threshold or above agrees with the same probability whatever
came before, and a teacher that fails to answer fails as often beside right answers as beside wrong ones.
"""

from __future__ import annotations

import json
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from distil_dag.stages.serving.proving.change_detector import ChangeDetector
from distil_dag.stages.serving.proving.evidence import Count, Evidence, Proof
from distil_dag.stages.serving.proving.thresholds import Thresholds
from distil_dag.stages.serving.standing import Change, Decision, Identity, Standing

_VERSION = 2
_UNFORESEEN = random.SystemRandom()
# Answers that lay the thresholds.
_SCOUTS = 50
# Audits fall as this number over the weight that a threshold rests on.
_LEARNING = 50
# Audited answers between two alarms by mistake, at least, on average.
_PATIENCE = 1000.0
# The same for suspicions among doubtful answers, which cost audits alone.
_SUSPICION = 200.0
# Own answers that are all audited after a suspicion.
_WATCH = 20
# Changes that are remembered.
_HISTORY = 100
# Latest answers of the sample that are kept, to lay thresholds anew after an alarm.
_KEPT = 100


class Autonomy:
    """Decides answer by answer what is sent alone, and learns from what both answered.

    For one thread at a time. A decision takes constant time, learning an answer a time that grows with the
    number of thresholds.

    Args:
        identity: what the evidence is about.
        calibration: score and agreement of rows that the student has not learned from.
        audit: share of the student's own answers for which the teacher is asked as well, at least.
        draw: random numbers from 0 to 1, which clients must not foresee.
        now: the time, for the history.

    Raises:
        ValueError: for an audit share that is not above 0 and up to 1.
    """

    def __init__(
        self,
        identity: Identity,
        calibration: Sequence[tuple[float, bool]] = (),
        audit: float = 0.02,
        draw: Callable[[], float] = _UNFORESEEN.random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if not 0 < audit <= 1:
            raise ValueError(
                f"the audit share must be above 0 and at most 1, not {audit}: without audits nobody would "
                "see that the student has become wrong"
            )
        self.identity = identity
        self._audit, self._draw, self._now = audit, draw, now
        self._scouts = deque(((float(score), bool(right)) for score, right in calibration), maxlen=_KEPT)
        self._answers = 0
        self._history: deque[Change] = deque(maxlen=_HISTORY)
        self._watch = 0
        self._proof: Proof | None = None
        self._evidence: Evidence | None = None
        self._own: ChangeDetector
        self._doubtful: ChangeDetector | None = None
        self._begin("began: nothing is proved yet")

    @property
    def may_answer(self) -> bool:
        """Whether any score suffices now."""
        return self._proof is not None

    def decide(self, score: float) -> Decision:
        """What is done with a complete, valid answer of this score; higher is surer."""
        if self._proof is None:
            return Decision(False, False, "not proved yet")
        share = self._share
        if not score >= self._proof.threshold:
            return Decision(False, False, "not sure", share)
        self._watch = max(0, self._watch - 1)
        audit = self._draw() < share
        return Decision(True, audit, "audit" if audit else "proved")

    def learn(self, score: float, agreed: bool, audited: bool, weight: float | None = None) -> None:
        """Take note of an answer that the teacher was asked about too.

        Args:
            score: of the student's answer.
            agreed: whether the teacher's calls are the same.
            audited: whether the student's answer was sent.
            weight: what the decision said; as it would say now where none was asked for.
        """
        self._answers += 1
        if audited and (self._proof is None or score < self._proof.threshold):
            # Drawn under a threshold that has been given back since: no fair part of what is seen today.
            return
        if not audited:
            self._suspect(agreed)
            weight = self._share if weight is None else weight
        self._scouts.append((score, agreed))
        if self._evidence is None:
            self._evidence = self._laid()
            return
        self._evidence.add(score, agreed, 1.0 if audited or weight is None else weight)
        if audited and self._changed(agreed):
            self._begin("given back: what was sent alone agrees less than promised; earlier evidence is void")
        else:
            self._settle()

    @property
    def threshold(self) -> float | None:
        """Least score of an answer that is sent alone now; None where none is."""
        return self._proof.threshold if self._proof else None

    def restart(self, why: str) -> None:
        """Forget all evidence, for a reason that the history tells."""
        self._begin(f"began anew: {why}")

    @property
    def standing(self) -> Standing:
        """What it may answer alone by now, and on what evidence."""
        proof, compared = self._proof, self._evidence.answers if self._evidence else 0
        return Standing(
            threshold=self.threshold,
            coverage=self._coverage,
            bound=proof.bound if proof else None,
            agreement=proof.agreement if proof else None,
            evidence=proof.answers if proof else 0,
            sample=compared,
            answers=self._answers,
            audit=self._share if proof else self._audit,
            suspicious=self._watch > 0,
            history=tuple(self._history),
        )

    def dumps(self) -> str:
        """The whole state as JSON text, for :meth:`resume`."""
        evidence = self._evidence
        return json.dumps(
            {
                "version": _VERSION,
                "identity": asdict(self.identity),
                "answers": self._answers,
                "scouts": list(self._scouts),
                "evidence": evidence and {"grid": asdict(evidence.grid), "counts": evidence.counts},
                "own": asdict(self._own),
                "doubtful": self._doubtful and asdict(self._doubtful),
                "watch": self._watch,
                "history": [asdict(change) for change in self._history],
            }
        )

    def resume(self, text: str) -> None:
        """Go on from a state that was dumped.

        Evidence about another identity is left behind. The history is taken over, and tells what differs.

        Args:
            text: what :meth:`dumps` returned.

        Raises:
            ValueError: for a text that is no such state; this object is then as it was.
        """
        try:
            state = json.loads(text)
            if state["version"] != _VERSION:
                raise ValueError(f"it has the version {state['version']}, not {_VERSION}")
            history = [Change(**change) for change in state["history"]]
            other = self.identity.changed(Identity(**state["identity"]))
            read = None if other else _Read.of(state)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the state of a student's autonomy can't be read: {error!r}") from None
        self._history.clear()
        self._history.extend(history)
        if read is None:
            self.restart(other)
            return
        self._answers, self._watch = read.answers, read.watch
        self._scouts.clear()
        self._scouts.extend(read.scouts)
        self._evidence, self._own, self._doubtful = read.evidence, read.own, read.doubtful
        self._proof = self._proved()

    @property
    def _share(self) -> float:
        """Share of requests that belong to the sample now, which are audited if the student answers them."""
        if self._proof is None or self._watch:
            return 1.0
        wanted = min(1.0, _LEARNING / self._proof.weight)
        # Few different weights, so that evidence is counts.
        return max(self._audit, 2.0 ** math.ceil(math.log2(wanted)))

    @property
    def _coverage(self) -> float:
        return self._proof.weight / self._evidence.weight if self._proof and self._evidence else 0.0

    def _begin(self, why: str) -> None:
        self._proof, self._doubtful, self._watch = None, None, 0
        self._evidence = self._laid()
        self._own = ChangeDetector(1 - self.identity.target, _PATIENCE)
        self._note(why)

    def _laid(self) -> Evidence | None:
        if len(self._scouts) < _SCOUTS:
            return None
        return Evidence(Thresholds.laid(tuple(self._scouts), self.identity.target))

    def _proved(self) -> Proof | None:
        if self._evidence is None:
            return None
        return self._evidence.proved(self.identity.target, 1 - self.identity.confidence)

    def _settle(self) -> None:
        """Answer alone what is proved now."""
        before, self._proof = self._proof, self._proved()
        old, new = (proof.threshold if proof else math.inf for proof in (before, self._proof))
        if new == old:
            return
        self._doubtful = self._expected()
        self._note("takes over more" if new < old else "gives back some" if self._proof else "gives back all")

    def _changed(self, agreed: bool) -> bool:
        """Whether the student's own answers have become worse, with one more of them."""
        self._own = self._own.after(agreed)
        if not agreed:
            self._watch = _WATCH
        return self._own.alarm

    def _suspect(self, agreed: bool) -> None:
        """Watch the student's own answers where doubtful ones disagree more than before."""
        if self._doubtful is None:
            return
        self._doubtful = self._doubtful.after(agreed)
        if self._doubtful.alarm:
            self._watch = _WATCH
            self._doubtful = ChangeDetector((1 + self._doubtful.allowed) / 2, _SUSPICION)

    def _expected(self) -> ChangeDetector | None:
        """A watch over doubtful answers by their share of disagreements so far, with two standard errors."""
        if self._proof is None or self._evidence is None:
            return None
        doubtful = self._evidence.answers - self._proof.answers
        wrong = self._evidence.wrong - self._proof.wrong
        share = (wrong + 1) / (doubtful + 2)
        allowed = share + 2 * math.sqrt(share * (1 - share) / (doubtful + 2))
        return ChangeDetector(allowed, _SUSPICION) if allowed < 1 else None

    def _note(self, what: str) -> None:
        time = self._now().isoformat(timespec="seconds")
        self._history.append(Change(time, self._answers, what, self.threshold, self._coverage))


@dataclass(frozen=True)
class _Read:
    """A state as it was dumped."""

    answers: int
    watch: int
    scouts: list[tuple[float, bool]]
    evidence: Evidence | None
    own: ChangeDetector
    doubtful: ChangeDetector | None

    @classmethod
    def of(cls, state: dict[str, Any]) -> _Read:
        found, doubtful = state["evidence"], state["doubtful"]
        return cls(
            int(state["answers"]),
            int(state["watch"]),
            [(float(score), bool(agreed)) for score, agreed in state["scouts"]],
            found and Evidence(Thresholds(**found["grid"]), [Count(*count) for count in found["counts"]]),
            ChangeDetector(**state["own"]),
            doubtful and ChangeDetector(**doubtful),
        )
