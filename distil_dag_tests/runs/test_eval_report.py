"""The evaluation asset on real weights: the embedded model stands in for a student."""

from __future__ import annotations

import html
import json
import shlex
import shutil
import sys
from pathlib import Path

import dagster as dg
import pytest

from distil_dag.adapters.llamacpp.embedded_weights import embedded_gguf
from distil_dag.adapters.llamacpp.gguf_tools import set_metadata
from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.vllm.record import RECORD_FILE, ServerRecord
from distil_dag.assets.eval_report import eval_report
from distil_dag.core import tables
from distil_dag.core.case import Example, HeldOut, Message, Trace
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.reports.exporting import GgufFile, GgufReport
from distil_dag.core.reports.judging import HoldoutReport, JudgeReport
from distil_dag.core.reports.model_evaluation import ModelEvaluation
from distil_dag.core.reports.synthesis import CellCoverage, SynthesisReport
from distil_dag.core.settings import EvaluationSpec, ServingSpec
from distil_dag.core.sources import FileSource
from distil_dag.core.task import Settings, Task
from distil_dag.core.tool_call import ToolCall
from distil_dag.resources.model_origin import ABOUT
from distil_dag.resources.models import ModelsResource
from distil_dag.resources.store import StoreResource
from distil_dag.resources.trainer import TrainerResource
from distil_dag.runs.provenance import EVALUATION
from distil_dag.stages.reading.case_files import read_cases
from distil_dag.stages.splitting.holdout import REST
from distil_dag_tests.paths import FAKE_VLLM
from distil_dag_tests.stand_ins import TRAIN_REPORT

RUN = "home.first"
CHAIN = ("traces", "judged_seeds", "synthetic_set", "checkpoint", "gguf")


def words(text: str) -> tuple[Message, ...]:
    return (Message(role="user", content=text),)


def light(room: str) -> ToolCall:
    return ToolCall(name="light_on", arguments={"room": room})


TEST = [
    HeldOut(
        id="t1", messages=words("light in the hall"), calls=(light("hall"),), production=(light("attic"),)
    ),
    HeldOut(id="t2", messages=words("<script>alert(1)</script>"), calls=(light("attic"),)),
    HeldOut(id="t3", messages=words("attic light please"), calls=(light("attic"),)),
]
TASK = Task(
    settings=Settings(
        name="home",
        traces=FileSource(kind="files", path="log.jsonl"),
        evaluation=EvaluationSpec(max_new_tokens=8, few_shot=2, bootstrap=100),
    ),
    description="A home",
    tools=(
        {"name": "light_on", "parameters": {"type": "object", "properties": {"room": {"type": "string"}}}},
    ),
    test=tuple(TEST),
)


PLAN = SynthesisReport(
    teacher="-",
    attempted=1,
    accepted=1,
    cells=[CellCoverage(cell="light_on(room)", tool="light_on", arguments=["room"], quota=1, accepted=1)],
)


@pytest.fixture(scope="module")
def store(embedded_student: Path, tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """A run up to its evaluation."""
    root = tmp_path_factory.mktemp("runs")
    store = RunStore(root)
    rooms = ("cellar", "kitchen", "loft")
    logged = [
        Trace(id=f"l{n}", messages=words(f"{room} light on"), calls=(light(room),))
        for n, room in enumerate(rooms)
    ]
    store.write_cases(RUN, tables.TRACES, logged)
    store.write_rows(RUN, tables.SPLIT, [{"id": trace.id, "part": REST} for trace in logged])
    store.write_cases(RUN, tables.TEST, TEST)
    seeds = [
        Example(id=trace.id, messages=trace.messages, calls=trace.calls, origin="seed") for trace in logged
    ]
    store.write_cases(RUN, tables.SEEDS, seeds)
    store.write_cases(RUN, tables.CONTEXT, [])
    copy = Example(id="copy", messages=words("the attic light"), calls=(light("attic"),), origin="synthetic")
    store.write_cases(RUN, tables.SYNTHETIC, [copy])
    store.write_report(RUN, "synthetic_set", PLAN)
    store.write_cases(RUN, tables.CALIBRATION, seeds)
    holdout = HoldoutReport(test=3, removed_near_copies=0, remaining=3, test_labels="frozen file")
    store.write_report(
        RUN,
        "judged_seeds",
        JudgeReport(
            kind="likelihood", judge="-", judged=3, seeds=3, passed_context=0, rejected=0, holdout=holdout
        ),
    )
    with store.new_folder(RUN, "checkpoint", "model") as folder:
        shutil.copytree(embedded_student, folder, dirs_exist_ok=True)
    with store.new_folder(RUN, "gguf", "files") as folder:
        shutil.copy(embedded_gguf(), folder / "model-f16.gguf")
        set_metadata(
            folder / "model-f16.gguf", {"distil_dag.run": RUN, "distil_dag.tools": json.dumps(TASK.tools)}
        )
        shutil.copy(folder / "model-f16.gguf", folder / "model-Q8_0.gguf")
        files = [
            GgufFile(
                format=form, path=f"model-{form}.gguf", sha256="", bytes=1, tokens_equal=True,
                template_equal=True, agreement=1, probes=1,
            )
            for form in ("f16", "Q8_0")
        ]  # fmt: skip
    report = GgufReport(
        files=files,
        modelfile="",
        model_card="README.md",
        lineage="",
        primary="model-Q8_0.gguf",
        set_aside={"l0": False, "l1": True, "l2": False},
    )
    store.write_report(RUN, "gguf", report)
    store.write_report(RUN, "checkpoint", TRAIN_REPORT)
    return store


def materialize(store: RunStore, cache: Path, task: Task = TASK, run: str = RUN) -> dg.ExecuteInProcessResult:
    store.write_report(run, "traces", task, name="task")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("distil_runs", [run])
        return dg.materialize(
            [eval_report, *(dg.AssetSpec(name) for name in CHAIN)],
            partition_key=run,
            instance=instance,
            resources={
                "store": StoreResource(root=str(store.root)),
                "models": ModelsResource(cache_root=str(cache)),
                "trainer": TrainerResource(work_root=str(Path(str(store.root)) / "work")),
            },
        )


@pytest.mark.slow
def test_every_candidate_takes_the_test(store: RunStore, tmp_path: Path) -> None:
    result = materialize(store, tmp_path)
    report = store.read_report(RUN, "eval_report", EvalReport)
    assert [row.name for row in report.candidates] == [
        "student Q8_0", "student f16", "student Q8_0, decoder", "student checkpoint", "base",
        "teacher zero-shot", "teacher few-shot", "production", "lookup",
    ]  # fmt: skip
    assert report.student == "student Q8_0"
    student = report.candidate("student Q8_0")
    assert set(student.latency_ms) == {"p50", "p95"}
    assert student.bytes > 90_000_000
    assert {row.n for row in report.candidates} == {3, 1}
    assert {(row.first, row.n) for row in report.comparisons} == {("student Q8_0", 3), ("student Q8_0", 1)}
    assert report.test_labels == "frozen file"
    assert [(row.first, row.second) for row in report.quantisation] == [
        ("student Q8_0", "student checkpoint"), ("student f16", "student checkpoint"),
    ]  # fmt: skip
    assert [row.candidate for row in report.runtimes] == [
        "student checkpoint", "student Q8_0", "student f16", "student Q8_0, decoder",
    ]  # fmt: skip
    # What is made harmless in `<script>` goes through transformers' own chat template as it stands.
    assert [row.same_prompts for row in report.runtimes] == [2, 3, 3, 3]
    assert report.runtimes[0].other_prompt
    assert report.runtimes[0].other_prompt.case == "t2"
    assert report.runtimes[0].software.startswith("transformers ")
    assert report.runtimes[0].same_text.value == 1.0
    assert report.leakage is not None
    copies = {row.table: (row.trained_on, row.same_words) for row in report.leakage.tables}
    assert copies == {"synthetic": (True, 1), "seeds": (True, 0), "context": (False, 0)}
    assert report.conventions is not None
    assert report.cells is not None
    assert [(row.cell, row.n, row.aside, row.aside_exact) for row in report.cells.cells] == [
        ("light_on(room)", 3, 3, 1)
    ]
    page = store.read_bytes(RUN, "eval_report", "report.html").decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert report.command in html.unescape(page)
    assert report.command == f"distil-dag eval {RUN} --model {RUN} --plain --json"
    commands = [shlex.split(row["command"]) for row in report.failures]
    assert [words[-1] for words in commands] == [row["request"] for row in report.failures]
    assert all(words[:4] == ["distil-dag", "predict", "--model", RUN] for words in commands)
    cases, problems = read_cases(
        store.read_bytes(RUN, "eval_report", "test.jsonl").splitlines(), TASK.toolset
    )
    assert not problems
    assert [(case.id, case.messages, case.calls) for case in cases] == [
        (case.id, case.messages, case.calls) for case in TEST
    ]
    event = result.asset_materializations_for_node("eval_report")[0]
    assert event.metadata["exact_match"].value == student.metrics["tool_call_equivalence"].value
    assert sum(len(str(value.value)) for value in event.metadata.values()) < 150_000
    the_scores_stand_beside_the_files(store, result, report)
    before = store.read_rows(RUN, tables.ANSWERS)
    materialize(store, tmp_path)
    assert store.read_rows(RUN, tables.ANSWERS) == before
    it_goes_on(store, tmp_path)


def the_scores_stand_beside_the_files(
    store: RunStore, result: dg.ExecuteInProcessResult, report: EvalReport
) -> None:
    """In evaluation.json, in the model card, and as an observation of `gguf`, which was made before them."""
    found = store.read_report(RUN, "gguf", ModelEvaluation, name=EVALUATION)
    exact = report.candidate("student Q8_0").metrics["tool_call_equivalence"]
    student = found.score("student Q8_0")
    assert student is not None
    assert (student.exact, found.n, found.evaluated) == (exact, 3, report.evaluated)
    assert [gate.gate for gate in found.gates] == ["beats_base", "beats_lookup"]
    assert [file.candidate for file in found.files] == ["student f16", "student Q8_0"]
    card = store.read_bytes(RUN, "gguf", "files/README.md").decode()
    assert f"student Q8\\_0 answers {100 * exact.value:.1f} % of 3 test requests exactly right" in card
    assert report.provenance is not None
    assert report.provenance.rows["split"]["test"] == 3
    (event,) = result.filter_events(lambda event: event.event_type is dg.DagsterEventType.ASSET_OBSERVATION)
    seen = event.asset_observation_data.asset_observation
    assert (seen.asset_key, seen.partition) == (dg.AssetKey("gguf"), RUN)
    assert seen.metadata["exact_match"].value == round(exact.value, 4)
    assert "- **base**: Training starts from small." in str(seen.metadata[ABOUT].value)
    assert "beats\\_base" in str(seen.metadata[ABOUT].value)


def it_goes_on(store: RunStore, cache: Path) -> None:
    """A second round whose student is the first one's: both answer alike, and that is what it says."""
    run = "home.second"
    shutil.copytree(Path(str(store.root)) / RUN, Path(str(store.root)) / run)
    task = TASK.model_copy(update={"continues": RUN})
    aimed = PLAN.cells[0].model_copy(update={"weak": True})
    store.write_report(run, "synthetic_set", PLAN.model_copy(update={"cells": [aimed]}))
    event = materialize(store, cache, task, run).asset_materializations_for_node("eval_report")[0]
    report = store.read_report(run, "eval_report", EvalReport)
    found = report.against(report.student, "parent")
    assert report.leakage is not None
    trained = [row.table for row in report.leakage.tables if row.trained_on]
    assert trained == ["synthetic", "seeds", f"synthetic of {RUN}", f"seeds of {RUN}"]
    assert (found.n, found.first_only, found.second_only, found.difference.value) == (3, 0, 0, 0.0)
    said = str(event.metadata["helped"].value)
    assert said.startswith("Whether it helped cannot be told, the interval includes zero: +0.0 points")
    assert said in html.unescape(store.read_bytes(run, "eval_report", "report.html").decode())
    assert report.cells is not None
    assert [(row.before, row.aimed) for row in report.cells.cells] == [(report.cells.cells[0].exact, True)]


def served(*arguments: str) -> Task:
    """The task with a vLLM that renders as SmolLM2's template does not: without its system turn."""
    serving = ServingSpec(executable=f"{sys.executable} {FAKE_VLLM}", arguments=arguments)
    evaluation = TASK.settings.evaluation.model_copy(update={"vllm": serving})
    return TASK.model_copy(update={"settings": TASK.settings.model_copy(update={"evaluation": evaluation})})


@pytest.mark.slow
def test_vllm_serves_the_student_where_the_task_asks_for_it(store: RunStore, tmp_path: Path) -> None:
    result = materialize(store, tmp_path / "cache", served())
    report = store.read_report(RUN, "eval_report", EvalReport)
    row = next(row for row in report.runtimes if row.candidate == "student checkpoint, vLLM")
    assert (row.software, row.prompts, row.same_prompts) == ("vllm 0.0.fake", 3, 0)
    assert row.p50_ms is not None
    assert row.other_prompt
    page = store.read_bytes(RUN, "eval_report", "report.html").decode()
    assert "reads <code>t1</code> otherwise" in page
    metadata = result.asset_materializations_for_node("eval_report")[0].metadata
    log = Path(str(metadata["log_of_model_path"].value))
    assert "loading" in log.read_text()
    record = ServerRecord.read(log.parent)
    assert record
    assert record.state == "stopped"


@pytest.mark.slow
def test_a_vllm_that_does_not_start_ends_the_evaluation_with_its_words(
    store: RunStore, tmp_path: Path
) -> None:
    with pytest.raises(dg.Failure, match="no such quantisation") as caught:
        materialize(store, tmp_path / "cache", served("--fault", "loading"))
    assert not caught.value.allow_retries
    (record,) = (tmp_path / "servers").glob(f"*/*/{RECORD_FILE}")
    found = ServerRecord.read(record.parent)
    assert found
    assert not found.supervisor.alive()
