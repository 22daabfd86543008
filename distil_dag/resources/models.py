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
from distil_dag.core.settings import JudgeSpec, ModelSpec
from distil_dag.resources.metadata import metadata_key
from distil_dag.resources.pages import log_metadata
from distil_dag.stages.ports import ChatModel

Panel = tuple[ChatModel, list[ChatModel], ChatModel | None]


class ModelsResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Teachers, judges and members of the judge's committee, each behind a cache of its calls.

    The servers of managed models are started by the first call that needs them. The steps of a Dagster run
    share them, and they end with the run, or earlier by :meth:`release`. Their records and logs lie in the
    folder `servers` beside the cache.
    """

    cache_root: str = Field(description="A local folder that keeps the replies of all models, across runs")
    _servers: Servers | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Tie the servers to the Dagster run, and send their messages to its log."""
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
        """Open the model that `spec` describes, for the length of a `with` block.

        The model's memory is free after the block. A managed server's memory is free after the run, or after
        :meth:`release`.

        Args:
            spec: The model's settings.
            meter: Counts the calls that the cache can't answer, and keeps them within the budget.

        Yields:
            The model.

        Raises:
            ServerError: A managed server does not start, or dies too often.
        """
        with open_chat(spec, Path(self.cache_root), self.servers, meter) as model:
            yield model

    @contextmanager
    def panel(self, model: ModelSpec, spec: JudgeSpec, meter: Meter | None = None) -> Iterator[Panel]:
        """Open the models of the judge, for the length of a `with` block.

        Args:
            model: The judge's own model.
            spec: Names the committee and the arbiter.
            meter: Counts the calls.

        Yields:
            The judge, the committee, and the arbiter (None where the judge decides).
        """
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
        """Links to the logs of the servers that this step has used, and their paths."""
        home = self.servers.root.parent
        found: dict[str, dg.MetadataValue] = {}  # type: ignore[type-arg]
        for model, log in self.servers.logs.items():
            found |= log_metadata(
                home, log, metadata_key(f"log of {model}"), log.relative_to(home).as_posix()
            )
        return found

    def _of(self, run: str | None) -> Servers:
        return Servers(
            root=Path(self.cache_root).absolute().parent / "servers",
            run=run or f"process-{os.getpid()}",
        )
