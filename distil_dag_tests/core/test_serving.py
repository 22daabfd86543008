"""Settings of a server."""

from __future__ import annotations

from distil_dag.core.serving import LimitSpec, ServingSettings, strictest
from distil_dag_tests.stand_ins import task


def test_of_several_tasks_the_strictest_limits_count() -> None:
    one = LimitSpec(body_bytes=10, requests_per_minute=5)
    other = LimitSpec(body_bytes=20, in_flight=3, requests_per_minute=None)
    assert strictest([one, other]) == LimitSpec(body_bytes=10, in_flight=3, requests_per_minute=5)
    assert strictest([LimitSpec()]) == LimitSpec()


def test_how_a_student_is_served_is_not_frozen_with_its_run() -> None:
    """Else another audit share would make other traces of the same log."""
    served = task(serving=ServingSettings(audit=0.5))
    assert served.settings.serving.audit == 0.5
    assert served.model_dump(mode="json") == task().model_dump(mode="json")
