"""What a server counts, for Prometheus; no label holds anything that a client wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

from distil_dag.core.settings import PriceSpec

_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 2, 5, 10, 30, 60, 120)


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._answers = self._counter("answers", "Answers sent.", "task", "answered_by", "why")
        self._unheard = self._counter("not_for_student", "Requests left to the teacher.", "task", "why")
        self._refused = self._counter("refused", "Requests that got an error, by its status.", "status")
        self._agreements = self._counter(
            "agreement", "Answers that both gave, by whether they agree.", "task", "agrees", "audited"
        )
        self._shadow = self._counter(
            "shadow_agreement",
            "Answers of the candidate, against the teacher's or what was sent.",
            "task",
            "agrees",
        )
        self._canary = self._counter("canary", "Requests of the candidate's share.", "task", "answered_by")
        self._gone = self._counter("disconnected", "Clients that left before their answer.")
        self._swaps = self._counter("swaps", "Students put in another's place.", "task", "outcome")
        self._tokens = self._counter("teacher_tokens", "Tokens of the teacher.", "task", "kind")
        self._cost = self._counter("teacher_cost", "Cost of the teacher, in the price's currency.", "task")
        self._seconds = self._histogram(
            "answer_seconds", "Time until all of an answer is sent.", "answered_by"
        )
        self._first = self._histogram("first_byte_seconds", "Time until an answer begins.", "answered_by")
        self._student = self._histogram("student_seconds", "Time of a student's answer, without its queue.")
        self.in_flight = Gauge("distil_dag_in_flight", "Requests under way.", registry=self.registry)

    def _counter(self, name: str, said: str, *labels: str) -> Counter:
        return Counter(f"distil_dag_{name}", said, labels, registry=self.registry)

    def _histogram(self, name: str, said: str, *labels: str) -> Histogram:
        labels = ("task", *labels)
        return Histogram(f"distil_dag_{name}", said, labels, registry=self.registry, buckets=_SECONDS)

    def answered(self, task: str, by: str, why: str) -> None:
        """Count an answer that is sent."""
        self._answers.labels(task, by, why).inc()

    def left(self, task: str, why: str) -> None:
        """Count a request that the student is not asked, or not heard, for."""
        self._unheard.labels(task, why).inc()

    def refused(self, status: int) -> None:
        """Count an error."""
        self._refused.labels(str(status)).inc()

    def disconnected(self) -> None:
        """Count a client that left."""
        self._gone.inc()

    def swapped(self, task: str, outcome: str) -> None:
        """Count a student that was put in another's place, or could not be."""
        self._swaps.labels(task, outcome).inc()

    def agreement(self, task: str, agrees: bool | None, audited: bool) -> None:
        """Count two answers; None where the teacher's is no evidence."""
        self._agreements.labels(task, _said(agrees), str(audited).lower()).inc()

    def canary(self, task: str, by: str) -> None:
        """Count a request of the candidate's share."""
        self._canary.labels(task, by).inc()

    def shadow(self, task: str, agrees: bool | None) -> None:
        """Count an answer of the candidate."""
        self._shadow.labels(task, _said(agrees)).inc()

    def began(self, task: str, by: str, seconds: float) -> None:
        """Note when an answer began."""
        self._first.labels(task, by).observe(seconds)

    def ended(self, task: str, by: str, seconds: float) -> None:
        """Note when all of it was there."""
        self._seconds.labels(task, by).observe(seconds)

    def student(self, task: str, seconds: float) -> None:
        """Note the time of a student's answer."""
        self._student.labels(task).observe(seconds)

    def spent(self, task: str, tokens: tuple[int | None, int | None], cost: float | None) -> None:
        """Count what an answer of the teacher used."""
        for kind, count in zip(("prompt", "completion"), tokens, strict=True):
            self._tokens.labels(task, kind).inc(count or 0)
        self._cost.labels(task).inc(cost or 0.0)

    def watch(
        self, name: str, said: str, values: Callable[[], Mapping[tuple[str, ...], float]], *labels: str
    ) -> None:
        """Show values that are asked for whenever metrics are read.

        Args:
            name: of the gauge.
            said: what it is.
            values: labels -> value.
            labels: names of the labels.
        """
        self.registry.register(_Watched(f"distil_dag_{name}", said, labels, values))

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)


class _Watched:
    def __init__(
        self,
        name: str,
        said: str,
        labels: tuple[str, ...],
        values: Callable[[], Mapping[tuple[str, ...], float]],
    ) -> None:
        self._name, self._said, self._labels, self._values = name, said, labels, values

    def collect(self) -> list[GaugeMetricFamily]:
        family = GaugeMetricFamily(self._name, self._said, labels=self._labels)
        for labels, value in self._values().items():
            family.add_metric(list(labels), value)
        return [family]


def cost_of(price: PriceSpec, tokens: tuple[int | None, int | None]) -> float | None:
    """What an answer costs; None without a price for tokens, or without their number.

    Args:
        price: of the model.
        tokens: of prompt and answer.
    """
    prompt, completion = tokens
    if prompt is None or completion is None or not (price.prompt_per_million or price.completion_per_million):
        return None
    return (prompt * price.prompt_per_million + completion * price.completion_per_million) / 1e6


def _said(agrees: bool | None) -> str:
    return "unknown" if agrees is None else str(agrees).lower()
