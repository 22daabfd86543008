"""Fine-tuning in a subprocess, as a Dagster resource."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
from dagster._core.errors import DagsterPipesExecutionError
from pydantic import Field

from distil_dag.adapters.checkpoints.base_weights import base_checkpoint, layers_of
from distil_dag.adapters.system.malloc import keeping_memory
from distil_dag.core.case import Example
from distil_dag.core.files import write_whole
from distil_dag.core.reports.training import TrainReport
from distil_dag.core.task import Task
from distil_dag.entrypoints.train import PARENT_VARIABLE, PROBLEM, Problem, TrainingJob
from distil_dag.runs.earlier_round import EarlierStudent
from distil_dag.stages.student.draft_model import FILE, DraftModel
from distil_dag.stages.training.layer_pruning import refuse_deeper
from distil_dag.stages.training.sft import MODEL, REPORT, fingerprint

_KEPT = 3


class TrainerResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Trains students on this machine, each in a process whose memory is free afterwards.

    A training works in a folder that is named by everything that decides its result. One that was killed goes
    on there from its last checkpoint. One that had finished is not done again.
    """

    work_root: str = Field(description="A local folder for base weights and trainings under way")
    python: str = Field(default=sys.executable, description="The interpreter that has torch and TRL")
    launcher: list[str] = Field(
        default=[],
        description="What stands before the module, e.g. `[accelerate, launch, --num_processes, '4']`; "
        "the interpreter if empty",
    )

    def base(self, task: Task) -> tuple[Path, str]:
        """Folder and identity of the student before training; downloaded or unpacked if need be."""
        return base_checkpoint(task.settings.student, Path(self.work_root) / "base")

    def train(
        self,
        context: dg.AssetExecutionContext,
        rows: Sequence[Example],
        task: Task,
        start: EarlierStudent | None = None,
    ) -> tuple[TrainReport, Path]:
        """Train the task's student on the rows; progress goes to the run's log.

        Args:
            context: The asset's step.
            rows: The training rows, in order.
            task: The frozen task.
            start: The student of an earlier run to start from; None to start from the base.

        Returns:
            The report, and the model's folder.

        Raises:
            dg.Failure: The process fails.
            ValueError: The base has fewer layers than the student needs.
            FileNotFoundError: There is no such base.
        """
        settings, student = task.settings, task.settings.student
        base, name = (start.folder, start.identity) if start else self.base(task)
        if start:
            student = student.model_copy(update={"layers": None})  # pruned before its first training
        elif student.layers:
            # The training process would too, but only after its start.
            refuse_deeper(student.layers, layers_of(base), name)
        mark = fingerprint(rows, task.toolset, student, settings.training, name, task.context)
        folder = Path(self.work_root) / "training" / mark
        job = TrainingJob(
            student=student,
            training=settings.training,
            tools=list(task.tools),
            description=task.description,
            base=str(base),
            base_name=name,
            context=task.context,
        )
        job.write(folder, rows)
        context.log.info(f"training in {folder}, base {name}")
        self._run(context, folder)
        report = TrainReport.model_validate_json((folder / REPORT).read_text())
        if start:
            # It may still give answers that it learned in earlier rounds.
            habits = DraftModel.fit([*start.rows, *rows], task.toolset)
            write_whole(folder / MODEL / FILE, habits.dumps().encode())
        _forget_older(folder)
        return report.model_copy(update={"continues": task.continues}), folder / MODEL

    def _run(self, context: dg.AssetExecutionContext, folder: Path) -> None:
        command = [*(self.launcher or [self.python]), "-m", "distil_dag.entrypoints.train", str(folder)]
        # The base is a local folder, so nothing is fetched from a hub.
        environment = {
            PARENT_VARIABLE: str(os.getpid()),
            "HF_HUB_OFFLINE": "1",
            **keeping_memory(os.environ),
        }
        client = dg.PipesSubprocessClient(env=environment)
        (folder / PROBLEM).unlink(missing_ok=True)
        try:
            client.run(context=context, command=command)
        except DagsterPipesExecutionError as error:
            problem = Problem.of(folder)
            said = problem.reason if problem else f"The training process failed ({error})"
            raise dg.Failure(
                description=f"{said}. The process's output is in this step's stderr. The last checkpoint "
                f"stays in {folder}, and the next try goes on from it.",
                allow_retries=problem is None or problem.may_pass,
            ) from error


def _forget_older(folder: Path) -> None:
    """Keep the newest finished trainings beside this one; unfinished ones may be resumed."""
    finished = [path.parent for path in folder.parent.glob(f"*/{REPORT}")]
    finished.sort(key=lambda path: (path / REPORT).stat().st_mtime, reverse=True)
    for path in finished[_KEPT:]:
        shutil.rmtree(path, ignore_errors=True)
