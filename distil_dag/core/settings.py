"""The sections of `task.yaml`: every setting with its default, its limits and what it is for.

The docstring of a section and the description of a setting are all that is said about it:
`distil-dag init` writes its comments from them, and mistakes in the file are explained by them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from distil_dag.core.english import CONNECTIVES, CORRECTIONS, FILLERS, REFERENCES, REPLIES, WAKE_WORDS


class Section(BaseModel):
    """A part of `task.yaml`: unknown keys are mistakes, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(description="another seed, another draw")]


class LanguageSpec(Section):
    """Words by which two requests count as the same one, and by which one depends on what was said before."""

    wake_words: tuple[str, ...] = Field(default=WAKE_WORDS, description="how the assistant is called")
    fillers: tuple[str, ...] = Field(
        default=FILLERS, description="articles, politeness and wishes, in your users' language"
    )
    replies: tuple[str, ...] = Field(
        default=REPLIES, description="what answers a question and asks for nothing by itself"
    )
    references: tuple[str, ...] = Field(
        default=REFERENCES, description="what stands for something that was said before"
    )
    connectives: tuple[str, ...] = Field(
        default=CONNECTIVES, description="with what a request begins that goes on from the one before"
    )
    corrections: tuple[str, ...] = Field(
        default=CORRECTIONS, description="by which a user takes back what the agent has just done"
    )


class TestSpec(Section):
    """The held-out test. A reviewed test.jsonl in this folder is better: then this is not used."""

    __test__ = False

    size: Positive = Field(default=200, description="this many requests of the log, a fifth of it at most")
    seed: Seed = 0


class PriceSpec(Section):
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


Executable = Annotated[str, Field(description="the command that starts a vLLM server")]
Arguments = Annotated[tuple[str, ...], Field(description="further arguments of that command")]


class ModelSpec(Section):
    """A chat model: the embedded one, a GGUF file, a service, or a vLLM server that the run starts."""

    mode: Literal["embedded", "gguf", "attached", "managed"] = Field(
        default="embedded",
        description="embedded (small, in process), gguf, attached (a service), or managed (vLLM)",
    )
    model: str | None = Field(default=None, description="GGUF file, or the server's name of the model")
    revision: str | None = Field(default=None, description="of the model on the Hub; part of its identity")
    base_url: Annotated[str | tuple[str, ...] | None, BeforeValidator(_addresses)] = Field(
        default=None, description="such as http://localhost:8000/v1; or a list of those that share the work"
    )
    api_key_env: str = Field(default="OPENAI_API_KEY", description="environment variable that holds the key")
    max_in_flight: Positive = Field(
        default=64, description="requests at a time, at most; how many the server takes is found out"
    )
    timeout_seconds: float = Field(default=120.0, gt=0, description="for one request")
    thinking: Literal["off", "on"] = Field(
        default="off",
        description="whether it thinks before it answers; one that always does has room for it either way",
    )
    thinking_tokens: Positive | None = Field(
        default=None, description="room for thoughts beside the answer; by the kind of server if unset"
    )
    executable: Executable = "vllm serve"
    arguments: Arguments = ()
    price: PriceSpec = Field(default=PriceSpec(), description="what it costs, in any one currency")

    @property
    def thoughts(self) -> str:
        """What the identity of the model's replies says of its thoughts; empty by default."""
        room = f" {self.thinking_tokens}" if self.thinking_tokens else ""
        return f" thinking {self.thinking}{room}" if room or self.thinking == "on" else ""

    @property
    def base_urls(self) -> tuple[str, ...]:
        """The addresses; none where `base_url` is unset."""
        return (self.base_url,) if isinstance(self.base_url, str) else self.base_url or ()


class BudgetSpec(Section):
    """What a run may use of its teacher, judge and labellers; no limit where unset."""

    tokens: Positive | None = Field(default=None, description="of prompts and answers together")
    money: float | None = Field(default=None, gt=0, description="in the currency of the prices")
    hours: float | None = Field(default=None, gt=0, description="of calls and of a managed server's life")


class JudgeSpec(Section):
    """Which logged calls are good enough to learn from."""

    kind: Literal["likelihood", "rubric"] = Field(
        default="likelihood", description="likelihood for small teachers, rubric for capable ones"
    )
    sample: Positive | None = Field(
        default=2000, description="judge this many, rare kinds of call more often; all if null"
    )
    seeds: Positive = Field(default=300, description="at most this many seeds; passes beyond it are context")
    min_score: Share = Field(default=0.5, description="keep a trace whose score reaches this")
    committee: tuple[ModelSpec, ...] = Field(
        default=(), description="further models, as in `teacher`, that propose a call for rejected ones"
    )
    arbiter: ModelSpec | None = Field(
        default=None, description="a model that marks the proposals by the rubric; the judge if unset"
    )
    relabel: bool = Field(default=False, description="let committee or teacher correct rejected calls")
    set_aside: Share = Field(
        default=0.1,
        description="of what passed, 100 at most, kept from training to tell when to believe the student",
    )
    evidence: Share = Field(
        default=0.15,
        description="of a log longer than `sample`: judge this share of it more, to prove the student by",
    )
    reask: Count = Field(default=50, description="traces judged a second time, in another way")
    seed: Seed = 0


class SynthesisSpec(Section):
    """New requests, planned so that every tool and argument is covered."""

    rows: Count = Field(default=1000, description="accepted rows wanted")
    max_attempts_per_row: float = Field(
        default=4.0, gt=0, description="the budget: attempts for each row wanted"
    )
    batch: Positive = Field(default=64, description="requests to the teacher at a time")
    exemplars: Positive = Field(default=6, description="real examples shown for each")
    temperature: float = Field(default=0.9, ge=0, description="how freely the teacher writes")
    transplant_share: Share = Field(
        default=0.5, description="share of rows made from real requests with other values"
    )
    widen: bool = Field(default=True, description="let the teacher propose values the log has not shown")
    no_call_share: Share | None = Field(
        default=None, description="share of no-call rows; as in the log if unset"
    )
    near_duplicate: Share = Field(default=0.95, description="similarity from which a row repeats another")
    test_similarity: Share = Field(default=0.9, description="similarity to a test request that rejects a row")
    mutators: tuple[str, ...] = Field(
        default=("length", "register", "indirectness", "word_order"), description="how requests are varied"
    )
    seed: Seed = 0


class StudentSpec(Section):
    """The model to train."""

    model: str = Field(
        default="embedded",
        description="embedded, a local folder, or a Hugging Face id such as Qwen/Qwen3-0.6B",
    )
    revision: str | None = Field(default=None, description="revision on the Hub")
    layers: int | None = Field(
        default=None,
        ge=2,
        description="keep so many of the model's layers, those that do most, for speed; all if unset",
    )
    tools_in_prompt: bool = Field(default=False, description="true for tools that change after training")
    system_prompt: str = Field(default="", description="put before every conversation")
    context: Literal["auto", "none", "full"] = Field(
        default="auto",
        description="what it reads of production's system prompts: auto (what varies), none or full",
    )


class TrainingSpec(Section):
    """How it is trained."""

    mix: Literal["synthetic", "synthetic+seeds", "synthetic+seeds+context"] = Field(
        default="synthetic+seeds", description="synthetic, synthetic+seeds or synthetic+seeds+context"
    )
    method: Literal["lora", "full"] = Field(default="full", description="full or lora")
    lora_rank: Positive = Field(default=64, description="size of the LoRA adapters")
    trained_layers: Positive | None = Field(
        default=None,
        description="train only the last so many, at less cost; all, and the embeddings, if unset",
    )
    epochs: float = Field(default=3.0, gt=0, description="times that every logged row is seen")
    synthetic_epochs: float = Field(
        default=1.0, ge=0, description="times that synthetic rows are seen, before the logged ones"
    )
    least_seen: Count = Field(
        default=1500, description="rows that are seen at least, repeats counted: few rows are seen more often"
    )
    learning_rate: float = Field(default=1e-4, gt=0, description="at its highest")
    batch_size: Positive = Field(default=16, description="rows in one step")
    max_length: Positive = Field(default=512, description="tokens; longer rows are cut")
    warmup_ratio: Share = Field(
        default=0.05, description="share of the steps in which the learning rate rises"
    )
    save_every_steps: Positive = Field(default=50, description="a killed training goes on from the last save")
    gpu_free: Share = Field(default=0.8, description="training waits until this much of its GPU is free")
    seed: Seed = 0


class ExportSpec(Section):
    """The GGUF files to make, beside the one in f16."""

    quantizations: tuple[Literal["Q8_0", "Q4_K_M", "Q5_K_M", "Q6_K"], ...] = Field(
        default=("Q8_0", "Q4_K_M"), description="of Q8_0, Q6_K, Q5_K_M, Q4_K_M"
    )
    primary: str = Field(
        default="Q8_0", description="the file that the model card and lineage call the model"
    )
    probes: Positive = Field(
        default=48, description="requests on which each file's answers are compared with the checkpoint's"
    )


class ServingSpec(Section):
    """A vLLM server that the run starts for the student."""

    executable: Executable = "vllm serve"
    arguments: Arguments = ()


class EvaluationSpec(Section):
    """What is measured on the test."""

    max_new_tokens: Positive = Field(default=128, description="an answer is cut there")
    few_shot: Count = Field(default=8, description="examples shown to the few-shot teacher")
    confidence: float = Field(default=0.95, gt=0, lt=1, description="of the intervals")
    target_precision: float = Field(
        default=0.98, gt=0, lt=1, description="share of right answers among those that count as confident"
    )
    bootstrap: Positive = Field(default=2000, description="resamples for differences")
    vllm: ServingSpec | None = Field(
        default=None, description="{executable: /opt/vllm/bin/vllm serve}: the test by a vLLM server as well"
    )
    seed: Seed = 0


GateName = Literal[
    "enough_traces",
    "quarantine_share",
    "context_kept",
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


class GateSpec(Section):
    """Limits that stop a run."""

    min_traces: Count = Field(default=50, description="traces in the log")
    max_quarantined: Share = Field(default=0.2, description="share of rows that could not be read")
    max_context_lost: Share = Field(
        default=0.05,
        description="share of an argument's values that stand only in system prompts the student never reads",
    )
    min_seeds: Count = Field(default=20, description="examples to imitate")
    min_seed_yield: Share = Field(default=0.1, description="share of judged calls that passed")
    max_unjudged: Share = Field(default=0.02, description="share of verdicts that could not be read")
    min_judge_kappa: Share = Field(
        default=0.4, description="judge's agreement with labels.jsonl beyond chance; 0: not asked for"
    )
    max_leaks: Count = Field(default=0, description="test requests found in what is learned from")
    leak_similarity: Share = Field(default=0.95, description="similarity that counts as found")
    min_synthetic_validity: Share = Field(
        default=1.0, description="share of synthetic calls that fit the tools"
    )
    min_cell_coverage: Share = Field(default=0.5, description="share of the plan's cells at least half full")
    max_truncated: Share = Field(default=0.01, description="share of training rows cut")
    min_loss_drop: Share = Field(default=0.1, description="the loss must fall by this share")
    min_parity: Share = Field(
        default=0.9, description="share of answers that a GGUF file has in common with the checkpoint"
    )
    soft: tuple[GateName, ...] = Field(
        default=("judge_agrees",), description="gates that only warn, such as [seed_yield, gguf_parity]"
    )


class AutomationSpec(Section):
    """When the schedule and the sensor ask for a run, once they are turned on in Dagster."""

    new_traces: Positive = Field(
        default=1000, description="the sensor waits for this many traces since the last run's window"
    )
    window_days: Positive = Field(default=7, description="the weekly schedule takes this many days")
