"""How many calls a server takes at a time, measured while calling it."""

from __future__ import annotations

_START = 16
# Growth slows down from this share of the size that was too much. The limit has grown beyond the server's
# capacity by the time that an overload is noticed, since calls under way still add to it.
_NEAR = 0.75
# The limit grows only while answers take less than this share of the timeout. A server that queues calls
# shows its limit in no other way, and twice the calls might run into the timeout.
_LONGEST_SHARE = 0.25
_SMOOTHING = 0.2


class CallLimit:
    """Additive increase, multiplicative decrease, as in TCP congestion control (Jacobson, 1988).

    Each success adds one while the limit is used, so the limit doubles in the time of an answer. Near the
    size that was too much before, a whole round of successes adds one. Overload halves the limit.

    Args:
        ceiling: Greatest limit, in calls.
        timeout: Time limit of a call in seconds.
    """

    def __init__(self, ceiling: int, timeout: float) -> None:
        self._ceiling = float(ceiling)
        self._longest = timeout * _LONGEST_SHARE
        self._size = min(float(_START), self._ceiling)
        self._knee = self._ceiling
        self._seconds: float | None = None

    @property
    def size(self) -> int:
        """Calls that may be in flight, at least one."""
        return int(self._size)

    def succeeded(self, in_flight: int, seconds: float) -> None:
        """Record an answer.

        Args:
            in_flight: Calls under way, the answered one included.
            seconds: How long the answer took.
        """
        old = seconds if self._seconds is None else self._seconds
        self._seconds = old + _SMOOTHING * (seconds - old)
        # A limit that is not used says nothing about a larger one. Half of it is enough, since answers
        # that come together are recorded before their places are filled again.
        if 2 * in_flight >= self.size and self._seconds <= self._longest:
            step = 1.0 if self._size < self._knee else 1.0 / self._size
            self._size = min(self._ceiling, self._size + step)

    def overloaded(self) -> None:
        """Record that the server had too much to do, once for all calls that it refused together."""
        self._knee = max(1.0, _NEAR * self._size)
        self._size = max(1.0, self._size / 2)
