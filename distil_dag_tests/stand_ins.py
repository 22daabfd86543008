"""A chain of small assets that write what the real ones write, in milliseconds: good by default."""

from collections.abc import Callable
from typing import Any

import dagster as dg
from pydantic import BaseModel

from distil_dag.adapters.run_store import RunStore
from distil_dag.core import tables
from distil_dag.core.case import Case, Example, HeldOut, Message
from distil_dag.core.reports.base import Estimate
from distil_dag.core.reports.evaluation import CandidateReport, Comparison, EvalReport
from distil_dag.core.reports.exporting import GgufFile, GgufReport
from distil_dag.core.reports.intake import TracesReport
from distil_dag.core.reports.judging import HoldoutReport, JudgeReport
from distil_dag.core.reports.synthesis import CellCoverage, SynthesisReport
from distil_dag.core.reports.training import TrainReport
from distil_dag.core.sources import FileSource
from distil_dag.core.task import Settings, Task
from distil_dag.core.tool_call import ToolCall, render_calls
from distil_dag.resources.asset_defaults import RUNS
from distil_dag.resources.store import StoreResource

TOOLS: tuple[dict[str, Any], ...] = (
    {
        "type": "function",
        "function": {
            "name": "turn_on",
            "parameters": {
                "type": "object",
                "properties": {"device": {"type": "string"}, "room": {"type": "string", "default": "here"}},
                "required": ["device"],
            },
        },
    },
)


def task(**settings: Any) -> Task:
    return Task(
        settings=Settings(name="home", traces=FileSource(kind="files", path="log.jsonl"), **settings),
        description="a home",
        tools=TOOLS,
    )


def turn_on(device: str, **more: Any) -> ToolCall:
    return ToolCall(name="turn_on", arguments={"device": device, **more})


def held_out(id: str, words: str, *calls: ToolCall) -> HeldOut:
    return HeldOut(id=id, messages=(Message(role="user", content=words),), calls=calls)


def example(id: str, words: str, *calls: ToolCall, origin: str = "seed") -> Example:
    return Example.model_validate(
        {"id": id, "messages": [Message(role="user", content=words)], "calls": calls, "origin": origin}
    )


TEST = [held_out("t1", "turn on the lamp", turn_on("lamp")), held_out("t2", "start the fan", turn_on("fan"))]
SEEDS = [example("s1", "switch on the heater", turn_on("heater"))]
SET_ASIDE = [example("c1", "turn the kettle on", turn_on("kettle"), origin="context")]
SYNTHETIC = [example("g1", "let the radio play", turn_on("radio"), origin="synthetic")]

TRACES_REPORT = TracesReport(read=100, kept=98, quarantined={"not JSON": 2})
JUDGE_REPORT = JudgeReport(
    kind="likelihood",
    judge="small",
    judged=90,
    seeds=60,
    passed_context=10,
    rejected=20,
    holdout=HoldoutReport(test=2, removed_near_copies=1, remaining=90, test_labels="frozen file"),
    faults_found={
        "n": 40.0,
        "agreement": 0.95,
        "kappa": 0.87,
        "kappa_low": 0.7,
        "kappa_high": 0.96,
        "precision": 0.9,
        "recall": 0.9,
        "purity": 0.97,
    },
)
SYNTHESIS_REPORT = SynthesisReport(
    teacher="small",
    attempted=2,
    accepted=1,
    cells=[CellCoverage(cell="turn_on(device)", tool="turn_on", arguments=["device"], quota=1, accepted=1)],
)
TRAIN_REPORT = TrainReport(
    base="small",
    method="full",
    rows=2,
    steps=10,
    epochs=1,
    tokens=40,
    supervised_tokens=20,
    truncated=0,
    unsupervised_rows=0,
    stop_token_trained=True,
    loss=[(step, 3.0 / step) for step in range(1, 11)],
)
GGUF_REPORT = GgufReport(
    files=[
        GgufFile(
            format=name, path=f"model-{name}.gguf", sha256="sha256:0", bytes=1000, tokens_equal=True,
            template_equal=True, agreement=0.98, probes=50,
        )
        for name in ("f16", "Q8_0")
    ],
    modelfile="Modelfile",
    model_card="README.md",
    lineage="lineage.json",
    primary="model-Q8_0.gguf",
    set_aside={case.id: False for case in SET_ASIDE},
)  # fmt: skip


def candidate(name: str, exact: float) -> CandidateReport:
    return CandidateReport(
        name=name,
        model=name,
        n=100,
        metrics={"tool_call_equivalence": Estimate(value=exact, low=exact - 0.05, high=exact + 0.05)},
        latency_ms={"p50": 120.0, "p95": 200.0},
        bytes=145_000_000,
    )


def comparison(second: str, low: float) -> Comparison:
    return Comparison(
        first="Q8_0",
        second=second,
        difference=Estimate(value=low + 0.05, low=low, high=low + 0.1),
        minimum_detectable=0.04,
    )


EVAL_REPORT = EvalReport(
    n=100,
    test_labels="frozen file",
    student="Q8_0",
    candidates=[candidate("Q8_0", 0.9), candidate("base", 0.1), candidate("lookup", 0.7)],
    comparisons=[comparison("base", 0.7), comparison("lookup", 0.1)],
)


ANSWERS = [
    {
        "candidate": "Q8_0",
        "case_id": case.id,
        "answer": render_calls(case.calls),
        "exact": True,
        "why": "",
    }
    for case in TEST
]


def stand_in_chain(
    replaced: dict[str, BaseModel] | None = None, **settings: Any
) -> list[dg.AssetsDefinition]:
    """The six assets; `replaced` swaps the report of some of them, `settings` go to the task."""
    reports: dict[str, BaseModel] = {
        "traces": TRACES_REPORT,
        "judged_seeds": JUDGE_REPORT,
        "synthetic_set": SYNTHESIS_REPORT,
        "checkpoint": TRAIN_REPORT,
        "gguf": GGUF_REPORT,
        "eval_report": EVAL_REPORT,
        **(replaced or {}),
    }

    def rows(store: RunStore, run: str, asset: str) -> None:
        if asset == "traces":
            store.write_report(run, "traces", task(**settings), name="task")
        if asset == "judged_seeds":
            store.write_cases(run, tables.TEST, TEST)
            store.write_cases(run, tables.SEEDS, SEEDS)
            store.write_cases(run, tables.CONTEXT, SEEDS[:0] or SEEDS)
            store.write_cases(run, tables.CALIBRATION, SET_ASIDE)
            store.write_cases(run, tables.UNLABELLED, [Case(id="u1", messages=SEEDS[0].messages)])
        if asset == "synthetic_set":
            store.write_cases(run, tables.SYNTHETIC, SYNTHETIC)
        if asset == "checkpoint":
            with store.new_folder(run, asset, "model") as folder:
                (folder / "model.safetensors").write_text(f"weights of {run}")
        if asset == "eval_report":
            store.write_rows(run, tables.ANSWERS, ANSWERS)

    names = list(reports)
    return [
        _asset(name, names[place - 1] if place else None, reports[name], rows)
        for place, name in enumerate(names)
    ]


def _asset(
    name: str, before: str | None, report: BaseModel, rows: Callable[[RunStore, str, str], None]
) -> dg.AssetsDefinition:
    @dg.asset(name=name, partitions_def=RUNS, deps=[before] if before else [], code_version="1")
    def stand_in(context: dg.AssetExecutionContext, store: StoreResource) -> dg.MaterializeResult[None]:
        rows(store.open(), context.partition_key, name)
        store.open().write_report(context.partition_key, name, report)
        return dg.MaterializeResult(data_version=dg.DataVersion(f"sha256:{name}"))

    return stand_in
