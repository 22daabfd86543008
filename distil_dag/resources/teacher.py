"""The chat models of a task, as a Dagster resource."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg
from pydantic import Field

from distil_dag.adapters.chat_models import open_chat
from distil_dag.core.task import JudgeSpec, ModelSpec
from distil_dag.stages.ports import ChatModel

Panel = tuple[ChatModel, list[ChatModel], ChatModel | None]


class TeacherResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Teachers, judges and labellers, each behind a cache of its calls."""

    cache_root: str = Field(description="A local folder that keeps the replies of all models, across runs")

    @contextmanager
    def chat(self, spec: ModelSpec) -> Iterator[ChatModel]:
        """The model that `spec` describes; its memory is free again after the block."""
        with open_chat(spec, Path(self.cache_root)) as model:
            yield model

    @contextmanager
    def panel(self, model: ModelSpec, spec: JudgeSpec) -> Iterator[Panel]:
        """Judge, labellers and arbiter (None where the judge picks), for the length of the block."""
        with ExitStack() as models:
            judge = models.enter_context(self.chat(model))
            committee = [models.enter_context(self.chat(member)) for member in spec.committee]
            arbiter = models.enter_context(self.chat(spec.arbiter)) if spec.arbiter else None
            yield judge, committee, arbiter
