from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from distil_dag.core.run_key import RunKey
from distil_dag.core.run_plan import BEGINNING, PastRun, Wait, plan_next_run, trailing_window

NOW = datetime(2026, 11, 24, 12, 30, 5, 999, tzinfo=UTC)
DAY = timedelta(days=1)


class Log:
    """Counts one trace an hour, and remembers the window that it was asked for."""

    asked: tuple[datetime, datetime] | None = None

    def __call__(self, since: datetime, until: datetime) -> int:
        self.asked = since, until
        return round((until - max(since, NOW - 30 * DAY)) / timedelta(hours=1))


def past(state: str, until: datetime, since: datetime = BEGINNING) -> PastRun:
    return PastRun(RunKey("home", since=since, until=until), until, state)  # type: ignore[arg-type]


def test_the_first_run_takes_all_there_is() -> None:
    plan = plan_next_run("home", [], Log(), 100, NOW)
    assert plan == RunKey("home", since=BEGINNING, until=NOW.replace(microsecond=0))
    assert RunKey.parse(str(plan)) == plan


def test_it_waits_until_enough_has_come_in() -> None:
    plan = plan_next_run("home", [past("succeeded", NOW - DAY)], Log(), 25, NOW)
    assert plan == Wait("home: 24 of 25 new traces since 2026-11-23 12:30 UTC")


def test_the_next_window_starts_where_the_last_ended() -> None:
    plan = plan_next_run("home", [past("succeeded", NOW - 2 * DAY)], Log(), 25, NOW)
    assert isinstance(plan, RunKey)
    assert plan.since == NOW - 2 * DAY


def test_a_failed_window_is_counted_and_taken_again() -> None:
    runs = [past("failed", NOW - DAY), past("succeeded", NOW - 5 * DAY)]
    log = Log()
    assert isinstance(plan_next_run("home", runs, log, 25, NOW), Wait)
    assert log.asked == (NOW - DAY, NOW.replace(microsecond=0))
    plan = plan_next_run("home", runs, log, 24, NOW)
    assert isinstance(plan, RunKey)
    assert plan.since == NOW - 5 * DAY


def test_one_run_at_a_time() -> None:
    plan = plan_next_run("home", [past("running", NOW - DAY)], Log(), 1, NOW)
    assert isinstance(plan, Wait)
    assert "is under way" in plan.reason


def test_a_run_over_the_whole_log_took_what_was_there_when_it_was_requested() -> None:
    whole = PastRun(RunKey("home", label="demo"), NOW - DAY, "succeeded")
    plan = plan_next_run("home", [whole], Log(), 24, NOW)
    assert isinstance(plan, RunKey)
    assert plan.since == NOW - DAY


@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_a_window_that_ends_in_the_future_covers_what_was_there_when_it_was_read(state: str) -> None:
    key = RunKey("home", since=BEGINNING, until=NOW + 1000 * DAY)
    log = Log()
    plan = plan_next_run("home", [PastRun(key, NOW - DAY, state)], log, 24, NOW)  # type: ignore[arg-type]
    assert isinstance(plan, RunKey)
    assert log.asked == (NOW - DAY, plan.until)
    assert plan.since == (NOW - DAY if state == "succeeded" else BEGINNING)


def test_a_clock_that_went_back_waits() -> None:
    assert isinstance(plan_next_run("home", [past("succeeded", NOW + DAY)], Log(), 0, NOW), Wait)


def test_trailing_window() -> None:
    assert trailing_window(7, NOW) == (NOW.replace(microsecond=0) - 7 * DAY, NOW.replace(microsecond=0))
