"""What a run's models use, counted against the budget and stored with the run."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.settings import BudgetSpec, PriceSpec
from distil_dag.core.spending import Spending, Usage, calls_left, check, cost, money

FOLDER = "spending"

# Spending is written at least this often while calls come in. A killed process loses no more than that.
_WRITE_SECONDS = 1.0
# Smallest number of calls that are sent together, however little of the budget is left: the stages' batch.
_BATCH = 64


class Meter:
    """Counts what one asset's models use, added to what the run has used before.

    A budget belongs to the run, so earlier assets and attempts count. It is checked before anything is sent.
    So the run ends within one batch of its limit, and calls under way end as usual. Threads may share the
    object.

    Args:
        budget: Limits of the run; none by default.
        before: What the run has used before.
        write: Stores the run's spending.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self,
        budget: BudgetSpec | None = None,
        before: Spending | None = None,
        write: Callable[[Spending], object] = lambda spending: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._budget, self._write = budget or BudgetSpec(), write
        self._lock = threading.RLock()
        self._before = before or Spending()
        self._lines: dict[str, Line] = {}
        self._written = -math.inf

    def line(self, identity: str, price: PriceSpec) -> Line:
        """The counter of a model; the same object for the same identity.

        Args:
            identity: The model's identity.
            price: What its tokens and hours cost.
        """
        with self._lock:
            return self._lines.setdefault(identity, Line(price, self._clock, self._lock))

    @property
    def used(self) -> Usage:
        """What the models have used since this meter was created."""
        with self._lock:
            return sum((line.usage() for line in self._lines.values()), Usage())

    @property
    def spending(self) -> Spending:
        """What the run has used in all its assets and attempts, by model."""
        with self._lock:
            models = dict(self._before.models)
            for identity, line in self._lines.items():
                models[identity] = models.get(identity, Usage()) + line.usage()
            return Spending(models=models)

    def note(self) -> str:
        """What this asset has used so far, in a few words: `12,400 tokens, 0.03, 41 tokens/s`."""
        used = self.used
        words = [f"{used.tokens:,} tokens"]
        words += [money(used.money)] if used.money else []
        words += [f"{used.tokens / used.seconds:,.0f} tokens/s"] if used.seconds else []
        words += [f"{used.cached:,} calls from the cache"] if used.cached else []
        return ", ".join(words)

    def check(self) -> None:
        """Check the run's budget.

        Raises:
            BudgetReachedError: Nothing is left of a limit.
        """
        check(self._budget, self.spending.total)

    def room(self) -> int:
        """How many calls may be sent together: as many as the budget's rest allows, at least one batch."""
        if self._budget == BudgetSpec():
            return sys.maxsize
        fitting = calls_left(self._budget, self.spending.total)
        return _BATCH if fitting is None or fitting < _BATCH else int(min(fitting, sys.maxsize))

    def keep(self, at_once: bool = True) -> None:
        """Store the run's spending.

        Args:
            at_once: Write in any case; otherwise at most once a second.
        """
        with self._lock:
            now = self._clock()
            if at_once or now - self._written >= _WRITE_SECONDS:
                self._written = now
                self._write(self.spending)


class Line:
    """What one model has used. Its time runs while at least one call is under way.

    Args:
        price: What tokens and hours cost.
        clock: Monotonic time in seconds.
        lock: The lock of the meter.
    """

    def __init__(self, price: PriceSpec, clock: Callable[[], float], lock: threading.RLock) -> None:
        self._price, self._clock, self._lock = price, clock, lock
        self._counted = Usage()
        self._users = 0
        self._since = 0.0

    def count(self, **amounts: int) -> None:
        """Add calls and tokens.

        Args:
            **amounts: Fields of :class:`Usage` and what to add to them.
        """
        with self._lock:
            self._counted += Usage.model_validate(amounts)

    def usage(self) -> Usage:
        """What was used so far, including the time of calls under way."""
        with self._lock:
            running = self._clock() - self._since if self._users else 0.0
            seconds = self._counted.seconds + running
            paid = cost(self._price, self._counted.prompt_tokens, self._counted.completion_tokens, seconds)
            return self._counted.model_copy(update={"seconds": seconds, "money": paid})

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Let the model's time run for the length of a `with` block."""
        with self._lock:
            if not self._users:
                self._since = self._clock()
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    spent = self._clock() - self._since
                    self._counted += Usage(seconds=spent)


def run_meter(store: RunStore, run: str, budget: BudgetSpec) -> Meter:
    """A meter that continues from what the run has used, and stores the sum with the run.

    Args:
        store: The store of all runs.
        run: Key of the run.
        budget: Limits of the run.
    """
    return Meter(
        budget, read_spending(store, run), lambda spending: store.write_report(run, FOLDER, spending)
    )


def read_spending(store: RunStore, run: str) -> Spending:
    """What a run has used so far; nothing if it has not begun."""
    try:
        return store.read_report(run, FOLDER, Spending)
    except FileNotFoundError:
        return Spending()
