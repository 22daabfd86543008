"""A task: all that a run is made from, and what of it a user writes in `task.yaml`.

A task folder holds `task.yaml`, `job_description.json` (description and tools) and, optionally,
a frozen `test.jsonl`. Reading the folder, with file and line for every mistake, is the work of
`distil_dag.adapters.tasks.folder`; this module only says what is allowed.
"""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from distil_dag.core.case import HeldOut
from distil_dag.core.context import NOTHING, ContextRule
from distil_dag.core.normalise import Normaliser
from distil_dag.core.promotion import PromotionSpec
from distil_dag.core.serving import ServingSettings
from distil_dag.core.settings import (
    AutomationSpec,
    BudgetSpec,
    EvaluationSpec,
    ExportSpec,
    GateSpec,
    JudgeSpec,
    LanguageSpec,
    ModelSpec,
    PriceSpec,
    Section,
    StudentSpec,
    SynthesisSpec,
    TestSpec,
    TrainingSpec,
)
from distil_dag.core.sources import TraceSource
from distil_dag.core.toolset import Toolset

REMOVED: dict[tuple[int | str, ...], str] = {
    ("judge", "reader"): "is gone, as no student was better for it: delete this line, or set `judge.relabel` "
    "to let models correct rejected calls",
}
"""Settings that are gone, and what to do where a file still has them."""


class Settings(Section):
    """The content of `task.yaml`."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
        description="letters, digits, `_` and `-`",
    )
    description: str = Field(default="", description="what the agent does, in a sentence")
    traces: TraceSource = Field(description="where the log of the agent is")
    language: LanguageSpec = LanguageSpec()
    test: TestSpec = TestSpec()
    teacher: ModelSpec = Field(
        default=ModelSpec(), description="The model that judges the log and writes new requests."
    )
    budget: BudgetSpec = BudgetSpec()
    judge: JudgeSpec = JudgeSpec()
    synthesis: SynthesisSpec = SynthesisSpec()
    student: StudentSpec = StudentSpec()
    training: TrainingSpec = TrainingSpec()
    export: ExportSpec = ExportSpec()
    evaluation: EvaluationSpec = EvaluationSpec()
    gates: GateSpec = GateSpec()
    automation: AutomationSpec = AutomationSpec()
    # Not frozen with a run: they say what is done with the student, and change none of its rows.
    serving: ServingSettings = Field(default=ServingSettings(), exclude=True)
    promotion: PromotionSpec = Field(default=PromotionSpec(), exclude=True)

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
    context: ContextRule = Field(
        default=NOTHING,
        exclude_if=lambda rule: rule == NOTHING,
        description="what the student reads of production's system prompts, as the run's log has it",
    )
    labels: dict[str, bool] | None = Field(
        default=None, description="trace id -> is its call right? From `labels.jsonl`; audits the judge"
    )
    warnings: tuple[str, ...] = Field(
        default=(), description="what the folder says and this task does not use, for a person to read"
    )
    folder: str = Field(default="", exclude=True, description="where relative paths start; not frozen")

    @field_validator("settings", mode="before")
    @classmethod
    def _without_removed(cls, settings: Any) -> Any:
        """Runs that were frozen with a setting that is gone stay readable."""
        if not isinstance(settings, dict):
            return settings
        return {
            name: {key: v for key, v in section.items() if (name, key) not in REMOVED}
            if isinstance(section, dict) else section
            for name, section in settings.items()
        }  # fmt: skip

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def toolset(self) -> Toolset:
        return Toolset.from_openai(list(self.tools), self.description)

    @property
    def normaliser(self) -> Normaliser:
        """Tells which requests count as the same one, in the language of the task's users."""
        language = self.settings.language
        return Normaliser(
            language.wake_words + language.fillers,
            language.replies,
            language.references,
            language.connectives,
            self.context,
        )
