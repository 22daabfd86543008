"""The `traces` asset in Dagster: materialized twice it gives the same, and it says what is wrong."""

import json
import sqlite3
from pathlib import Path

import dagster as dg
import pytest
from dagster_dlt import DagsterDltResource

from distil_dag.adapters.run_store import RunStore
from distil_dag.assets.traces import traces
from distil_dag.core import tables
from distil_dag.core.reports.intake import TracesReport, UsageReport
from distil_dag.core.task import Task
from distil_dag.resources.asset_defaults import RUNS
from distil_dag.resources.store import StoreResource
from distil_dag.resources.tasks import TasksResource

JOB = {
    "task_description": "Run the lights.",
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "light",
                "description": "Switch a light.",
                "parameters": {"type": "object", "properties": {"to": {"type": "string"}}},
            },
        }
    ],
}


def write_task(folder: Path, name: str, **source: str) -> None:
    folder.mkdir(parents=True)
    (folder / "job_description.json").write_text(json.dumps(JOB))
    lines = [f"name: {name}", "traces:", *(f"  {key}: {value}" for key, value in source.items())]
    (folder / "task.yaml").write_text("\n".join(lines) + "\n")


def write_log(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, created_at TEXT, question TEXT, answer TEXT)")
    answer = json.dumps({"name": "light", "arguments": {"to": "bob@example.com"}})
    rows = [(n, f"2026-11-{n:02}T12:00:00Z", f"light {n} for bob@example.com", answer) for n in range(1, 29)]
    rows += [
        (90, "2026-11-10T13:00:00Z", "tell a joke", "I can't."),
        (91, "2026-11-10T14:00:00Z", "broken for al@example.com", "{"),
        (92, "2026-11-10T15:00:00Z", "door", '{"name": "open_door", "arguments": {}}'),
    ]
    database.executemany("INSERT INTO log VALUES (?, ?, ?, ?)", rows)
    database.commit()


@pytest.fixture
def home(tmp_path):
    write_log(tmp_path / "log.db")
    write_task(
        tmp_path / "tasks/lights", "lights", kind="sql", url=f"sqlite:///{tmp_path}/log.db", table="log"
    )
    (tmp_path / "dagster").mkdir()
    return tmp_path


def materialize(home, run, overrides=None):
    with dg.DagsterInstance.local_temp(str(home / "dagster")) as instance:
        instance.add_dynamic_partitions(RUNS.name, [run])
        result = dg.materialize(
            [traces],
            instance=instance,
            partition_key=run,
            raise_on_error=False,
            run_config={"ops": {"traces": {"config": {"overrides": overrides or {}}}}},
            resources={
                "store": StoreResource(root=str(home / "store")),
                "tasks": TasksResource(folders=[str(home / "tasks")]),
                "dlt": DagsterDltResource(),
            },
        )
        logged = "".join(str(event) for event in instance.all_logs(result.run_id))
    return result, logged


def partitions(home):
    with dg.DagsterInstance.local_temp(str(home / "dagster")) as instance:
        return sorted(instance.get_dynamic_partitions(RUNS.name))


def test_twice_gives_the_same_rows_and_data_version(home):
    run = "lights.20261113T000000Z_20261108T000000Z"
    store = RunStore(home / "store")
    seen = []
    for _ in range(2):
        result, logged = materialize(home, run)
        assert result.success
        (event,) = result.asset_materializations_for_node("traces")
        found = [store.read_rows(run, table) for table in (tables.TRACES, tables.QUARANTINE)]
        seen.append((event.tags["dagster/data_version"], found))
        assert "example.com" not in json.dumps(found) + logged
    assert seen[0] == seen[1]
    rows, quarantine = found
    assert [row["id"] for row in rows] == ["8", "9", "10", "11", "12", "90", "92"]
    assert rows[0]["request"] == "light 8 for <EMAIL_1>"
    assert json.loads(rows[0]["calls"]) == [{"name": "light", "arguments": {"to": "<EMAIL_1>"}}]
    assert [row["position"] for row in quarantine] == ["id 91"]
    report = store.read_report(run, "traces", TracesReport)
    assert sum(report.days.values()) == len(rows)
    assert set(report.days) == {row["time"][:10] for row in rows if row["time"]}
    assert report.usage.characters == sum(len(row["messages"]) for row in rows)
    assert report.model_copy(update={"days": {}, "usage": UsageReport()}) == TracesReport(
        read=8, kept=7, marked=1, quarantined={"unreadable call (JSON)": 1}, redacted={"EMAIL": 5},
        calls_per_tool={"light": 5, "no call": 1, "(unknown tool)": 1},
    )  # fmt: skip
    metadata = event.metadata
    assert metadata["dagster/row_count"].value == 7
    assert metadata["window"].value == "2026-11-08 00:00 to 2026-11-13 00:00 UTC"
    assert "| unreadable call (JSON) | 1 |" in " ".join(metadata["quarantined_by_reason"].value.split())
    assert "| light | 5 |" in " ".join(metadata["calls_per_tool"].value.split())
    assert all("data:image/webp" in metadata[plot].value for plot in ("became", "by_day"))


def test_overrides_are_frozen_with_the_run(home):
    result, _ = materialize(home, "lights.a", {"judge.seeds": "7"})
    assert result.success
    task = RunStore(home / "store").read_report("lights.a", "traces", Task, name="task")
    assert task.settings.judge.seeds == 7
    assert task.toolset.names == ("light",)


@pytest.mark.parametrize(
    ("overrides", "path", "value"),
    [
        ({"training.epochs": 1}, ("training", "epochs"), 1),
        ({"training": {"epochs": 1, "learning_rate": 0.00002}}, ("training", "learning_rate"), 0.00002),
        ({"training.learning_rate": "2e-5"}, ("training", "learning_rate"), 0.00002),
        ({"test.size": 9, "synthesis": {"no_call_share": None}}, ("synthesis", "no_call_share"), None),
        ({"gates": {"soft": ["judge_agrees"]}}, ("gates", "soft"), ["judge_agrees"]),
    ],
)
def test_overrides_are_typed_as_in_the_task_file(home, overrides, path, value):
    result, _ = materialize(home, "lights.a", overrides)
    assert result.success
    task = RunStore(home / "store").read_report("lights.a", "traces", Task, name="task")
    section, name = path
    assert task.settings.model_dump(mode="json")[section][name] == value


def test_other_settings_are_another_version_and_stay_with_their_event(home):
    seen = []
    for epochs in ("3", "1"):
        result, _ = materialize(home, "lights.a", {"training.epochs": epochs, "test.size": "9"})
        (event,) = result.asset_materializations_for_node("traces")
        seen.append((event.tags["dagster/data_version"], event.metadata["settings"].value))
    assert seen[0][0] != seen[1][0]
    assert set(seen[0][1]) == {"traces"}


def test_a_key_without_its_task_is_refused_when_it_could_be_anothers(home):
    result, _ = materialize(home, "first")
    assert result.success
    write_task(home / "tasks/doors", "doors", kind="sql", url=f"sqlite:///{home}/log.db", table="log")
    result, logged = materialize(home, "first")
    assert not result.success
    assert partitions(home) == ["first"]  # it holds what was made before
    assert "'first' is not a run key: it names no task. A key is TASK.LABEL for the whole log" in logged
    assert RunStore(home / "store").read_report("first", "traces", Task, name="task").name == "lights"


def test_a_table_without_rows_is_a_table(home):
    run = "lights.20200102T000000Z_20200101T000000Z"
    assert materialize(home, run)[0].success
    store = RunStore(home / "store")
    assert store.read_rows(run, tables.TRACES) == store.read_rows(run, tables.QUARANTINE) == []


@pytest.mark.parametrize(
    ("run", "overrides", "said"),
    [
        ("lamps.a", {}, "no task is called 'lamps'; known tasks: lights"),
        ("lights.a", {"traces.table": "logs"}, "no table 'logs'; it has log"),
        ("lights.a", {"judge.seeds": "many"}, "judge.seeds"),
        ("lights.a", {"judge": {"seeds": "many"}}, "override judge.seeds=many"),
        ("lights.a", {"training": {"epocs": 1}}, "override training.epocs=1"),
        (
            "lights.20261113T000000Z_20261108T000000Z",
            {"traces.time_column": "null"},
            "asks for a window, and traces.time_column is not set",
        ),
        ("lights.a", {"traces.url": "nonsense://127.0.0.1:9/x"}, "can't be used as a database URL"),
        ("lights.a", {"traces.url": "nonsense://me:hunter2@127.0.0.1:9/x"}, "holds a secret"),
    ],
)
def test_what_can_not_work_fails_at_once_and_says_why(home, run, overrides, said):
    result, _ = materialize(home, run, overrides)
    assert not result.success
    (failure,) = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    data = failure.event_specific_data
    assert said in (data.user_failure_data.description or "")
    assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    assert "hunter2" not in str(data)


def test_a_second_run_of_a_partition_leaves_the_first_ones_task_alone(home):
    @dg.job
    def other() -> None: ...

    with dg.DagsterInstance.local_temp(str(home / "dagster")) as instance:
        at_work = {"tags": {"dagster/partition": "lights.a"}, "status": dg.DagsterRunStatus.STARTED}
        first = instance.create_run_for_job(other, **at_work)
        told = f"already under way as Dagster run {first.run_id}"
    result, _ = materialize(home, "lights.a")
    (failure,) = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    assert told in (failure.event_specific_data.user_failure_data.description or "")
    assert materialize(home, "lights.b")[0].success


def test_a_source_that_does_not_answer_is_asked_again(home, monkeypatch):
    monkeypatch.setattr("distil_dag.resources.traces_in_dagster.INTAKE_RETRY", dg.RetryPolicy(max_retries=2))
    write_task(home / "tasks/far", "far", kind="sql", url="postgresql+psycopg2://127.0.0.1:9/x", table="log")
    result, _ = materialize(home, "far.a")
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert len([event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]) == 2
    said = failure.step_failure_data.user_failure_data.description
    assert said.startswith("postgresql+psycopg2://127.0.0.1:9/x can't be read")
    assert said.endswith("(tried 3 times)")


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("lamps.a", "no task is called 'lamps'"),
        ("lights.first try", "'lights.first try' is not a run key"),
        (
            "timeless.20261113T000000Z_20261108T000000Z",
            "'timeless.20261113T000000Z_20261108T000000Z' asks for a",
        ),
    ],
)
def test_a_key_that_can_not_be_right_leaves_no_partition(home, run, said):
    log = f"sqlite:///{home}/log.db"
    write_task(home / "tasks/timeless", "timeless", kind="sql", url=log, table="log", time_column="null")
    result, _ = materialize(home, run)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    description = failure.step_failure_data.user_failure_data.description
    assert description.startswith(said)
    assert description.endswith(f"The partition {run!r} was removed, since nothing is in it")
    assert not partitions(home)


def test_a_key_that_may_be_right_keeps_its_partition(home):
    for run, overrides in (("lights.a", {"traces.table": "logs"}), ("lights.b", {"judge.seeds": "many"})):
        assert not materialize(home, run, overrides)[0].success
    assert partitions(home) == ["lights.a", "lights.b"]


def test_the_spec_reads_well():
    spec = traces.get_asset_spec(dg.AssetKey("traces"))
    assert spec.kinds == {"dlt", "parquet"}
    assert spec.code_version == "7"
    assert spec.group_name == "data"
    assert not list(spec.deps)
    assert "personal data is replaced" in spec.description


def test_tasks_are_found_in_folders_and_in_folders_of_them(home):
    write_task(home / "more/second", "another", kind="files", path="log.jsonl")
    (home / "more/broken").mkdir()
    (home / "more/broken/task.yaml").write_text("name: [")
    tasks = TasksResource(folders=[str(home / "tasks/lights"), str(home / "more"), str(home / "nowhere")])
    assert tasks.names() == ["lights", "broken", "another"]
    assert tasks.task("another").name == tasks.task("another.label").name == "another"
    assert TasksResource(folders=[str(home / "tasks/lights")]).task("label").name == "lights"
    for several in (tasks, TasksResource(folders=[])):
        with pytest.raises(ValueError, match=r"it names no task\. A key is TASK\.LABEL"):
            several.task("label")
    with pytest.raises(ValueError, match="no task is called 'missing'"):
        tasks.task("missing.x")
    with pytest.raises(ValueError, match="cannot be run"):
        tasks.task("broken.x")
