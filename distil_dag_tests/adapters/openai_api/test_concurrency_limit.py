from __future__ import annotations

from distil_dag.adapters.openai_api.concurrency_limit import CallLimit


def rounds(limit: CallLimit, takes: int, count: int, seconds: float = 1.0) -> list[int]:
    """Sizes over rounds of full use of a server that turns away what is more than it takes."""
    sizes = []
    for _ in range(count):
        size = limit.size
        for _ in range(min(size, takes)):
            limit.succeeded(size, seconds)
        if size > takes:
            limit.overloaded()
        sizes.append(size)
    return sizes


def test_it_starts_modestly_and_doubles_until_its_ceiling() -> None:
    assert rounds(CallLimit(ceiling=100, timeout=100), takes=1000, count=5) == [16, 32, 64, 100, 100]
    assert CallLimit(ceiling=4, timeout=100).size == 4


def test_it_stays_near_what_the_server_takes() -> None:
    sizes = rounds(CallLimit(ceiling=1000, timeout=100), takes=50, count=60)[6:]
    assert max(sizes) <= 60
    assert sum(min(size, 50) for size in sizes) / len(sizes) > 0.8 * 50


def test_it_never_falls_below_one() -> None:
    limit = CallLimit(ceiling=64, timeout=100)
    for _ in range(20):
        limit.overloaded()
    assert limit.size == 1


def test_a_limit_that_is_not_used_does_not_grow() -> None:
    limit = CallLimit(ceiling=64, timeout=100)
    for _ in range(100):
        limit.succeeded(3, 1.0)
    assert limit.size == 16


def test_answers_that_come_late_stop_its_growth_before_they_come_too_late() -> None:
    # A server that takes one at a time and lets the others wait.
    limit = CallLimit(ceiling=1000, timeout=60)
    for _ in range(50):
        size = limit.size
        for _ in range(size):
            limit.succeeded(size, 0.5 * size)
    assert 0.5 * limit.size < 60 / 2
