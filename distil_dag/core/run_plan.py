"""Whether enough has been logged for another run of a task, and over which window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from distil_dag.core.run_key import RunKey

# Where a window starts that takes all there is.
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class PastRun:
    """One run of a task.

    Attributes:
        key: its key.
        read: when the log was read for it.
        state: how it ended. It succeeded if it ended with a model that is measured; a part of the chain alone
            has not.
    """

    key: RunKey
    read: datetime
    state: Literal["succeeded", "failed", "running"]

    @property
    def covers_until(self) -> datetime:
        """The end of its window, or the time of reading if that was earlier: later traces were not there."""
        return min(self.key.until or self.read, self.read)


@dataclass(frozen=True)
class Wait:
    """No run is due.

    Attributes:
        reason: why not, as a sentence.
    """

    reason: str


def plan_next_run(
    task: str,
    past: Sequence[PastRun],
    count_between: Callable[[datetime, datetime], int],
    threshold: int,
    now: datetime,
) -> RunKey | Wait:
    """The next run's key, once enough traces came in since the newest run's window.

    The window reaches back to the last run that succeeded, so what a failed run took is not lost. A failed
    run is not repeated until as many new traces have come in again. What is dated ahead of `now` lies in no
    window: if it were counted, it would ask for a run at every tick.

    Args:
        task: name of the task.
        past: its runs, in any order.
        count_between: counts the traces from a time (inclusive) up to another (exclusive).
        threshold: number of new traces that make a run.
        now: the time in UTC; a window ends there, in whole seconds.

    Returns:
        The key, or why to wait.
    """
    if running := [run for run in past if run.state == "running"]:
        return Wait(f"{task}: {running[0].key} is under way")
    tried = max((run.covers_until for run in past), default=BEGINNING)
    done = max((run.covers_until for run in past if run.state == "succeeded"), default=BEGINNING)
    until = now.replace(microsecond=0)
    if tried >= until:
        return Wait(f"{task}: the newest window ends at {tried:%Y-%m-%d %H:%M} UTC")
    count = count_between(tried, until)
    if count < threshold:
        since = "so far" if tried == BEGINNING else f"since {tried:%Y-%m-%d %H:%M} UTC"
        return Wait(f"{task}: {count} of {threshold} new traces {since}")
    return RunKey(task=task, since=done, until=until)


def trailing_window(days: int, now: datetime) -> tuple[datetime, datetime]:
    """The last days, in whole seconds.

    Args:
        days: how many.
        now: the end of the window.

    Returns:
        Since (inclusive) and until (exclusive), in UTC.
    """
    until = now.astimezone(UTC).replace(microsecond=0)
    return until - timedelta(days=days), until
