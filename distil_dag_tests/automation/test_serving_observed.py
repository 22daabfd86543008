"""What served students have earned becomes an observation in Dagster, and a table in the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from distil_dag.adapters.serving.autonomy_state import KeptAutonomy, state_file
from distil_dag.adapters.serving.exchanges.open_log import open_exchange_log
from distil_dag.adapters.serving.served_tasks import note
from distil_dag.automation.serving import serving_observed
from distil_dag.build import build_defs
from distil_dag.cli.served import list_served
from distil_dag.resources.deployment import deployment
from distil_dag.resources.serving_metadata import SERVING
from distil_dag.stages.serving.autonomy import Autonomy
from distil_dag.stages.serving.standing import Identity
from distil_dag_tests.stages.serving.some_exchanges import alone, audited, shadowed


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with deployment().instance() as opened:
        yield opened


def served(home: Path, log: str) -> None:
    """A server was here: it answered five requests, and its student has proved something."""
    note(home, "t", log)
    with KeptAutonomy(Autonomy(Identity("model@1", "abc", "big", 0.6, 0.6)), state_file(home, "t")) as kept:
        for n in range(200):
            kept.learn(n / 200, agreed=True, audited=False, weight=1.0)
    write(log, 1)


def write(log: str, first: int) -> None:
    now = datetime.now(UTC)
    with open_exchange_log(log) as kept:
        for n, make in enumerate((shadowed, shadowed, alone, alone, audited)):
            kept.put(make(first + n, time=now))


def tick(instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    found = serving_observed(dg.build_sensor_context(instance=instance, cursor=cursor))
    assert isinstance(found, dg.SensorResult)
    return found


def test_what_a_student_has_earned_is_observed_once_and_again_when_it_changes(
    instance: dg.DagsterInstance, home: Path
) -> None:
    assert "Nothing was served yet" in str(tick(instance).skip_reason)
    log = str(home / "log.sqlite")
    served(home, log)
    first = tick(instance)
    (event,) = first.asset_events
    assert isinstance(event, dg.AssetObservation)
    assert event.asset_key == SERVING
    said = {name: value.value for name, value in event.metadata.items()}
    assert said["requests_t"] == 5
    assert said["answered_alone_t"] == 0.6
    assert said["proved_coverage_t"] > 0.5
    assert said["proved_agreement_t"] > 0.6
    assert "| model@1 " in said["tasks"]
    assert "0.0% (0.0% to 79.3%) of 1" in said["tasks"]
    assert "takes over more" in said["changes"]
    assert 1000 < len(said["plot_t"]) < 30_000
    assert "data:image/webp" in said["plot_t"]
    again = tick(instance, first.cursor)
    assert (again.asset_events, again.cursor) == ([], first.cursor)
    write(log, 100)
    assert tick(instance, first.cursor).asset_events[0].metadata["requests_t"].value == 10


def test_the_daemon_keeps_it_with_the_asset(instance: dg.DagsterInstance, home: Path) -> None:
    served(home, str(home / "log"))
    defs = build_defs(home)
    found = defs.resolve_sensor_def("serving_observed").evaluate_tick(
        dg.build_sensor_context(instance=instance, repository_def=defs.get_repository_def())
    )
    assert [event.asset_key for event in found.asset_events] == [SERVING]
    for event in found.asset_events:
        instance.report_runless_asset_event(event)
    records = instance.fetch_observations(SERVING, limit=10).records
    assert len(records) == 1


@pytest.mark.parametrize("broken", ["log", "state"])
def test_what_cannot_be_read_is_told_and_hides_nothing_else(
    instance: dg.DagsterInstance, home: Path, broken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log = home / "log.sqlite"
    served(home, str(log))
    if broken == "log":
        log.unlink()
    else:
        state_file(home, "t").write_text("{}")
    (event,) = tick(instance).asset_events
    said = str(event.metadata["tasks"].value)
    assert {"log": "there is no SQLite database", "state": "holds no evidence"}[broken] in said
    assert ("requests_t" in event.metadata) is (broken == "state")
    list_served(json=False)
    assert "can't be read" in capsys.readouterr().out
    assert not log.exists() or broken == "state"


def test_the_terminal_says_the_same(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    list_served(json=False)
    assert "nothing was served yet" in capsys.readouterr().out
    served(home, str(home / "log.sqlite"))
    list_served(json=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "model@1 beside big" in said
    assert "5 requests in 30 days, 60.0% answered alone" in said
    assert "0.0% (0.0% to 79.3%) of 1 audits agree" in said
    list_served(json=True)
    (row,) = json.loads(capsys.readouterr().out)
    assert row["standing"]["coverage"] > 0.5
    assert row["overview"]["answered"] == 5
