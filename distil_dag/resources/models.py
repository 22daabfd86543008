"""The chat models of a task, as a Dagster resource."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg
from pydantic import Field, PrivateAttr

from distil_dag.adapters.chat.meter import Meter
from distil_dag.adapters.chat.open_chat import open_chat
from distil_dag.adapters.vllm.lease import Servers
from distil_dag.adapters.vllm.server import ServerError
from distil_dag.core.settings import JudgeSpec, ModelSpec
from distil_dag.stages.ports import ChatModel

Panel = tuple[ChatModel, list[ChatModel], ChatModel | None]


class ModelsResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Teachers, judges and labellers, each behind a cache of its calls.

    The servers of managed models are started when the first call needs them, shared by the steps of
    a Dagster run, and ended with it; :meth:`release` ends them before. Their records and logs lie in
    `servers`, beside the cache.
    """

    cache_root: str = Field(description="A local folder that keeps the replies of all models, across runs")
    _servers: Servers | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Servers belong to the Dagster run; what they are waited for goes to its log."""
        self._servers = self._of(context.run.run_id if context.run else None)
        if context.log is not None:
            self._servers.say = context.log.info

    @property
    def servers(self) -> Servers:
        """The managed servers of this run; outside of Dagster, of this process."""
        if self._servers is None:
            self._servers = self._of(None)
        return self._servers

    @contextmanager
    def chat(self, spec: ModelSpec, meter: Meter | None = None) -> Iterator[ChatModel]:
        """The model that `spec` describes; its memory is free again after the block.

        With a `meter`, calls that the cache can't answer are counted and kept within the budget.

        A managed server's memory is free after the run, or after :meth:`release`. Raises dg.Failure,
        not to be retried, when such a server does not come up or dies too often.
        """
        try:
            with open_chat(spec, Path(self.cache_root), self.servers, meter) as model:
                yield model
        except ServerError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error

    @contextmanager
    def panel(self, model: ModelSpec, spec: JudgeSpec, meter: Meter | None = None) -> Iterator[Panel]:
        """Judge, labellers and arbiter (None where the judge picks), for the length of the block."""
        with ExitStack() as models:
            judge = models.enter_context(self.chat(model, meter))
            committee = [models.enter_context(self.chat(member, meter)) for member in spec.committee]
            arbiter = models.enter_context(self.chat(spec.arbiter, meter)) if spec.arbiter else None
            yield judge, committee, arbiter

    def release(self) -> None:
        """End the run's managed servers, whose memory is then free for other work."""
        if count := self.servers.release():
            self.servers.say(f"ended {count} model server{'s' if count > 1 else ''} of this run")

    def metadata(self) -> dict[str, dg.MetadataValue]:  # type: ignore[type-arg]
        """Links to the logs of the servers that this step has used."""
        logs = self.servers.logs.items()
        return {f"log of {model}": dg.MetadataValue.url(log.as_uri()) for model, log in logs}

    def _of(self, run: str | None) -> Servers:
        return Servers(
            root=Path(self.cache_root).absolute().parent / "servers",
            run=run or f"process-{os.getpid()}",
        )
