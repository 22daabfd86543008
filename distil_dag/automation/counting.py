"""New traces of a service, counted from tick to tick, so that no tick reads again what another has read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

from pydantic import BaseModel, ValidationError

# A service shows a record minutes after it was logged, so the last minutes are counted again.
_LATE = timedelta(minutes=10)

Count = Callable[[datetime, datetime, int], int]
"""From start, end and the number that is enough to the number of traces between them."""


class _Settled(BaseModel):
    """How many traces a log had between two times that are long past."""

    log: str
    since: datetime
    until: datetime
    count: int


class _Cursor(BaseModel):
    tasks: dict[str, _Settled] = {}


class Counting:
    """Counts the new traces of tasks, and says what the next tick needs to know."""

    def __init__(self, cursor: str | None) -> None:
        """Go on where the last tick ended.

        Args:
            cursor: Of that tick; None for the first one.
        """
        self._now = _Cursor()
        try:
            self._before = _Cursor.model_validate_json(cursor or "{}")
        except ValidationError:
            self._before = _Cursor()  # of another version

    @property
    def cursor(self) -> str:
        """For the next tick."""
        return self._now.model_dump_json()

    def keep(self, task: str) -> None:
        """Keep what is known of a task that is not counted at this tick."""
        if task in self._before.tasks:
            self._now.tasks.setdefault(task, self._before.tasks[task])

    def between(
        self, task: str, log: str, since: datetime, until: datetime, enough: int, count: Count
    ) -> int:
        """Number of traces in a window; at least `enough` where there are as many.

        Args:
            task: Name of the task.
            log: Its settings of the log; what was counted with others does not count.
            since: Start of the window, inclusive; another one is counted anew.
            until: End of the window, exclusive.
            enough: Where counting may end.
            count: Counts traces of the log.
        """
        of_log = hashlib.sha256(log.encode()).hexdigest()[:16]
        known = self._before.tasks.get(task)
        if known is None or (known.log, known.since) != (of_log, since) or known.until > until:
            known = _Settled(log=of_log, since=since, until=since, count=0)
        settled = max(until - _LATE, known.until)
        if settled > known.until and known.count < enough:
            more = count(known.until, settled, enough - known.count)
            known = known.model_copy(update={"count": known.count + more})
            if known.count >= enough:
                return known.count  # where counting has ended is not known
            known = known.model_copy(update={"until": settled})
        self._now.tasks[task] = known
        return known.count + count(known.until, until, enough - known.count)
