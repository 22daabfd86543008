from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distil_dag.core.run_key import RunKey

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1)).map(
    lambda t: t.replace(microsecond=0, tzinfo=UTC)
)
LABELS = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}", fullmatch=True)


@given(MOMENTS, MOMENTS, LABELS | st.just(""))
def test_a_key_reads_back_as_itself(one: datetime, other: datetime, label: str) -> None:
    if one == other:
        other += timedelta(seconds=1)
    key = RunKey("smart_home", min(one, other), max(one, other), label)
    assert RunKey.parse(str(key)) == key


def test_a_key_without_window_is_the_whole_log() -> None:
    key = RunKey.parse("demo", default_task="smart_home")
    assert str(key) == "smart_home.demo"
    assert key.contains(datetime(1999, 1, 1))
    assert key.contains(None)


@pytest.mark.parametrize(
    "label",
    [
        "20261124",
        "2026-11-24",
        "20261124T110000Z",
        "20261124_v2",
        "20261124-12345678rows",
        "v20261124-20261117",
    ],
)
def test_a_label_may_hold_a_date(label: str) -> None:
    assert RunKey.parse(f"t.{label}") == RunKey("t", label=label)
    assert RunKey.parse(f"t.20261124T110000Z_20261117T110000Z_{label}").label == label


def test_the_window_holds_its_start_and_not_its_end() -> None:
    key = RunKey.parse("t.20261124T110000Z_20261117T110000Z_lr1e-4")
    assert key.label == "lr1e-4"
    assert key.contains(datetime(2026, 11, 17, 11, tzinfo=UTC))
    assert key.contains(datetime(2026, 11, 24, 10, 59, 59))
    assert not key.contains(datetime(2026, 11, 24, 11))
    east = timezone(timedelta(hours=2))
    assert not key.contains(datetime(2026, 11, 17, 12, 59, tzinfo=east))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "demo",
        ".demo",
        "t.",
        "t.a/b",
        "t.20261117T110000Z_20261124T110000Z",
        "t.20261399T110000Z_20261117T110000Z",
        "t.20261124T110000Z-20261117T110000Z",
        "t.20261124t110000z_20261117t110000z",
        "t.20261124T110000_20261117T110000",
        "t.20261124T110000Z_20261117T110000Z_",
        "t.20261124_20261117",
        "t.2026112420261117",
        "t.2026-11-24_2026-11-17",
    ],
)
def test_a_wrong_key_says_what_a_key_looks_like(text: str) -> None:
    with pytest.raises(ValueError, match="TASK.UNTIL_SINCE"):
        RunKey.parse(text)
