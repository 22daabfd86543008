"""The sensor asks a service for what is new since its last tick, however long its window has become."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from distil_dag.automation import sensors
from distil_dag.automation.sensors import new_traces
from distil_dag.resources.tasks import TasksResource
from distil_dag_tests.adapters.logs.apis import test_services as services
from distil_dag_tests.adapters.logs.apis.stand_in import StandIn
from distil_dag_tests.assets.test_traces import write_task
from distil_dag_tests.automation import test_automation

instance = test_automation.instance
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


class Clock(datetime):
    """The sensor's."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return NOW + timedelta(minutes=Clock.minutes)

    minutes = 0


class Sensor:
    """Ticks with the cursor of the last tick, and counts what the service is asked."""

    def __init__(self, instance: dg.DagsterInstance, folder: Path, service: StandIn) -> None:
        self._instance, self._folder, self._service = instance, folder, service
        self._cursor: str | None = None

    def tick(self, minutes: int) -> tuple[str, int, int]:
        """What is said at a time, the number of requests for observations, and the length of the cursor."""
        Clock.minutes = minutes
        self._service.asked.clear()
        context = dg.build_sensor_context(instance=self._instance, cursor=self._cursor)
        result = new_traces(context, tasks=TasksResource(folders=[str(self._folder)]))
        assert isinstance(result, dg.SensorResult)
        self._cursor = result.cursor
        said = str(result.skip_reason.skip_message) if result.skip_reason else "requested"
        asked = [one for one in self._service.asked if "observations" in one.path]
        return said, len(asked), len(str(self._cursor))


@pytest.fixture
def langfuse(monkeypatch: pytest.MonkeyPatch) -> services.Langfuse:
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-1")
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-2")
    monkeypatch.setattr(sensors, "datetime", Clock)
    service = services.Langfuse()
    service.observations = []
    return service


def log(service: services.Langfuse, first: int, last: int) -> None:
    """One call a minute from the first minute on."""
    for minute in range(first, last):
        start = NOW + timedelta(minutes=minute)
        times = {"startTime": services.iso(start), "endTime": services.iso(start + timedelta(seconds=1))}
        service.observations.append({**service.observation(minute), **times})


@pytest.fixture
def sensor(instance: dg.DagsterInstance, langfuse: services.Langfuse, tmp_path: Path) -> Iterator[Sensor]:
    with StandIn(langfuse.answer) as service:
        write_task(tmp_path / "tasks/lights", "lights", kind="langfuse", url=service.url)
        settings = tmp_path / "tasks/lights/task.yaml"
        settings.write_text(settings.read_text() + "automation: {new_traces: 60}\n")
        yield Sensor(instance, tmp_path / "tasks", service)


def test_a_tick_costs_what_is_new(sensor: Sensor, langfuse: services.Langfuse) -> None:
    log(langfuse, 0, 30)
    said, first, size = sensor.tick(30)
    assert said == "lights: 30 of 60 new traces so far"
    assert first == 10 + 5  # two a page: 20 minutes that are settled, and 10 that are not
    costs = []
    for minutes in (40, 50):
        log(langfuse, minutes - 10, minutes)
        said, cost, _ = sensor.tick(minutes)
        assert said == f"lights: {minutes} of 60 new traces so far"
        costs.append(cost)
    assert costs == [5 + 5, 5 + 5]
    # A call that took long, and is seen late.
    langfuse.observations.append({**langfuse.observations[45], "id": "late"})
    said, cost, last = sensor.tick(51)
    assert said == "lights: 51 of 60 new traces so far"
    assert cost < 10
    assert last == size
    log(langfuse, 50, 60)
    assert sensor.tick(60)[0] == "requested"


def test_the_first_tick_ends_where_enough_is_found(sensor: Sensor, langfuse: services.Langfuse) -> None:
    log(langfuse, -1000, 0)
    said, cost, _ = sensor.tick(0)
    assert (said, cost) == ("requested", 30)


def test_other_settings_are_counted_anew(sensor: Sensor, langfuse: services.Langfuse, tmp_path: Path) -> None:
    log(langfuse, 0, 30)
    sensor.tick(30)
    settings = tmp_path / "tasks/lights/task.yaml"
    settings.write_text(settings.read_text().replace("traces:\n", "traces:\n  environment: production\n"))
    assert sensor.tick(31)[:2] == ("lights: 30 of 60 new traces so far", 11 + 5)


def test_what_was_counted_outlives_a_tick_at_which_the_service_is_away(
    sensor: Sensor, langfuse: services.Langfuse
) -> None:
    log(langfuse, 0, 30)
    sensor.tick(30)
    langfuse.keys = ("other", "keys")
    assert "can't be read" in sensor.tick(31)[0]
    langfuse.keys = ("pk-lf-1", "sk-lf-2")
    assert sensor.tick(32)[1] == 1 + 4
