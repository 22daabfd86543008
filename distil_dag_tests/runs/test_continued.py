"""A run that continues another: what it freezes, shares, refuses, starts from and says in the end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from distil_dag.adapters.candidates.earlier_answers import EarlierAnswers
from distil_dag.adapters.run_store import RunStore
from distil_dag.assets.checkpoint import checkpoint
from distil_dag.assets.judged_seeds import judged_seeds
from distil_dag.assets.synthetic_set import synthetic_set
from distil_dag.assets.traces import traces
from distil_dag.build import build_defs
from distil_dag.cli.execution import Watch
from distil_dag.core import tables
from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.case import Case, Example
from distil_dag.core.context import ContextRule
from distil_dag.core.leaks import find_leaks
from distil_dag.core.normalise import ENGLISH
from distil_dag.core.reports.judging import JudgeReport
from distil_dag.core.reports.synthesis import SynthesisReport
from distil_dag.core.reports.training import TrainReport
from distil_dag.core.task import Task
from distil_dag.resources.asset_defaults import RUNS
from distil_dag.resources.deployment import Deployment
from distil_dag.resources.store import StoreResource
from distil_dag.resources.trainer import TrainerResource
from distil_dag.runs.continued import continued
from distil_dag.runs.earlier_round import EarlierStudent, rows_before
from distil_dag.runs.releasing.standings import standings
from distil_dag.stages.evaluating.candidate import PARENT
from distil_dag_tests import stand_ins as good
from distil_dag_tests.assets.test_judged_seeds import SilentTeacher
from distil_dag_tests.assets.test_synthetic_set import ScriptedTeacher
from distil_dag_tests.automation.test_automation import write_task
from distil_dag_tests.cli.test_cli import Call, call
from distil_dag_tests.runs.paid_models import SYNTHESIS
from distil_dag_tests.stages.household_log import TOOLSET, clean_log
from distil_dag_tests.stages.synthesis.lamp_teacher import TOOLS, seeds

__all__ = ["call"]  # a fixture

HELPED = good.EVAL_REPORT.model_copy(
    update={
        "continues": "home.a",
        "comparisons": [*good.EVAL_REPORT.comparisons, good.comparison(PARENT, 0.02)],
    }
)


class Recorder(TrainerResource):
    """Trains nothing, and keeps beside the model what it was to start from."""

    def train(
        self,
        context: dg.AssetExecutionContext,
        rows: Sequence[Example],
        task: Task,
        start: EarlierStudent | None = None,
    ) -> tuple[TrainReport, Path]:
        model = Path(self.work_root) / "model"
        shutil.rmtree(model, ignore_errors=True)
        model.mkdir(parents=True)
        begun = (start.folder / "model.safetensors").read_text() if start else "the base"
        (model / "model.safetensors").write_text(f"{begun}, then {context.partition_key}")
        report = {"base": start.identity if start else "base", "continues": task.continues}
        return good.TRAIN_REPORT.model_copy(update=report), model


@pytest.fixture
def chained(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The command runs a chain of the real log and checkpoint, and stand-ins for all else."""

    def execute(
        instance: dg.DagsterInstance, places: Deployment, key: str, config: Mapping[str, Any], watch: Watch
    ) -> dg.DagsterRun:
        replaced = {"eval_report": HELPED} if "continues" in config["ops"]["traces"]["config"] else {}
        stand_ins = good.stand_in_chain(replaced)
        chain = [traces, *stand_ins[1:3], checkpoint, *stand_ins[4:]]
        trainer = Recorder(work_root=str(tmp_path / "work"))
        defs = build_defs(places.home, chain=chain, resource_overrides={"trainer": trainer})
        instance.add_dynamic_partitions(str(RUNS.name), [key])
        result = defs.resolve_job_def("distil_run").execute_in_process(
            instance=instance, partition_key=key, run_config=config, raise_on_error=False
        )
        watch(instance.all_logs(result.run_id))
        finished = instance.get_run_by_id(result.run_id)
        assert finished is not None
        return finished

    monkeypatch.setattr("distil_dag.cli.run.execute", execute)
    monkeypatch.setattr("distil_dag.cli.run.materialize_leaderboard", lambda *_: None)
    write_task(tmp_path / "tasks" / "home", "home", 60)
    return tmp_path / "tasks" / "home"


def test_a_run_goes_on_from_another_and_says_whether_it_helped(
    chained: Path,
    home: Path,
    call: Call,
) -> None:
    first = call("run", chained, "--run", "a", "--json")
    assert first.code == 0, first.err
    assert json.loads(first.out)["helped"] is None
    said = call("run", chained, "--run", "b", "--continue", "a", "--json")
    assert said.code == 0, said.err
    result = json.loads(said.out)
    assert (result["run"], result["continues"]) == ("home.b", "home.a")
    assert result["helped"].startswith("It helped: +7.0 points (+2.0 to +12.0) against the student of home.a")
    assert "parent" in [row["second"] for row in result["comparisons"]]

    store = RunStore(home / "store")
    frozen = store.read_report("home.b", "traces", Task, name="task")
    assert frozen.continues == "home.a"
    assert frozen.test is not None
    assert [(case.id, case.calls) for case in frozen.test] == [(case.id, case.calls) for case in good.TEST]
    assert store.read_report("home.b", "checkpoint", TrainReport).base.startswith("home.a@sha256:")
    model = store.folder("home.b", "checkpoint") / "model" / "model.safetensors"
    assert model.read_text() == "the base, then home.a, then home.b"
    assert standings(store).set_index("run").continues.to_dict() == {"home.a": "", "home.b": "home.a"}

    # The same again goes on with it, and its table says it too.
    again = call("run", chained, "--run", "b", "--continue", "home.a")
    assert again.code == 0, again.err
    assert "It helped: +7.0 points" in again.out
    lineage = call("lineage", "home.b", "--verbose")
    assert lineage.code == 0, lineage.err
    assert "checkpoint  home.a" in lineage.out
    assert "Training starts from the student of run home.a, home.a@sha256:" in " ".join(lineage.out.split())


def test_the_lineage_reaches_the_run_that_is_continued(
    chained: Path,
    home: Path,
    call: Call,
) -> None:
    for words in (("--run", "a"), ("--run", "b", "--continue", "a", "--set", "training.epochs=2")):
        assert call("run", chained, *words).code == 0
    found = json.loads(call("lineage", "home.b", "--json").out)
    parents = {(entry["asset"], entry["partition"]): entry for entry in found}
    ours, theirs = parents["checkpoint", "home.b"], parents["checkpoint", "home.a"]
    assert theirs["storage_id"] in ours["parents"]
    assert parents["judged_seeds", "home.a"]["storage_id"] in parents["traces", "home.b"]["parents"]
    listed = {row["run"]: row["continues"] for row in json.loads(call("runs", "--json").out)}
    assert listed == {"home.a": None, "home.b": "home.a"}
    # Each has the settings that it was made with.
    assert ours["config"]["training"] == {"epochs": 2.0}
    assert "training" not in theirs["config"]


def test_the_ui_starts_it_by_the_config_of_the_traces(
    chained: Path,
    home: Path,
    tmp_path: Path,
    call: Call,
) -> None:
    call("run", chained, "--run", "a")
    for parent, passed in (("home.never", False), ("a", True)):
        result = launch(home, "home.ui", parent)
        assert result.success is passed
    assert "no run home.never that can be continued" in why(launch(home, "home.other", "home.never"))
    assert RunStore(home / "store").read_report("home.ui", "traces", Task, name="task").continues == "home.a"


def launch(home: Path, run: str, parent: str) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("distil_runs", [run])
        job = build_defs(home, chain=[traces, *good.stand_in_chain()[1:]]).resolve_job_def("distil_run")
        return job.execute_in_process(
            instance=instance,
            partition_key=run,
            raise_on_error=False,
            run_config={"ops": {"traces": {"config": {"continues": parent}}}},
        )


def why(result: dg.ExecuteInProcessResult) -> str:
    data = next(event for event in result.all_events if event.is_step_failure).step_failure_data
    assert data.user_failure_data is not None
    return str(data.user_failure_data.description)


REFUSALS: list[tuple[tuple[str, ...], str]] = [
    (("--run", "b", "--continue", "never"), "there is no run home.never that can be continued"),
    (("--run", "b", "--continue", "a b"), "is not a run key"),
    (("--run", "a", "--continue", "a"), "home.a can't continue itself"),
    (("--run", "b", "--continue", "begun"), "it has no checkpoint and no gguf and no eval_report yet"),
    (("--run", "b", "--continue", "bare"), "it asked its student for no rows that were set aside"),
    (("--run", "taken", "--continue", "a"), "home.taken is a run that continues home.other already"),
    (("--run", "taken"), "home.taken is a run that continues home.other already"),
    (("--run", "begun", "--continue", "a"), "home.begun is a run that continues none already"),
    (
        ("--run", "b", "--continue", "a", "--set", "student.layers=14"),
        "trained another student. Here student.layers is 14, there None",
    ),
    (("--run", "b", "--continue", "tools"), "its student knows other tools than home has now"),
]


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize(("words", "said"), REFUSALS, ids=[" ".join(words) for words, _ in REFUSALS])
def test_what_can_not_be_continued_is_refused_in_one_paragraph(
    command: str,
    words: tuple[str, ...],
    said: str,
    home: Path,
    tmp_path: Path,
    call: Call,
) -> None:
    write_task(tmp_path / "tasks" / "home", "home", 3)
    store = RunStore(home / "store")
    finished(store, "home.a", good.task())
    finished(store, "home.tools", good.task().model_copy(update={"tools": ()}))
    finished(store, "home.bare", good.task(), set_aside={})
    store.write_report("home.begun", "traces", good.task(), name="task")
    other = good.task().model_copy(update={"continues": "home.other"})
    store.write_report("home.taken", "traces", other, name="task")
    told = call(command, tmp_path / "tasks" / "home", *words)
    assert told.code == 2
    assert told.out == ""
    assert said in told.err
    assert told.err.startswith("distil-dag: ")
    assert len(told.err.splitlines()) == 1
    assert not (home / "store" / "home.b").exists()


def finished(store: RunStore, run: str, task: Task, **exported: Any) -> None:
    """What a run leaves that can be continued, as far as it is looked at."""
    store.write_report(run, "traces", task, name="task")
    if not (store.folder(run, "judged_seeds") / "report.json").exists():
        store.write_report(run, "judged_seeds", good.JUDGE_REPORT)
        store.write_cases(run, tables.TEST, good.TEST)
        store.write_cases(run, tables.CALIBRATION, good.SET_ASIDE)
    with store.new_folder(run, "checkpoint", "model") as folder:
        (folder / "model.safetensors").write_text("weights")
    store.write_report(run, "gguf", good.GGUF_REPORT.model_copy(update=exported))
    store.write_report(run, "eval_report", good.EVAL_REPORT)
    store.write_rows(run, tables.ANSWERS, good.ANSWERS)


def test_a_test_of_the_folder_gives_way_to_the_parents_and_a_note_says_so(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    finished(store, "home.a", good.task())
    own = good.task().model_copy(update={"test": (good.held_out("mine", "hello"),)})
    found = continued(own, "home.b", "a", store)
    assert found.test is not None
    assert [case.id for case in found.test] == ["t1", "t2"]
    assert found.warnings == ("test.jsonl is not used: the test is that of home.a",)
    assert continued(own, "home.b", "", store) == own


def test_a_student_goes_on_reading_what_it_has_learned_to_read(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    rule = ContextRule(keeps="varying", constant=("You run a home.",))
    finished(store, "home.a", good.task().model_copy(update={"context": rule}))
    assert continued(good.task(), "home.b", "a", store).context == rule


def test_the_parents_answers_are_those_of_the_student_that_shipped(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    finished(store, "home.a", good.task())
    lost = {"candidate": "Q8_0", "case_id": "t2", "answer": "", "exact": False, "why": "no answer came: dead"}
    others = {**good.ANSWERS[0], "candidate": "base", "answer": "nonsense"}
    store.write_rows("home.a", tables.ANSWERS, [good.ANSWERS[0], others, lost])
    found = EarlierAnswers(store, "home.a", PARENT).answer([*good.TEST, good.held_out("new", "hello")])
    assert found[0] is not None
    assert parse_answer(found[0].text).calls == good.TEST[0].calls
    assert found[1] is not None
    assert found[1].error == "no answer came: dead"
    assert found[2] is None


def test_what_a_student_has_learned_from_goes_back_to_the_first_round_that_is_kept(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    for run, before in (("home.a", ""), ("home.b", "home.a"), ("home.c", "home.b")):
        task = good.task().model_copy(update={"continues": before})
        store.write_report(run, "traces", task, name="task")
        store.write_cases(run, tables.SYNTHETIC, good.SYNTHETIC)
        store.write_cases(run, tables.SEEDS, good.SEEDS)
    found = rows_before(store, task)
    assert found == {
        "synthetic of home.b": good.SYNTHETIC,
        "seeds of home.b": good.SEEDS,
        "synthetic of home.a": good.SYNTHETIC,
        "seeds of home.a": good.SEEDS,
    }
    shutil.rmtree(tmp_path / "home.a")
    assert list(rows_before(store, task)) == ["synthetic of home.b", "seeds of home.b"]


def materialize(
    store: RunStore, asset: dg.AssetsDefinition, run: str, teacher: dg.ConfigurableResource[Any]
) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("distil_runs", [run])
        return dg.materialize(
            [asset],
            partition_key=run,
            instance=instance,
            resources={"store": StoreResource(root=str(store.root)), "models": teacher},
        )


def test_the_test_and_the_rows_set_aside_are_the_parents_and_nobody_learns_from_them(tmp_path: Path) -> None:
    store, teacher = RunStore(tmp_path / "store"), SilentTeacher(cache_root=str(tmp_path))
    task = good.task(test={"size": 20}, judge={"set_aside": 0.3}).model_copy(
        update={"tools": tuple(TOOLSET.openai())}
    )
    log = clean_log(900)
    for run, rows in (("home.a", log[:450]), ("home.b", log)):
        if run == "home.b":
            right = {case.id: True for case in held(store, "home.a", tables.CALIBRATION)}
            finished(store, "home.a", task, set_aside=right)
            task = continued(task, run, "home.a", store)
        store.write_report(run, "traces", task, name="task")
        store.write_cases(run, tables.TRACES, rows)
        assert materialize(store, judged_seeds, run, teacher).success
    for table in (tables.TEST, tables.CALIBRATION):
        assert len(held(store, "home.a", table)) >= 20
        assert held(store, "home.b", table) == held(store, "home.a", table)
    learned = [*held(store, "home.b", tables.SEEDS), *held(store, "home.b", tables.CONTEXT)]
    first = [*held(store, "home.a", tables.SEEDS), *held(store, "home.a", tables.CONTEXT)]
    assert len(learned) > len(first)
    apart = [*held(store, "home.b", tables.TEST), *held(store, "home.b", tables.CALIBRATION)]
    assert not find_leaks(apart, learned, TOOLSET, 0.95, ENGLISH)
    report = store.read_report("home.b", "judged_seeds", JudgeReport)
    assert report.holdout.test_labels == "production log (unreviewed)"
    assert report.seed_yield <= 1


def held(store: RunStore, run: str, table: tables.CaseTable[Case]) -> list[Any]:
    return store.read_cases(run, table)


def test_synthesis_aims_at_what_the_parent_got_wrong_and_repeats_none_of_its_rows(tmp_path: Path) -> None:
    store, teacher = RunStore(tmp_path / "store"), ScriptedTeacher(cache_root=str(tmp_path))
    task = good.task(**SYNTHESIS).model_copy(update={"tools": tuple(TOOLS.openai())})
    aside = [
        row.model_copy(update={"id": f"{row.id} {number}"})
        for row in seeds()
        if row.calls and row.calls[0].name in ("lamp_on", "lamp_off")
        for number in range(2)
    ]
    for run in ("home.a", "home.b"):
        if run == "home.b":
            store.write_cases("home.a", tables.CALIBRATION, aside)
            right = {row.id: row.calls[0].name == "lamp_on" for row in aside}
            finished(store, "home.a", task, set_aside=right)
            task = continued(task, run, "home.a", store)
        store.write_report(run, "traces", task, name="task")
        store.write_report(run, "judged_seeds", good.JUDGE_REPORT)
        store.write_cases(run, tables.SEEDS, seeds())
        for table in (tables.CONTEXT, tables.UNLABELLED, tables.TEST, tables.CALIBRATION):
            store.write_cases(run, table, [])
        assert materialize(store, synthetic_set, run, teacher).success
    made = [
        {ENGLISH.key(row.request) for row in store.read_cases(run, tables.SYNTHETIC)}
        for run in ("home.a", "home.b")
    ]
    assert made[1]
    assert not made[0] & made[1]
    before, after = (store.read_report(run, "synthetic_set", SynthesisReport) for run in ("home.a", "home.b"))
    assert [cell.cell for cell in after.cells if cell.weak] == ["lamp_off(room)"]
    quota = [
        next(cell.quota for cell in report.cells if cell.cell == "lamp_off(room)")
        for report in (before, after)
    ]
    assert quota[1] > quota[0]
