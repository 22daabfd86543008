"""How many calls a server takes at a time, found out while calling it."""

from __future__ import annotations

_START = 16
# Growth slows down from this share of the size that was too much: calls under way still add to it meanwhile.
_NEAR = 0.75
# With longer answers than this share of the time limit, twice the calls might run into it: a server
# that queues what it can't take at once shows its limit in no other way.
_LONGEST_SHARE = 0.25
_SMOOTHING = 0.2


class CallLimit:
    """Additive increase, multiplicative decrease, as in TCP (Jacobson, 1988).

    Every success while the limit is used adds one, so that the limit doubles in the time of an answer;
    near the size that was too much before, a whole round of successes adds one. Overload halves it.
    """

    def __init__(self, ceiling: int, timeout: float) -> None:
        self._ceiling = float(ceiling)
        self._longest = timeout * _LONGEST_SHARE
        self._size = min(float(_START), self._ceiling)
        self._knee = self._ceiling
        self._seconds: float | None = None

    @property
    def size(self) -> int:
        """Calls that may be in flight now; at least one."""
        return int(self._size)

    def succeeded(self, in_flight: int, seconds: float) -> None:
        """Take note of an answer after `seconds`, with `in_flight` calls under way, itself included."""
        old = seconds if self._seconds is None else self._seconds
        self._seconds = old + _SMOOTHING * (seconds - old)
        # A limit that is not used says nothing about a larger one. Half will do, for answers that
        # come together are taken note of before their places are filled again.
        if 2 * in_flight >= self.size and self._seconds <= self._longest:
            step = 1.0 if self._size < self._knee else 1.0 / self._size
            self._size = min(self._ceiling, self._size + step)

    def overloaded(self) -> None:
        """Take note that the server had too much to do; once for all calls that it turned away together."""
        self._knee = max(1.0, _NEAR * self._size)
        self._size = max(1.0, self._size / 2)
