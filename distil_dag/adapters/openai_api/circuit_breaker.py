"""When to stop calling a failing server, and when to try it again (circuit breaker, Nygard 2007)."""

from __future__ import annotations

import random
from enum import Enum

_INCIDENTS = 3


class Circuit(Enum):
    """State of a circuit: closed lets calls through, open none, half-open a single probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class CircuitBreaker:
    """Opens after three incidents in a row; then a probe decides whether it closes.

    Probes come at growing intervals with full jitter. Times are seconds of any monotonic clock.

    Args:
        shortest: Bound of the first interval in seconds.
        longest: Greatest bound of an interval in seconds.

    Attributes:
        state: The circuit's state.
        down_since: When it opened; None while it is closed.
        probe_at: When the next probe is due.
    """

    def __init__(self, shortest: float, longest: float) -> None:
        self._shortest, self._longest = shortest, longest
        self.state = Circuit.CLOSED
        self.down_since: float | None = None
        self.probe_at = 0.0
        self._incidents = self._probes = 0

    def failed(self, now: float) -> None:
        """Record an incident; calls that failed together count as one."""
        self._incidents += 1
        if self.state is Circuit.CLOSED and self._incidents >= _INCIDENTS:
            self.down_since, self._probes = now, 0
            self._open(now)

    def succeeded(self) -> None:
        """Record an answer, which closes the circuit."""
        self.state, self._incidents, self.down_since = Circuit.CLOSED, 0, None

    def wants_probe(self, now: float) -> bool:
        """Whether it is time to send the call that may close the circuit."""
        return self.state is Circuit.OPEN and now >= self.probe_at

    def probing(self) -> None:
        """Record that the probe was sent."""
        self.state = Circuit.HALF_OPEN

    def probe_failed(self, now: float) -> None:
        """Record that the probe failed; the next one comes later."""
        self._probes += 1
        self._open(now)

    def _open(self, now: float) -> None:
        self.state = Circuit.OPEN
        self.probe_at = now + jittered(self._shortest, self._longest, self._probes)


def jittered(shortest: float, longest: float, times: int) -> float:
    """A random wait before the next try: exponential backoff with full jitter.

    Args:
        shortest: Bound of the first wait in seconds.
        longest: Greatest bound in seconds.
        times: How often the bound has doubled.

    Returns:
        Seconds, uniform between 0 and the bound.
    """
    return random.uniform(0.0, min(longest, shortest * 2.0 ** min(times, 30)))
