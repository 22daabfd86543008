"""When to leave a failing server alone, and when to try it again."""

from __future__ import annotations

import random
from enum import Enum

_INCIDENTS = 3


class Circuit(Enum):
    """A closed circuit lets calls through, an open one none, a half-open one a single probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class CircuitBreaker:
    """Opens after three incidents in a row; then a probe decides, at growing intervals with full jitter.

    Times are seconds of any clock that only goes forward.
    """

    def __init__(self, shortest: float, longest: float) -> None:
        self._shortest, self._longest = shortest, longest
        self.state = Circuit.CLOSED
        self.down_since: float | None = None
        self.probe_at = 0.0
        self._incidents = self._probes = 0

    def failed(self, now: float) -> None:
        """Take note of an incident: calls that failed together count once."""
        self._incidents += 1
        if self.state is Circuit.CLOSED and self._incidents >= _INCIDENTS:
            self.down_since, self._probes = now, 0
            self._open(now)

    def succeeded(self) -> None:
        """Take note of an answer, which closes the circuit."""
        self.state, self._incidents, self.down_since = Circuit.CLOSED, 0, None

    def wants_probe(self, now: float) -> bool:
        """Whether it is time to send the one call that may close the circuit."""
        return self.state is Circuit.OPEN and now >= self.probe_at

    def probing(self) -> None:
        """Take note that the probe is on its way."""
        self.state = Circuit.HALF_OPEN

    def probe_failed(self, now: float) -> None:
        """Take note that the probe was not answered: the next one comes later."""
        self._probes += 1
        self._open(now)

    def _open(self, now: float) -> None:
        self.state = Circuit.OPEN
        self.probe_at = now + jittered(self._shortest, self._longest, self._probes)


def jittered(shortest: float, longest: float, times: int) -> float:
    """A wait before the next try: uniform up to a bound that doubles each time ("full jitter")."""
    return random.uniform(0.0, min(longest, shortest * 2.0 ** min(times, 30)))
