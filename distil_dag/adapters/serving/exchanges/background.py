"""A queue in front of a store, emptied by one thread: whoever puts an exchange never waits for the store."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from distil_dag.adapters.serving.exchanges.store import Refused, Store
from distil_dag.adapters.system.closing import Closing
from distil_dag.stages.serving.exchange import Exchange
from distil_dag.stages.serving.exchanges.rows import Row, row_of

log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0
# A store that hangs is not waited for longer than this beyond one that fails.
_GRACE = 5.0
_LONGEST_REASON = 300


def _as_it_is(exchange: Exchange) -> Exchange:
    return exchange


class BackgroundLog(Closing):
    """Keeps exchanges in a store, in the order in which they came.

    What can't be written now is tried again, and waits meanwhile. No more than `bound` wait: the next ones
    are dropped and counted. An outage is told once when it begins and once when it ends.
    """

    def __init__(
        self,
        store: Store,
        prepare: Callable[[Exchange], Exchange] = _as_it_is,
        bound: int = 4096,
        patience: float = 10.0,
    ) -> None:
        """Start the thread.

        Args:
            store: Where exchanges are kept.
            prepare: What happens to an exchange before it is written, such as redaction. One that it fails
                for is dropped, never written as it is.
            bound: How many exchanges may wait.
            patience: For how many seconds `close` tries on, where the store fails and nothing is written.
        """
        self._store, self._prepare, self._bound, self._patience = store, prepare, bound, patience
        self._waiting: deque[Exchange] = deque()
        self._changed = threading.Condition()
        self._in_hand = self._dropped = self._written = self._failures = self._told = 0
        self._is_closed = self._is_down = False
        self._moved = 0.0
        self._thread = threading.Thread(target=self._run, name="exchange-log", daemon=True)
        self._thread.start()

    def put(self, exchange: Exchange) -> bool:
        """Take an exchange, without waiting for the store.

        Returns:
            False where it was dropped: too many wait, or the log is closed.
        """
        with self._changed:
            if self._is_closed or self.waiting >= self._bound:
                self._dropped += 1
                return False
            self._waiting.append(exchange)
            if len(self._waiting) in (1, self._store.batch):
                self._changed.notify()
            return True

    @property
    def dropped(self) -> int:
        """How many exchanges were lost since the start."""
        return self._dropped

    @property
    def written(self) -> int:
        """How many exchanges are in the store."""
        return self._written

    @property
    def waiting(self) -> int:
        """How many exchanges are not in the store yet."""
        return len(self._waiting) + self._in_hand

    @property
    def failures(self) -> int:
        """How many attempts to write have failed."""
        return self._failures

    def close(self) -> None:
        """Write what waits, then end; what the store does not take in time is dropped and counted."""
        with self._changed:
            self._moved = self._moved if self._is_closed else time.monotonic()
            self._is_closed = True
            self._changed.notify_all()
        while self._thread.is_alive() and self._left() + _GRACE > 0:
            self._thread.join(max(0.01, self._left() + _GRACE))
        if self._thread.is_alive():
            log.error("%s does not answer: %d exchanges are lost", self._store.name, self.waiting)
            with self._changed:
                self._dropped += self.waiting
                self._waiting.clear()
                self._in_hand = 0

    def _left(self) -> float:
        """Seconds until a closed log gives up: as long as the store takes exchanges, there are more."""
        return self._moved + self._patience - time.monotonic()

    def _run(self) -> None:
        while exchanges := self._next():
            self._write([row for exchange in exchanges if (row := self._row(exchange))])
            self._tell_dropped()
            self._in_hand = 0
        self._store.close()

    def _next(self) -> list[Exchange]:
        """The next exchanges to write; none at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            self._changed.wait_for(
                lambda: len(self._waiting) >= self._store.batch or self._is_closed, self._store.linger
            )
            found = [self._waiting.popleft() for _ in range(min(self._store.batch, len(self._waiting)))]
            self._in_hand = len(found)
            return found

    def _row(self, exchange: Exchange) -> Row | None:
        try:
            return row_of(self._prepare(exchange))
        except Exception as error:  # of one exchange, which must not end the thread
            # Its message may quote what was said.
            self._drop(1, f"an exchange can't be written: {type(error).__name__}")
            return None

    def _write(self, rows: list[Row]) -> None:
        pause, is_first = _FIRST_PAUSE, True
        while rows:
            try:
                new = self._store.write(rows)
            except Refused as refusal:
                if len(rows) == 1:
                    return self._drop(1, f"an exchange is refused: {refusal}")
                for row in rows:
                    self._write([row])
                return None
            except Exception as error:  # of any library behind a store
                is_first = False
                self._tell_down(error)
                if not self._paused(pause):
                    return self._drop(len(rows), f"{self._store.name} failed until the end")
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._moved = time.monotonic()
                self._tell_up()
                self._written += new
                # A repeated attempt may meet what the first one has written.
                if is_first and new < len(rows):
                    self._drop(len(rows) - new, "exchanges have ids that the log knows already")
                elif not is_first:
                    self._written += len(rows) - new
                return None
        return None

    def _paused(self, seconds: float) -> bool:
        """Wait before the next attempt; False where there is no time for one."""
        with self._changed:
            if not self._is_closed:
                self._changed.wait_for(lambda: self._is_closed, seconds)
                return True
        left = self._left()
        time.sleep(max(0.0, min(seconds, left)))
        return left > 0

    def _drop(self, count: int, why: str) -> None:
        with self._changed:
            self._dropped += count
            self._told += count
        log.error("%d dropped: %s", count, why)

    def _tell_down(self, error: Exception) -> None:
        self._failures += 1
        if not self._is_down:
            said = str(error)[:_LONGEST_REASON]
            log.warning("exchanges wait, up to %d: %s failed: %s", self._bound, self._store.name, said)
        self._is_down = True

    def _tell_up(self) -> None:
        if self._is_down:
            log.warning("exchanges are written to %s again", self._store.name)
        self._is_down = False

    def _tell_dropped(self) -> None:
        """Say how many did not fit into the queue, in the thread that may wait for a log."""
        lost = self._dropped - self._told
        if lost and not self._is_closed:
            self._told += lost
            log.warning("%d exchanges were dropped, since %d waited already", lost, self._bound)
