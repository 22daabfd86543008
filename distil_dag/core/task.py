"""What a user writes in `task.yaml`: the whole configuration of a run, with its defaults.

A task folder holds `task.yaml`, `job_description.json` (description and tools) and, optionally,
a frozen `test.jsonl`. Reading the folder, with file and line for every mistake, is the work of
`distil_dag.adapters.tasks.folder`; this module only says what is allowed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from distil_dag.core.case import HeldOut
from distil_dag.core.toolset import Toolset


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
RecordFormat = Literal["auto", "openai_chat", "messages", "question_answer"]


class SqlSource(_Section):
    """A table of any SQL database, one logged call a row."""

    kind: Literal["sql"]
    url: str = Field(description="SQLAlchemy URL; ${NAME} is read from the environment")
    table: str
    id_column: str = "id"
    time_column: str | None = "created_at"
    columns: dict[str, str] = Field(
        default_factory=dict, description="our field -> the table's column, where they differ"
    )
    where: dict[str, str] = Field(default_factory=dict, description="column -> value: only these rows")
    format: RecordFormat = "auto"


class FileSource(_Section):
    """JSONL or Parquet files: a local path or glob, s3://, gs://, hf://."""

    kind: Literal["files"]
    path: str = Field(description="folder, file or glob; ${NAME} is read from the environment")
    id_column: str | None = None
    time_column: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    where: dict[str, str] = Field(default_factory=dict)
    format: RecordFormat = "auto"


class HubSource(_Section):
    """A dataset of the Hugging Face Hub."""

    kind: Literal["huggingface"]
    dataset: str
    config: str | None = None
    split: str = "train"
    revision: str | None = None
    id_column: str | None = None
    time_column: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    where: dict[str, str] = Field(default_factory=dict)
    format: RecordFormat = "auto"


TraceSource = Annotated[SqlSource | FileSource | HubSource, Field(discriminator="kind")]


class TestSpec(_Section):
    """The held-out test: `test.jsonl` or this many requests of the log, a fifth of it at most."""

    __test__ = False

    size: Positive = 200
    seed: int = 0


class PriceSpec(_Section):
    """What a model costs, in any one currency; a server of one's own costs by the hour."""

    prompt_per_million: float = Field(default=0.0, ge=0, description="for a million prompt tokens")
    completion_per_million: float = Field(default=0.0, ge=0, description="for a million tokens of answers")
    per_hour: float = Field(default=0.0, ge=0, description="for an hour of the machine that serves it")


def _addresses(value: Any) -> Any:
    # Pydantic itself would tell of every member of the union, by its name in Python.
    listed = value if isinstance(value, (list, tuple)) else [value]
    if value is not None and not all(isinstance(address, str) and address for address in listed):
        raise ValueError("must be an address as text, or a list of such")
    return value


class ModelSpec(_Section):
    """A chat model: the embedded one, a GGUF file, a service, or a vLLM server that the run starts."""

    mode: Literal["embedded", "gguf", "attached", "managed"] = "embedded"
    model: str | None = Field(default=None, description="GGUF path, or the name that the server knows it by")
    revision: str | None = Field(default=None, description="of the model on the Hub; part of its identity")
    base_url: Annotated[str | tuple[str, ...] | None, BeforeValidator(_addresses)] = Field(
        default=None,
        description="the service's address, with its /v1; or a list of those that share the work",
    )
    api_key_env: str = Field(default="OPENAI_API_KEY", description="variable that holds the key")
    max_in_flight: Positive = Field(
        default=64, description="never more requests at a time; how many the server takes is found out"
    )
    timeout_seconds: float = Field(default=120.0, gt=0)
    executable: str = Field(default="vllm serve", description="the command that starts a managed server")
    arguments: tuple[str, ...] = Field(default=(), description="further arguments of that command")
    price: PriceSpec = PriceSpec()

    @property
    def base_urls(self) -> tuple[str, ...]:
        """The addresses; none where `base_url` is unset."""
        return (self.base_url,) if isinstance(self.base_url, str) else self.base_url or ()


class BudgetSpec(_Section):
    """What a run may use of its teacher, judge and labellers; no limit where unset."""

    tokens: Positive | None = Field(default=None, description="of prompts and answers together")
    money: float | None = Field(default=None, gt=0, description="in the currency of the prices")
    hours: float | None = Field(default=None, gt=0, description="of calls and of a managed server's life")


class JudgeSpec(_Section):
    """How traces are judged and which become seeds."""

    kind: Literal["likelihood", "rubric"] = "likelihood"
    sample: Positive | None = Field(
        default=2000, description="judge this many, rare kinds of call more often; all if null"
    )
    seeds: Positive = Field(default=300, description="at most this many seeds; passes beyond it are context")
    min_score: Share = Field(default=0.5, description="keep a trace whose score reaches this")
    committee: tuple[ModelSpec, ...] = Field(
        default=(), description="labellers that propose a call for rejected traces; the judge picks"
    )
    arbiter: ModelSpec | None = Field(
        default=None, description="a model that marks the proposals by the rubric; the judge if unset"
    )
    relabel: bool = Field(default=False, description="let the committee (or the teacher) correct rejects")
    reader: bool = Field(default=False, description="let what the passed traces teach correct rejects")
    set_aside: Share = Field(
        default=0.1,
        description="of what passed, kept from training to tell when the student can be believed; "
        "100 at most, and none where it would be fewer than 20",
    )
    reask: Count = Field(default=50, description="traces judged a second time, in another way")
    seed: int = 0


class SynthesisSpec(_Section):
    """How many synthetic rows, and what they must satisfy."""

    rows: Count = 1000
    max_attempts_per_row: float = Field(default=4.0, gt=0)
    batch: Positive = 64
    exemplars: Positive = 6
    temperature: float = Field(default=0.9, ge=0)
    transplant_share: Share = Field(
        default=0.5, description="share of rows made from real requests with other values"
    )
    widen: bool = Field(default=True, description="let the teacher propose values the log has not shown")
    no_call_share: Share | None = Field(
        default=None, description="share of no-call rows; as in the log if unset"
    )
    near_duplicate: Share = Field(default=0.95, description="similarity from which a row repeats another")
    test_similarity: Share = Field(default=0.9, description="similarity to a test request that rejects a row")
    mutators: tuple[str, ...] = ("length", "register", "indirectness", "word_order")
    seed: int = 0


class StudentSpec(_Section):
    """The model to fine-tune."""

    model: str = Field(default="embedded", description="`embedded`, a local folder, or a Hub id")
    revision: str | None = None
    layers: int | None = Field(
        default=None,
        ge=2,
        description="keep so many of the model's layers, those that do most, for speed; all if unset",
    )
    tools_in_prompt: bool = False
    system_prompt: str = ""


class TrainingSpec(_Section):
    """Supervised fine-tuning."""

    mix: Literal["synthetic", "synthetic+seeds", "synthetic+seeds+context"] = "synthetic+seeds"
    method: Literal["lora", "full"] = "full"
    lora_rank: Positive = 64
    trained_layers: Positive | None = Field(
        default=None,
        description="train only the last so many, at less cost; all, and the embeddings, if unset",
    )
    epochs: float = Field(default=3.0, gt=0)
    synthetic_epochs: float = Field(
        default=1.0, ge=0, description="passes over synthetic rows, before those over logged ones"
    )
    least_seen: Count = Field(
        default=1500, description="rows that are seen at least, repeats counted; fewer mean more passes"
    )
    learning_rate: float = Field(default=1e-4, gt=0)
    batch_size: Positive = 16
    max_length: Positive = 512
    warmup_ratio: Share = 0.05
    save_every_steps: Positive = 50
    gpu_free: Share = Field(default=0.8, description="training waits until this much of its GPU is free")
    seed: int = 0


class ExportSpec(_Section):
    """Which GGUF files ship; f16 is always made."""

    quantizations: tuple[Literal["Q8_0", "Q4_K_M", "Q5_K_M", "Q6_K"], ...] = ("Q8_0", "Q4_K_M")
    primary: str = Field(
        default="Q8_0", description="the file that the model card and lineage call the model"
    )
    probes: Positive = Field(
        default=48, description="requests on which each file's answers are compared with the checkpoint's"
    )


class ServingSpec(_Section):
    """How vLLM is started, where it is installed."""

    executable: str = Field(default="vllm serve", description="the command that starts it")
    arguments: tuple[str, ...] = Field(default=(), description="further arguments of that command")


class EvaluationSpec(_Section):
    """What is measured on the frozen test."""

    max_new_tokens: Positive = 128
    few_shot: Count = 8
    confidence: float = Field(default=0.95, gt=0, lt=1)
    target_precision: float = Field(
        default=0.98, gt=0, lt=1, description="share of right answers among those that count as confident"
    )
    bootstrap: Positive = 2000
    vllm: ServingSpec | None = Field(
        default=None, description="serve the checkpoint by vLLM too, as one more candidate"
    )
    seed: int = 0


GateName = Literal[
    "enough_traces",
    "quarantine_share",
    "enough_seeds",
    "seed_yield",
    "verdicts_readable",
    "seeds_leak_free",
    "judge_agrees",
    "calls_valid",
    "cells_covered",
    "synthetic_leak_free",
    "loss_fell",
    "rows_complete",
    "rows_supervised",
    "stop_token_trained",
    "gguf_parity",
    "beats_base",
    "beats_lookup",
]


class GateSpec(_Section):
    """Thresholds of the gates. `soft` lists gates that warn instead of stopping the run."""

    min_traces: Count = 50
    max_quarantined: Share = 0.2
    min_seeds: Count = 20
    min_seed_yield: Share = 0.1
    max_unjudged: Share = 0.02
    min_judge_kappa: Share = 0.4
    max_leaks: Count = 0
    leak_similarity: Share = 0.95
    min_synthetic_validity: Share = 1.0
    min_cell_coverage: Share = 0.5
    max_truncated: Share = 0.01
    min_loss_drop: Share = 0.1
    min_parity: Share = 0.9
    soft: tuple[GateName, ...] = ("judge_agrees",)


class AutomationSpec(_Section):
    """When the sensor and the schedule request a run; both are off until someone turns them on."""

    new_traces: Positive = Field(
        default=1000, description="the sensor waits for this many traces since the last run's window"
    )
    window_days: Positive = Field(default=7, description="the weekly schedule takes this many days")


class Settings(_Section):
    """The content of `task.yaml`."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    description: str = ""
    traces: TraceSource
    test: TestSpec = TestSpec()
    teacher: ModelSpec = ModelSpec()
    budget: BudgetSpec = BudgetSpec()
    judge: JudgeSpec = JudgeSpec()
    synthesis: SynthesisSpec = SynthesisSpec()
    student: StudentSpec = StudentSpec()
    training: TrainingSpec = TrainingSpec()
    export: ExportSpec = ExportSpec()
    evaluation: EvaluationSpec = EvaluationSpec()
    gates: GateSpec = GateSpec()
    automation: AutomationSpec = AutomationSpec()

    @property
    def models(self) -> tuple[ModelSpec, ...]:
        """Teacher, labellers of the committee, and the arbiter if there is one."""
        judge = self.judge
        return (self.teacher, *judge.committee, *((judge.arbiter,) if judge.arbiter else ()))

    @model_validator(mode="after")
    def _money_needs_a_price(self) -> Self:
        """A limit that can never act would be worse than none."""
        if self.budget.money is not None and all(model.price == PriceSpec() for model in self.models):
            raise PydanticCustomError(
                "no_price", "limits nothing without a price: set `teacher.price`, or limit `budget.tokens`"
            )
        return self


class Task(BaseModel):
    """A task folder, read and resolved: what a run is made from, frozen with it."""

    model_config = ConfigDict(frozen=True)

    settings: Settings
    description: str
    tools: tuple[dict[str, Any], ...]
    test: tuple[HeldOut, ...] | None = None
    test_labels: str = Field(default="frozen file", description="what is known of the labels of `test`")
    continues: str = Field(
        default="", description="key of the run whose student is trained on, and whose test this one shares"
    )
    labels: dict[str, bool] | None = Field(
        default=None, description="trace id -> is its call right? From `labels.jsonl`; audits the judge"
    )
    warnings: tuple[str, ...] = Field(
        default=(), description="what the folder says and this task does not use, for a person to read"
    )
    folder: str = Field(default="", exclude=True, description="where relative paths start; not frozen")

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def toolset(self) -> Toolset:
        return Toolset.from_openai(list(self.tools), self.description)
