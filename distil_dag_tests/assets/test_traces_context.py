"""What `traces` freezes and tells of the system prompts of a log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.case import Message, Trace
from distil_dag.core.context import NOTHING, ContextRule
from distil_dag.core.reports.intake import TracesReport
from distil_dag.core.task import Task
from distil_dag_tests.assets.test_traces import materialize
from distil_dag_tests.stages.student.home_prompts import TOOLSET, home_log

RUN = "homes.first"


def write_task(home: Path, log: list[Trace]) -> None:
    folder = home / "tasks" / "homes"
    folder.mkdir(parents=True)
    job = {"task_description": "Run homes.", "tools": TOOLSET.openai()}
    (folder / "job_description.json").write_text(json.dumps(job))
    (folder / "task.yaml").write_text("name: homes\ntraces: {kind: files, path: log.jsonl}\n")
    rows = []
    for trace in log:
        turns = [turn.openai() for turn in trace.messages]
        calls = [{"name": call.name, "arguments": call.arguments} for call in trace.calls]
        said = {"role": "assistant", "content": "", "tool_calls": [{"function": call} for call in calls]}
        rows.append(json.dumps({"id": trace.id, "messages": [*turns, said]}) + "\n")
    (folder / "log.jsonl").write_text("".join(rows))
    (home / "dagster").mkdir()


@pytest.mark.parametrize(("wanted", "keeps"), [("auto", "varying"), ("full", "all"), ("none", "nothing")])
def test_the_split_is_frozen_with_the_task_and_told(wanted: str, keeps: str, tmp_path: Path) -> None:
    write_task(tmp_path, home_log())
    result, logged = materialize(tmp_path, RUN, {"student.context": wanted})
    assert result.success, logged
    store = RunStore(tmp_path / "store")
    task = store.read_report(RUN, "traces", Task, name="task")
    assert task.context.keeps == keeps
    assert ("Never ask back." in task.context.constant) is (wanted == "auto")
    report = store.read_report(RUN, "traces", TracesReport).context
    assert report is not None
    assert (report.requests, report.keeps) == (120, keeps)
    (event,) = result.asset_materializations_for_node("traces")
    told = event.metadata
    assert told["student_reads_of_system_prompts"].value == keeps
    assert "Never ask back." in told["system_prompt_constant"].value
    assert "Today is 2026-11-" in told["system_prompt_varying"].value
    assert "device" in told["values_in_context"].value


def test_a_log_whose_prompts_say_nothing_new_is_frozen_as_without_them(tmp_path: Path) -> None:
    versions = []
    for name, text in (("one", "You run a home."), ("none", "")):
        log = []
        for trace in home_log():
            system = Message(role="system", content=text)
            log.append(
                trace.model_copy(update={"messages": (*([system] if text else []), *trace.messages[1:])})
            )
        write_task(tmp_path / name, log)
        assert materialize(tmp_path / name, RUN)[0].success
        frozen = json.loads((tmp_path / name / "store" / RUN / "traces" / "task.json").read_bytes())
        frozen["settings"].pop("traces")  # where the log lies
        versions.append(frozen)
    assert versions[0] == versions[1]
    assert "context" not in versions[0]


def test_personal_data_and_markup_of_a_prompt_stay_out_of_the_metadata(tmp_path: Path) -> None:
    told = "The user is u{}@example.com <img src=x> | [a](b)"
    hostile = []
    for n, trace in enumerate(home_log()):
        first, *rest = trace.messages
        system = first.model_copy(update={"content": f"{first.content}\n{told.format(n)}"})
        hostile.append(trace.model_copy(update={"messages": (system, *rest)}))
    write_task(tmp_path, hostile)
    result, logged = materialize(tmp_path, RUN)
    assert result.success
    (event,) = result.asset_materializations_for_node("traces")
    shown = "".join(str(entry.value) for entry in event.metadata.values())
    assert "example.com" not in shown + logged
    assert "<img" not in shown
    assert "\\[a](b)" in shown
    assert " [a](b)" not in shown


def test_a_run_frozen_before_has_no_context() -> None:
    frozen = {
        "settings": {"name": "homes", "traces": {"kind": "files", "path": "log.jsonl"}},
        "description": "",
        "tools": [],
    }
    assert Task.model_validate(frozen).context == ContextRule() == NOTHING
