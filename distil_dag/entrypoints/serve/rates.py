"""How much a caller may still ask for (token bucket)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

_MOST_CALLERS = 10_000


class Rate:
    """So many units a minute for each caller, saved up for a minute at most.

    What a call costs may be known only afterwards: then a caller goes into debt, and waits it off.

    Args:
        per_minute: units a minute.
        clock: seconds, monotonic.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._most = float(per_minute)
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, caller: str) -> float:
        """Seconds until the caller has a unit; 0 where it has one."""
        have, _ = self._now(caller)
        return max(0.0, (1.0 - have) * 60.0 / self._most)

    def take(self, caller: str, units: float) -> None:
        """Charge the caller."""
        have, now = self._now(caller)
        self._left[caller] = have - units, now
        self._left.move_to_end(caller)
        if len(self._left) > _MOST_CALLERS:
            self._left.popitem(last=False)

    def _now(self, caller: str) -> tuple[float, float]:
        now = self._clock()
        have, then = self._left.get(caller, (self._most, now))
        return min(self._most, have + (now - then) * self._most / 60.0), now
