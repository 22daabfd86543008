"""Trains one student in a process of its own.

The trainer resource starts `python -m distil_dag.entrypoints.train FOLDER` through Dagster Pipes. For several
devices the command is `accelerate launch [options] -m distil_dag.entrypoints.train FOLDER`. Both can be run
by hand; progress then goes to standard error.

FOLDER holds `job.json` and `rows.parquet`. Checkpoints, `model/` and `report.json` are written beside them.
SIGTERM or SIGINT ends the training with the last checkpoint kept, and the same command goes on from there.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Self

import pyarrow as pa
import pyarrow.parquet as pq
from dagster_pipes import open_dagster_pipes
from pydantic import BaseModel, ConfigDict, ValidationError

from distil_dag.adapters.system.openmp import share_cores
from distil_dag.adapters.system.processes import ProcessMark
from distil_dag.adapters.system.versions import training_environment
from distil_dag.core.case import Example
from distil_dag.core.context import NOTHING, ContextRule
from distil_dag.core.files import write_whole
from distil_dag.core.reports.training import TrainReport
from distil_dag.core.settings import StudentSpec, TrainingSpec
from distil_dag.core.toolset import Toolset
from distil_dag.entrypoints.gpu_memory import current_gpu, wait_for_memory
from distil_dag.runs.errors import may_pass, reason
from distil_dag.stages.ports import Progress
from distil_dag.stages.progress import paced
from distil_dag.stages.training import sft

_JOB_FILE = "job.json"
_ROWS_FILE = "rows.parquet"
PROBLEM = "problem.json"
# Number of the process that waits for the result. When it has ended, the training ends too.
PARENT_VARIABLE = "DISTIL_DAG_TRAIN_FOR"
_GPU_SECONDS = 120.0


class TrainingJob(BaseModel):
    """Everything that a training takes besides its rows.

    Attributes:
        student: Settings of the student.
        training: Settings of the training.
        tools: Tool definitions in OpenAI's form.
        description: The task's description.
        base: Folder of the weights to start from.
        base_name: Identity of those weights.
        context: What prompts keep of production's system turns.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    student: StudentSpec
    training: TrainingSpec
    tools: list[dict[str, Any]]
    description: str = ""
    base: str
    base_name: str
    context: ContextRule = NOTHING

    def write(self, folder: Path, rows: Sequence[Example]) -> None:
        """Write the job and its rows into `folder`, where this module's command finds them."""
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / _JOB_FILE, self.model_dump_json(indent=2).encode())
        table = io.BytesIO()
        pq.write_table(pa.Table.from_pylist([row.row() for row in rows]), table)
        write_whole(folder / _ROWS_FILE, table.getvalue())


class Problem(BaseModel):
    """Why a training failed.

    Attributes:
        reason: What happened.
        may_pass: Whether a further try may succeed without a change.
    """

    reason: str
    may_pass: bool

    @classmethod
    def of(cls, folder: Path) -> Self | None:
        """The problem of the last training in a folder; None where it left none, as one that was killed."""
        try:
            return cls.model_validate_json((folder / PROBLEM).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None


def run(folder: Path, job: TrainingJob, progress: Progress) -> TrainReport:
    """Train on the rows of `folder`.

    Args:
        folder: Holds `rows.parquet`; checkpoints, model and report are written there.
        job: What to train.
        progress: Called as the training goes on.

    Returns:
        The report, which is also written to `folder`.
    """
    rows = [Example.from_row(row) for row in pq.read_table(folder / _ROWS_FILE).to_pylist()]
    toolset = Toolset.from_openai(job.tools, job.description)
    return sft.train(
        rows,
        toolset,
        job.student,
        job.training,
        Path(job.base),
        folder,
        progress,
        job.base_name,
        training_environment(),
        job.context,
    )


def main() -> None:
    """Run the job in the folder that the command line names."""
    share_cores()
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / _JOB_FILE).is_file():
        sys.exit(f"usage: python -m distil_dag.entrypoints.train FOLDER, where FOLDER holds {_JOB_FILE}")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    _end_with(os.environ.get(PARENT_VARIABLE))
    _quieten()
    with _log() as log:
        folder = Path(sys.argv[1])
        job = TrainingJob.model_validate_json((folder / _JOB_FILE).read_text())
        wait_for_memory(current_gpu, job.training.gpu_free, _GPU_SECONDS, log.info)
        with _problem_noted(folder):
            report = run(folder, job, paced(log.info, "training"))
        log.info(
            f"trained on {report.rows} rows, {report.steps} steps, "
            f"last loss {report.loss[-1][1]:.3f}, {report.seconds:.0f} s"
        )


@contextmanager
def _problem_noted(folder: Path) -> Iterator[None]:
    """Leave the reason of a failure for the process that waits."""
    try:
        yield
    except Exception as error:
        problem = Problem(reason=reason(error), may_pass=may_pass(error))
        write_whole(folder / PROBLEM, problem.model_dump_json().encode())
        raise


@contextmanager
def _log() -> Iterator[logging.Logger]:
    """The Dagster run's log in the first process of a launch, silence in the others."""
    if int(os.environ.get("RANK", "0")) > 0:
        silent = logging.getLogger("distil_dag.silent")
        silent.disabled = True
        yield silent
    elif "DAGSTER_PIPES_CONTEXT" in os.environ:
        with open_dagster_pipes() as pipes:
            yield pipes.log
    else:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        yield logging.getLogger("distil_dag.train")


def _end_with(parent: str | None) -> None:
    """End this process soon after `parent` has ended, even when that was killed.

    A launcher may stand between the two processes. A signal to the parent alone reaches neither.
    """
    if not parent:
        return
    mark = ProcessMark.of(int(parent))

    def watch() -> None:
        while mark and mark.alive():
            time.sleep(1.0)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _quieten() -> None:
    """No progress bars in a log, and no telemetry."""
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()


def _stop(number: int, _: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
