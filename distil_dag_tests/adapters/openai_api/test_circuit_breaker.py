from __future__ import annotations

from distil_dag.adapters.openai_api.circuit_breaker import Circuit, CircuitBreaker, jittered


def test_it_opens_after_several_incidents_in_a_row_only() -> None:
    breaker = CircuitBreaker(shortest=1, longest=8)
    for _ in range(10):
        breaker.failed(0)
        breaker.failed(0)
        breaker.succeeded()
    assert breaker.state is Circuit.CLOSED
    for _ in range(3):
        breaker.failed(5)
    assert breaker.state is Circuit.OPEN
    assert breaker.down_since == 5


def test_probes_come_later_and_later_and_one_success_closes_it() -> None:
    breaker = CircuitBreaker(shortest=1, longest=8)
    for _ in range(3):
        breaker.failed(0)
    for bound in (1, 2, 4, 8, 8, 8):
        assert breaker.probe_at <= bound
        assert breaker.wants_probe(bound)
        breaker.probing()
        assert not breaker.wants_probe(bound)
        breaker.probe_failed(0)
    assert breaker.down_since == 0
    breaker.succeeded()
    assert breaker.state is Circuit.CLOSED
    assert breaker.down_since is None


def test_waits_are_spread_from_nothing_to_a_bound_that_doubles() -> None:
    waits = [jittered(1, 30, 3) for _ in range(2000)]
    assert min(waits) < 0.5
    assert 7 < max(waits) <= 8
    assert max(jittered(1, 30, 1000) for _ in range(100)) <= 30
