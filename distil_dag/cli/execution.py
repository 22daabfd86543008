"""One run of the chain in this process, on the instance and under the job that the UI shows."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from distil_dag.adapters.system.locks import locked
from distil_dag.automation.jobs import PROMOTE
from distil_dag.cli.errors import CommandError
from distil_dag.resources.asset_defaults import PARTITION_TAG, RUNS, TASKS
from distil_dag.resources.dead_runs import ENDED, IN_FLIGHT, bury_dead_runs, keep_alive
from distil_dag.resources.deployment import Deployment

_MODULE = "distil_dag.definitions"
_UNWANTED = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED)
# How often a run at work looks for others that were killed: no daemon may be there to do it.
_BURY_SECONDS = 30.0
# Dagster writes every event to the console as well; the event log is what is shown.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

Watch = Callable[[list[dg.EventLogEntry]], None]


def execute(
    instance: dg.DagsterInstance,
    places: Deployment,
    key: str,
    run_config: Mapping[str, object],
    watch: Watch,
) -> dg.DagsterRun:
    """Run the chain to its end and return the finished run; `watch` gets its events as they come.

    An interrupt ends the run's steps and marks it as canceled.

    Raises:
        CommandError: a run of the same key is under way.
    """
    with _alone(places.home / "locks" / f"{key}.lock"):
        bury_dead_runs(instance, places.home)
        _refuse_second(instance, key)
        instance.add_dynamic_partitions(str(RUNS.name), [key])
        job = _job("distil_run")
        # Whoever started it here will start it again; the daemon need not.
        tags = {PARTITION_TAG: key, "dagster/max_retries": "0"}
        run = _create(instance, places, job, run_config, tags)
        with (
            _interrupts() as interrupts,
            _watching(instance, places.home, run.run_id, watch, interrupts),
            # An interrupt shows in the run's own status.
            suppress(KeyboardInterrupt, dg.DagsterExecutionInterruptedError),
        ):
            execute_run(job, run, instance)
        finished = instance.get_run_by_id(run.run_id)
        assert finished is not None
        if finished.status not in ENDED:
            instance.report_run_canceled(finished, message="interrupted")
        return finished


def materialize_leaderboard(instance: dg.DagsterInstance, places: Deployment) -> None:
    """Materialize the leaderboard: without a daemon nobody else would."""
    job = _job("refresh_leaderboard")
    execute_run(job, _create(instance, places, job, {}, {}), instance)


def materialize_champion(
    instance: dg.DagsterInstance, places: Deployment, task: str, config: Mapping[str, object]
) -> dg.DagsterRun:
    """Materialize the champion of a task, and return the finished run.

    Args:
        instance: The Dagster instance.
        places: Where the installation keeps its things.
        task: Name of the task.
        config: Of the asset; see `assets/champion.py`.
    """
    instance.add_dynamic_partitions(str(TASKS.name), [task])
    job = _job(PROMOTE)
    made = _create(instance, places, job, {"ops": {"champion": {"config": config}}}, {PARTITION_TAG: task})
    execute_run(job, made, instance)
    finished = instance.get_run_by_id(made.run_id)
    assert finished is not None
    return finished


def _create(
    instance: dg.DagsterInstance,
    places: Deployment,
    job: ReconstructableJob,
    run_config: Mapping[str, object],
    tags: Mapping[str, str],
) -> dg.DagsterRun:
    run_id = str(uuid.uuid4())
    keep_alive(places.home, run_id)
    return instance.create_run_for_job(
        job_def=job.get_definition(),
        run_id=run_id,
        run_config={**run_config, **_QUIET},
        tags=tags,
        remote_job_origin=_origin(job.job_name),
        job_code_origin=job.get_python_origin(),
    )


def _job(name: str) -> ReconstructableJob:
    repository = ReconstructableRepository.for_module(_MODULE, "defs", working_directory=os.getcwd())
    return repository.get_reconstructable_job(name)


def _origin(job_name: str) -> RemoteJobOrigin:
    """Where the UI, started with `-m distil_dag.definitions`, finds this job."""
    target = LoadableTargetOrigin(
        executable_path=sys.executable, module_name=_MODULE, working_directory=os.getcwd()
    )
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, location_name=_MODULE)
    return RemoteRepositoryOrigin(location, "__repository__").get_job_origin(job_name)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Holds a key for this process; the system lets go of it however the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(locked(path, wait=False))
        except BlockingIOError:
            said = f"{path.stem} is already being run by another distil-dag process"
            raise CommandError(said, exit_code=1) from None
        yield


def _refuse_second(instance: dg.DagsterInstance, key: str) -> None:
    others = instance.get_runs(dg.RunsFilter(statuses=IN_FLIGHT, tags={PARTITION_TAG: key}), limit=1)
    if others:
        raise CommandError(
            f"{key} is already under way as Dagster run {others[0].run_id}. Wait for it, or terminate it "
            "in the UI (`distil-dag ui`), then run it again.",
            exit_code=1,
        )


@contextmanager
def _interrupts() -> Iterator[socket.socket]:
    """A socket that turns readable at Ctrl-C and SIGTERM, which mean the same here.

    Dagster has its own handlers while a run lasts, so a handler would not hear of them.
    """
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    wakeup = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    try:
        yield ours
    finally:
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGTERM, before)
        ours.close()
        theirs.close()


@contextmanager
def _watching(
    instance: dg.DagsterInstance, home: Path, run_id: str, watch: Watch, interrupts: socket.socket
) -> Iterator[None]:
    """Hands over new events of the run from a thread, and all that are left at the end.

    Runs that were killed meanwhile are buried, so that their places in pools come free.

    Who ends the run in the UI ends it here: the process is interrupted as by Ctrl-C.
    """
    done = threading.Event()

    def follow() -> None:
        cursor: str | None = None
        interrupted = False
        buried = time.monotonic()
        while True:
            readable, _, _ = select.select([interrupts], [], [], 0.5)
            if readable and interrupts.recv(64):
                interrupted = True
                _cancel(instance, run_id)
            last = done.is_set()
            if time.monotonic() - buried > _BURY_SECONDS:
                bury_dead_runs(instance, home)
                buried = time.monotonic()
            records = instance.get_records_for_run(run_id, cursor=cursor)
            cursor = records.cursor
            watch([record.event_log_entry for record in records.records])
            if last and not records.has_more:
                return
            run = instance.get_run_by_id(run_id)
            if not (last or interrupted) and run and run.status in _UNWANTED:
                # Once: another interrupt would break off what the first one has the steps tidy up.
                interrupted = True
                os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=30)


def _cancel(instance: dg.DagsterInstance, run_id: str) -> None:
    """Say that the end is wanted; Dagster takes it for a failure otherwise."""
    run = instance.get_run_by_id(run_id)
    if run and run.status in (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED):
        instance.report_run_canceling(run, message="Interrupted in the terminal.")
