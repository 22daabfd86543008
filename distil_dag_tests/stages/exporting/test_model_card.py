"""The model card says what made a model, and how good it is once that was measured."""

from __future__ import annotations

from distil_dag.core.context import ContextRule
from distil_dag.core.reports.base import Estimate
from distil_dag.core.reports.exporting import GgufFile
from distil_dag.core.reports.model_evaluation import (
    CandidateScore,
    EvaluatedFile,
    GateVerdict,
    ModelEvaluation,
)
from distil_dag.core.reports.provenance import Provenance, Setting
from distil_dag.core.reports.training import TrainReport
from distil_dag.core.settings import TrainingSpec
from distil_dag.core.sources import SqlSource
from distil_dag.core.task import Settings, Task
from distil_dag.stages.exporting.model_card import lineage_document, model_card
from distil_dag.stages.exporting.origin_text import how_good

TASK = Task(
    settings=Settings(
        name="lights",
        traces=SqlSource(kind="sql", url="sqlite://", table="t"),
        training=TrainingSpec(epochs=2),
    ),
    description="Lights at home",
    tools=(
        {
            "name": "light_on",
            "description": "Turns a light | lamp on",
            "parameters": {
                "type": "object",
                "properties": {"room": {"type": "string"}, "level": {"type": "integer"}},
                "required": ["room"],
            },
        },
    ),
)
TRAINING = TrainReport(
    base="smol@sha256:1", method="full", rows=3, rows_by_origin={"seed": 1, "synthetic": 2}, steps=1,
    epochs=3, tokens=9, supervised_tokens=4, truncated=0, unsupervised_rows=0, stop_token_trained=True,
    loss=[(1, 1.0)], dataset_digest="sha256:2",
)  # fmt: skip
FILE = GgufFile(
    format="Q8_0", path="model-Q8_0.gguf", sha256="abc", bytes=145_000_000, tokens_equal=True,
    template_equal=True, agreement=0.96, by_attention={"off": 0.98, "on": 0.96}, probes=48,
)  # fmt: skip
ORIGIN = Provenance(
    run="lights.all",
    task="lights",
    tools=TASK.toolset.digest,
    base="smol@sha256:1",
    teacher="big@rev-7",
    judge="likelihood-4 big@rev-7",
    log="table t_log of a sqlite database",
    window="the whole log",
    rows={"log": {"read": 9, "passed over": 0, "quarantined": 0, "kept": 9}, "training": {"trained on": 3}},
    method="full weights of all layers, 1 steps, 5 s",
    trained="2026-11-30T09:57:45+00:00",
    environment={"python": "3.12.3", "processor": "Some CPU, 2 cores", "packages": "torch 2.13.0"},
    settings=[
        Setting(name="traces.url", value="sqlite://host", changed=True),
        Setting(name="training.epochs", value=2.0, changed=True),
        Setting(name="training.seed", value=0, changed=False),
    ],
)


def score(name: str, value: float, **more: object) -> CandidateScore:
    exact = Estimate(value=value, low=value - 0.05, high=value + 0.05)
    return CandidateScore.model_validate({"name": name, "model": name, "exact": exact, "n": 100, **more})


EVALUATION = ModelEvaluation(
    run="lights.all",
    evaluated="2026-11-30T10:30:00+00:00",
    n=100,
    test_labels="frozen file",
    student="student Q8_0",
    candidates=[
        score("student Q8_0", 0.9, latency_ms={"p50": 120.0, "p95": 200.0}),
        score("student f16", 0.8),
        score("lookup", 0.7, lead=Estimate(value=0.2, low=0.1, high=0.3)),
    ],
    files=[
        EvaluatedFile(path="model-Q8_0.gguf", sha256="abc", candidate="student Q8_0"),
        EvaluatedFile(path="model-f16.gguf", sha256="def", candidate="student f16"),
    ],
    gates=[
        GateVerdict(gate="enough_seeds", asset="judged_seeds", passed=True),
        GateVerdict(
            gate="gguf_parity", asset="gguf", passed=False, severity="warn", message="Differs: <b>Q8_0"
        ),
    ],
)


def test_the_card_says_what_a_client_sends_of_its_system_prompt() -> None:
    rule = ContextRule(keeps="varying", constant=("A secret rule.",))
    told = model_card(TASK.model_copy(update={"context": rule}), ORIGIN, TRAINING, [FILE], FILE.path)
    assert 'Student("model-Q8_0.gguf").turns(messages)' in told
    assert "A secret rule" not in told
    assert "## Context" not in model_card(TASK, ORIGIN, TRAINING, [FILE], FILE.path)


def test_the_card_names_base_data_files_and_limits() -> None:
    card = model_card(TASK, ORIGIN, TRAINING, [FILE], FILE.path)
    assert card.startswith("---\nlibrary_name: gguf\npipeline_tag: text-generation\nlicense: apache-2.0\n")
    for wanted in (
        "`smol@sha256:1`",
        "2 rows: requests that a teacher wrote",
        "| `model-Q8_0.gguf` | 145 MB | 98.0% of 48 | 96.0% of 48 |",
        "OLLAMA_FLASH_ATTENTION=0 ollama serve\n",
        "llama-server -m model-Q8_0.gguf --jinja --temp 0 --flash-attn off\n",
        '"repeat_penalty": 1\npython -m llama_cpp.server --model model-Q8_0.gguf --flash_attn false\n',
        "`light_on` | **`room`**, `level` | Turns a light \\| lamp on",
        "- teacher: big@rev-7 writes the synthetic rows.",
        "table t\\_log of a sqlite database; the whole log.",
        "Log: 9 read, 0 quarantined, 9 kept. Training: 3 trained on.",
        "It ended 2026-11-30T09:57:45+00:00.",
        "- environment: python 3.12.3; processor Some CPU, 2 cores; packages torch 2.13.0.",
        "| training | **epochs 2.0**, seed 0 |",
        "--tool-call-parser hermes",
        "## Limits",
    ):
        assert wanted in card
    # The log's place is nobody's business who gets the model.
    assert "host" not in card
    written = lineage_document(ORIGIN, [FILE], [{"asset": "traces"}])
    assert '"model-Q8_0.gguf": "abc"' in written
    assert '"teacher": "big@rev-7"' in written


def test_before_its_test_the_card_says_so_and_afterwards_it_has_the_numbers() -> None:
    before = model_card(TASK, ORIGIN, TRAINING, [FILE], FILE.path)
    assert "Not measured yet: a file is written before it is tested." in before
    assert "90.0 %" not in before
    after = model_card(TASK, ORIGIN, TRAINING, [FILE], FILE.path, evaluation=EVALUATION)
    assert "Not measured yet" not in after
    for wanted in (
        "student Q8\\_0 answers 90.0 % of 100 test requests exactly right (95 % interval 85.0 to 95.0 %; "
        "p50 120 ms, p95 200 ms). Test labels: frozen file. Measured 2026-11-30T10:30:00+00:00.",
        "| **student Q8\\_0** | 90.0 % | 85.0 to 95.0 % |  | 100 | 120 | 200 |",
        "| lookup | 70.0 % | 65.0 to 75.0 % | +20.0 (+10.0 to +30.0) | 100 |  |  |",
        "Gates: 1 of 2 passed (enough\\_seeds). gguf\\_parity only warned: Differs: &lt;b>Q8\\_0",
    ):
        assert wanted in after


def test_a_score_is_of_the_file_with_this_content() -> None:
    assert EVALUATION.measured("another") is None
    other = EVALUATION.measured("def")
    assert other is not None
    (_, told), (_, beside) = how_good(EVALUATION, "", other.name)
    assert told.startswith("student f16 answers 80.0 % of 100")
    assert beside == "student Q8_0 90.0 % (85.0 to 95.0 %); lookup 70.0 % (65.0 to 75.0 %)."
    assert how_good(None, "Nobody knows.") == [("score", "Nobody knows.")]
