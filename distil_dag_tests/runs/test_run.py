"""What a run made, from Python: `from distil_dag import Run, Student`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import distil_dag
from distil_dag import Message, Run, ToolCall
from distil_dag.adapters.run_store import RunStore
from distil_dag.core import tables
from distil_dag.core.case import Case, Example, Trace
from distil_dag.core.context import ContextRule
from distil_dag.core.tool_call import NO_CALL_TEXT
from distil_dag.core.verdict import Verdict
from distil_dag_tests import stand_ins as good
from distil_dag_tests.adapters.llamacpp.tiny_gguf import write_tiny_gguf

RUN = "home.first"
LAMP, FAN = good.turn_on("lamp"), good.turn_on("fan", room="hall")
RESULT = Message(role="tool", content='{"lamp": "on"}<|im_end|>')
TALK = (
    Message(role="system", content="production's own"),
    Message(role="user", content="the lamp"),
    Message(role="assistant", tool_calls=(LAMP,)),
    RESULT,
    Message(role="user", content="and the fan"),
)
SEEDS = [
    good.example("s1", "turn on the lamp", good.turn_on("lamp", room="here")),
    Example(id="s2", messages=TALK, calls=(LAMP, FAN), origin="seed", cell="turn_on(device)"),
    good.example("s3", "[1, 2]"),
]
TRACES = [
    Trace.model_validate({"id": "1", "messages": TALK[1:2], "time": "2026-11-24T10:00:00+01:00"}),
    Trace(id="2", messages=TALK[1:2], problems=("unknown tool",), latency_ms=120),
]


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    store = RunStore(tmp_path / "runs")
    store.write_report(RUN, "traces", good.task(student={"system_prompt": "the student's"}), name="task")
    store.write_report(RUN, "traces", good.TRACES_REPORT)
    store.write_cases(RUN, tables.TRACES, TRACES)
    store.write_report(RUN, "judged_seeds", good.JUDGE_REPORT)
    store.write_cases(RUN, tables.SEEDS, SEEDS)
    store.write_cases(RUN, tables.CALIBRATION, [])
    return store


@pytest.fixture
def run(store: RunStore) -> Run:
    return Run(RUN, store.root)


def test_a_frame_holds_objects_and_gives_back_the_cases(run: Run) -> None:
    seeds = run.frame("seeds")
    assert seeds.request.tolist() == ["turn on the lamp", "and the fan", "[1, 2]"]
    assert isinstance(seeds.request.dtype, pd.StringDtype)
    assert [len(calls) for calls in seeds.calls] == [1, 2, 0]
    assert seeds.calls[1][1]["arguments"] == {"device": "fan", "room": "hall"}
    assert seeds.explode("calls").calls.dropna().str["name"].value_counts().to_dict() == {"turn_on": 3}
    assert [Example.model_validate(row) for row in seeds.to_dict("records")] == SEEDS


def test_times_are_times_whether_a_row_has_one_or_not(run: Run) -> None:
    traces = run.frame("traces")
    assert traces.time[0] == pd.Timestamp("2026-11-24T09:00:00Z")
    assert pd.isna(traces.time[1])
    assert str(traces.time.dt.tz) == "UTC"
    assert traces.problems.tolist() == [[], ["unknown tool"]]
    assert traces.latency_ms.dtype == "float64"


def test_a_missing_value_changes_no_type(run: Run, store: RunStore) -> None:
    verdict = Verdict(trace_id="1", request="x", calls=(LAMP,), outcome="unjudged", reason="-", judge="-")
    store.write_rows(RUN, tables.VERDICTS, [verdict.row()])
    verdicts = run.frame("verdicts")
    assert verdicts.proposed[0] is None
    assert (verdicts.calls[0], verdicts.proposals[0], verdicts.details[0]) == ([LAMP.model_dump()], [], {})
    rows = [{"exact": True, "confident": None, "n": 1}, {"exact": False, "confident": True, "n": None}]
    store.write_rows(RUN, tables.ANSWERS, rows)
    answers = run.frame("answers")
    assert answers.dtypes.astype(str).to_dict() == {"exact": "boolean", "confident": "boolean", "n": "Int64"}
    assert answers[answers.confident].index.tolist() == [1]


def test_traces_as_dlt_leaves_them_are_one_frame(store: RunStore, run: Run) -> None:
    folder = store.folder(RUN, "traces")
    (folder / "traces").mkdir()
    for part, trace in enumerate(TRACES):
        store.write_rows(RUN, tables.TRACES, [{**trace.row(), "_dlt_load_id": "9"}])
        (folder / "traces.parquet").rename(folder / "traces" / f"{part}.parquet")
    traces = run.frame("traces")
    assert traces.id.tolist() == ["1", "2"]
    assert set(traces) == {*Trace.model_fields, "request"}
    assert store.read_cases(RUN, tables.TRACES) == TRACES


def test_an_empty_table_has_its_columns(run: Run) -> None:
    frame = run.frame("calibration")
    assert frame.empty
    assert {"id", "request", "messages", "calls", "origin"} <= set(frame)
    assert len(run.dataset("calibration")) == 0


def test_reports_and_the_task_are_objects(run: Run, store: RunStore) -> None:
    assert run.task.toolset.names == ("turn_on",)
    assert list(run.reports) == ["traces", "judged_seeds"]
    assert run.reports["judged_seeds"] == good.JUDGE_REPORT
    with pytest.raises(FileNotFoundError, match=r"`eval_report`.*`distil-dag run home --run home\.first`"):
        _ = run.report
    store.write_report(RUN, "eval_report", good.EVAL_REPORT)
    assert run.report.candidate(run.report.student).metrics["tool_call_equivalence"].value == 0.9
    assert repr(run) == f"<Run home.first in {store.root}: traces, judged_seeds, eval_report>"


def test_runs_are_found_where_the_command_line_keeps_them(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match=r"(?s)home/store.*it is empty.*`distil-dag run TASK`"):
        Run("home.a")
    assert Run.all() == []
    for key in ("home.a", "home.b"):
        RunStore(home / "store").write_report(key, "traces", good.TRACES_REPORT)
    assert [found.key for found in Run.all()] == ["home.a", "home.b"]
    for wrong in ("home.aa", "..", "", "home.a/traces"):
        with pytest.raises(FileNotFoundError, match=r"home\.a.*DISTIL_DAG_HOME"):
            Run(wrong)
    RunStore(tmp_path / "other").write_report("car.a", "traces", good.TRACES_REPORT)
    monkeypatch.setenv("DISTIL_DAG_STORE", "other")
    assert [found.key for found in Run.all()] == ["car.a"]
    assert Run("home.b", home / "store").key == "home.b"


def test_what_there_is_not_is_told_with_what_there_is(run: Run, store: RunStore) -> None:
    with pytest.raises(ValueError, match="no table 'seed': the tables of a run are traces, quarantine, test"):
        run.frame("seed")
    with pytest.raises(
        FileNotFoundError, match="materialize `synthetic_set` of partition 'home.first' first"
    ):
        run.frame("synthetic")
    store.write_cases(RUN, tables.UNLABELLED, [Case(id="u", messages=TALK[1:2])])
    for name in ("unlabelled", "verdicts"):
        with pytest.raises(
            ValueError, match=f"'{name}' has no calls to learn from: take one of traces, test"
        ):
            run.dataset(name)
    with pytest.raises(AttributeError, match="'distil_dag' has no attribute 'Teacher'"):
        _ = distil_dag.Teacher
    with pytest.raises(ValueError, match=r"memory.*copy it, and open it by Student\(PATH\)"):
        remote = RunStore("memory://runs")
        remote.write_report(RUN, "gguf", good.GGUF_REPORT)
        Run(RUN, "memory://runs").student()


def test_a_dataset_has_the_students_prompt_and_canonical_calls(run: Run) -> None:
    pytest.importorskip("datasets")
    rows = run.dataset("seeds")
    assert rows.column_names == ["id", "prompt", "completion", "tools"]
    lamp, fan = ({"type": "function", "function": call.model_dump()} for call in (LAMP, FAN))
    assert rows[0]["completion"] == [{"role": "assistant", "content": "", "tool_calls": [lamp]}]
    assert rows[1]["prompt"] == [
        {"role": "system", "content": "the student's"},
        {"role": "user", "content": "the lamp"},
        {"role": "assistant", "content": "", "tool_calls": [lamp]},
        {"role": "tool", "content": '{"lamp": "on"}< |im_end|>'},
        {"role": "user", "content": "and the fan"},
    ]
    assert rows[1]["completion"][0]["tool_calls"] == [lamp, fan]
    assert rows[2]["completion"] == [{"role": "assistant", "content": NO_CALL_TEXT}]
    assert all(row["tools"] == run.task.toolset.openai() for row in rows)


def test_a_dataset_has_the_context_that_the_run_has_frozen(run: Run, store: RunStore) -> None:
    pytest.importorskip("datasets")
    frozen = run.task.model_copy(update={"context": ContextRule(keeps="all")})
    store.write_report(RUN, "traces", frozen, name="task")
    assert run.dataset("seeds")[1]["prompt"][0]["content"] == "the student's\nproduction's own"


def test_a_dataset_warns_of_digits_that_it_can_not_keep(run: Run, store: RunStore) -> None:
    pytest.importorskip("datasets")
    calls = [ToolCall(name="dim", arguments={"to": level}) for level in (0.25, 0.3, 52.520006812)]
    cases = [good.held_out(f"t{n}", "dim it", call) for n, call in enumerate(calls)]
    store.write_cases(RUN, tables.TEST, cases)
    with pytest.warns(UserWarning, match="1 rows.*first is 't1'"):
        rows = run.dataset("test")
    told = [row["completion"][0]["tool_calls"][0]["function"]["arguments"]["to"] for row in rows]
    assert (told[0], told[2]) == (0.25, 52.520006812)
    assert [row["calls"][0]["arguments"]["to"] for _, row in run.frame("test").iterrows()] == [
        0.25,
        0.3,
        52.520006812,
    ]


def test_trl_trains_on_a_dataset(run: Run, base: Path, tmp_path: Path) -> None:
    trl = pytest.importorskip("trl")
    from transformers import AutoTokenizer

    from distil_dag.stages.student.prompt import OPEN_BOOK_TEMPLATE

    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = OPEN_BOOK_TEMPLATE
    settings: dict[str, Any] = {"max_steps": 1, "report_to": "none", "use_cpu": True, "bf16": False}
    trainer = trl.SFTTrainer(
        str(base),
        args=trl.SFTConfig(str(tmp_path / "out"), **settings),
        train_dataset=run.dataset("seeds"),
        processing_class=tokenizer,
    )
    row = trainer.train_dataset[1]
    learned = [token for token, label in zip(row["input_ids"], row["labels"], strict=True) if label != -100]
    assert tokenizer.decode(learned).startswith('<tool_call>{"name":"turn_on","arguments":{"device":"lamp"}}')
    shown = tokenizer.decode(row["input_ids"][: -len(learned)])
    assert "the student's" in shown
    assert '"name": "turn_on"' in shown
    assert trainer.train().training_loss > 0


def test_the_student_that_ships_answers(run: Run, store: RunStore) -> None:
    pytest.importorskip("llama_cpp")
    store.write_report(RUN, "gguf", good.GGUF_REPORT)
    with pytest.raises(FileNotFoundError, match="model-Q8_0.gguf"):
        run.student()
    with store.new_folder(RUN, "gguf", "files") as folder:
        values = {"distil_dag.run": RUN, "distil_dag.tools": json.dumps(good.TOOLS)}
        write_tiny_gguf(folder / good.GGUF_REPORT.primary, values)
    with run.student(threads=1) as student:
        assert isinstance(student, distil_dag.Student)
        assert {call.name for call in student.answer("turn on the lamp").calls} <= {"turn_on"}


def test_the_package_loads_nothing_before_it_is_asked_for() -> None:
    script = (
        "import sys, distil_dag\n"
        "print([name for name in sys.modules if name.startswith('distil_dag.')])\n"
        "from distil_dag import Run, Student\n"
        "heavy = ('pandas', 'datasets', 'torch', 'llama_cpp', 'dagster')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "[]"]


def test_every_name_of_the_package_is_there() -> None:
    assert dir(distil_dag) == sorted(distil_dag.__all__)
    assert all(getattr(distil_dag, name).__name__ == name for name in distil_dag.__all__)
