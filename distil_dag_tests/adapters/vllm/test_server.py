"""A managed server is started once for a run, and nothing of it outlives the run."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from distil_dag.adapters.system.locks import locked
from distil_dag.adapters.system.processes import ProcessMark, session
from distil_dag.adapters.vllm import lease as server_lease
from distil_dag.adapters.vllm.lease import ServerLease, Servers, clean_up
from distil_dag.adapters.vllm.record import RECORD_FILE, START_LOCK, ServerRecord
from distil_dag.adapters.vllm.server import ServerError, command
from distil_dag.core.settings import ModelSpec
from distil_dag_tests.paths import FAKE_VLLM

# A process of its own that uses the server until it is ended.
_USER = """
import sys, time
from pathlib import Path
from distil_dag.adapters.vllm.lease import Servers
from distil_dag.core.settings import ModelSpec
from distil_dag.core.settings import ModelSpec

root, spec, run = Path(sys.argv[1]), ModelSpec.model_validate_json(sys.argv[2]), sys.argv[3]
with Servers(root, run).lease(spec) as lease:
    record = lease.ready()
    print(record.supervisor.pid, record.processes[0].pid, record.starts, flush=True)
    time.sleep(600)
"""


def spec(fault: str = "none", **settings: object) -> ModelSpec:
    arguments = ("--fault", fault)
    return ModelSpec.model_validate(
        {
            "mode": "managed",
            "model": "a/model",
            "executable": f"{sys.executable} {FAKE_VLLM}",
            "arguments": arguments,
        }
        | settings
    )


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    mine = Servers(tmp_path / "servers", "run", idle_seconds=60)
    yield mine
    mine.release()
    for record in mine.root.glob(f"*/*/{RECORD_FILE}"):
        found = ServerRecord.read(record.parent)
        assert found
        assert not [mark for mark in found.processes if mark.alive()]


def until(what: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


def record_of(servers: Servers) -> ServerRecord:
    (path,) = servers.root.glob(f"*/*/{RECORD_FILE}")
    record = ServerRecord.read(path.parent)
    assert record is not None
    return record


def whole(lease: ServerLease) -> tuple[ServerRecord, list[ProcessMark]]:
    """A ready server with both of its processes."""
    record = lease.ready()
    until(lambda: len(session(record.processes[0].pid)) == 2)
    return record, session(record.processes[0].pid)


def user(servers: Servers, run: str = "run") -> tuple[subprocess.Popen[str], tuple[int, int, int]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _USER, str(servers.root), spec().model_dump_json(), run],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    supervisor, server, starts = map(int, process.stdout.readline().split())
    return process, (supervisor, server, starts)


def test_the_model_is_named_as_each_entry_point_takes_it() -> None:
    attributes = {"model": "a/b", "revision": "r1", "arguments": ("--dtype", "auto")}
    served = command(spec(executable="vllm serve", **attributes), 8000)
    address = ["--host", "127.0.0.1", "--port", "8000"]
    assert served == ["vllm", "serve", "a/b", "--revision", "r1", *address, "--dtype", "auto"]
    module = command(spec(executable="py -m vllm.entrypoints.openai.api_server", **attributes), 8000)
    assert module[3:7] == ["--model", "a/b", "--revision", "r1"]


@pytest.mark.parametrize("argument", ["--api-key=s3cret", "--port", "--host", "--served_model_name"])
def test_arguments_that_are_not_the_users_are_refused(argument: str, servers: Servers) -> None:
    with pytest.raises(ValueError, match="must not hold"):
        servers.lease(spec(arguments=(argument, "1")))


def test_the_key_is_in_no_command_line_and_no_log(servers: Servers) -> None:
    with servers.lease(spec()) as lease:
        record, members = whole(lease)
        key = record.key.get_secret_value()
        assert key not in lease.log.read_text()
        assert key not in repr(record)
        for mark in (*members, record.supervisor):
            assert key not in " ".join(psutil.Process(mark.pid).cmdline())
        (path,) = servers.root.glob(f"*/*/{RECORD_FILE}")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        servers.release()
        assert key not in path.read_text()


def test_processes_of_a_run_share_one_start(servers: Servers) -> None:
    users = [user(servers) for _ in range(3)]
    assert len({ids for _, ids in users}) == 1
    with servers.lease(spec()) as lease:
        assert lease.ready().starts == 1
    for process, _ in users:
        process.kill()
        process.wait()
    # It belonged to the first of them, which is gone.
    until(lambda: record_of(servers).state == "stopped")


def test_a_server_that_can_not_start_is_told_at_once_with_its_last_words(servers: Servers) -> None:
    with servers.lease(spec("loading")) as lease:
        with pytest.raises(ServerError, match=r"exit code 3(.|\n)*no such quantisation"):
            lease.ready()
        assert lease.has_failed()
    with (
        servers.lease(spec(executable="/no/such/vllm serve")) as lease,
        pytest.raises(ServerError, match="/no/such/vllm(.|\n)*`executable`"),
    ):
        lease.ready()


def test_release_leaves_no_process_even_of_a_deaf_server(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    with servers.lease(spec("deaf")) as lease:
        record, members = whole(lease)
        # Its supervisor waits half a minute for a server that ends in order; nobody does for a deaf one.
        os.kill(record.supervisor.pid, signal.SIGKILL)
        until(lambda: not record.supervisor.alive())
        assert all(mark.alive() for mark in members)
        servers.release()
        assert not any(mark.alive() for mark in members)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_server_ends_with_its_run(number: signal.Signals, servers: Servers) -> None:
    process, (supervisor, server, _) = user(servers)
    marks = [*session(server), ProcessMark.of(supervisor)]
    process.send_signal(number)
    process.wait()
    until(lambda: not any(mark and mark.alive() for mark in marks))
    assert record_of(servers).reason == "its run has ended"


def test_the_server_ends_with_its_supervisor(servers: Servers) -> None:
    with servers.lease(spec()) as lease:
        record, members = whole(lease)
        os.kill(record.supervisor.pid, signal.SIGKILL)
        until(lambda: not any(mark.alive() for mark in members))
        assert "supervisor" in lease.failure()
        assert lease.ready().supervisor != record.supervisor


def test_a_record_that_names_no_process_is_that_of_a_dying_server(servers: Servers) -> None:
    with servers.lease(spec()) as lease:
        record = lease.ready()
        os.kill(record.supervisor.pid, signal.SIGSTOP)  # or it writes what it sees
        try:
            (path,) = servers.root.glob(f"*/*/{RECORD_FILE}")
            assert not lease.is_dying()
            record.model_copy(update={"processes": ()}).write(path.parent)
            assert lease.is_dying()
            record.write(path.parent)
        finally:
            os.kill(record.supervisor.pid, signal.SIGCONT)


def test_orphans_of_another_run_are_ended_and_nobody_else(servers: Servers, tmp_path: Path) -> None:
    process, (supervisor, server, _) = user(servers, run="earlier")
    stranger = subprocess.Popen([sys.executable, str(FAKE_VLLM), "--host", "127.0.0.1", "--port", "0"])
    members = session(server)
    assert {mark.pid for mark in members} == {mark.pid for mark in record_of(servers).processes}
    assert len(members) == 2
    killed = [ProcessMark.of(pid) for pid in (supervisor, server)]
    # As after a crash of everything but the engine; and a number that is another process's by now.
    # Stopped first: on a busy machine, one that sees another die has time to end the engine itself.
    for how in (signal.SIGSTOP, signal.SIGKILL):
        for pid in (supervisor, process.pid, server):
            os.kill(pid, how)
    process.wait()
    engine = [mark for mark in members if mark.pid != server]
    until(lambda: not any(mark and mark.alive() for mark in killed))
    (path,) = servers.root.glob(f"*/*/{RECORD_FILE}")
    record = ServerRecord.read(path.parent)
    assert record is not None
    late = ProcessMark(pid=stranger.pid, started=record.supervisor.started - 3600)
    record.model_copy(update={"processes": (*record.processes, late)}).write(path.parent)
    try:
        assert [mark.alive() for mark in engine] == [True]
        clean_up(servers.root)
        assert [mark.alive() for mark in engine] == [False]
        assert stranger.poll() is None
    finally:
        stranger.terminate()
        stranger.wait()


def test_two_that_start_do_not_wait_for_each_other(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = ProcessMark(pid=2**22 + 1, started=1.0)
    runs = [Servers(servers.root, name, idle_seconds=60) for name in ("one", "two")]
    for run in runs:
        with run.lease(spec()) as lease:
            ServerRecord(state="stopped", supervisor=gone, port=1, key=SecretStr("")).write(lease.log.parent)
    together = threading.Barrier(2)

    @contextmanager
    def locked_together(path: Path, shared: bool = False) -> Iterator[None]:
        """Each goes on when the other holds a lock as well; a deadlock needs no more."""
        with locked(path, shared):
            if path.name == START_LOCK:
                with suppress(threading.BrokenBarrierError):
                    together.wait(1)
            yield

    monkeypatch.setattr(server_lease, "locked", locked_together)
    states: list[str] = []

    def use(run: Servers) -> None:
        with run.lease(spec()) as lease:
            states.append(lease.ready().state)

    threads = [threading.Thread(target=use, args=[run], daemon=True) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert states == ["ready", "ready"]
    for run in runs:
        run.release()


def test_a_run_that_may_yet_start_its_server_is_not_forgotten(servers: Servers) -> None:
    with servers.lease(spec()) as lease:
        for number in range(25):
            (servers.root / f"later-{number}").mkdir()
            os.utime(servers.root / f"later-{number}", (time.time() + 60 + number,) * 2)
        clean_up(servers.root)
        assert lease.ready().state == "ready"
    assert len(list(servers.root.iterdir())) < 25


def test_a_killed_server_comes_back_at_its_address(servers: Servers) -> None:
    with servers.lease(spec()) as lease:
        first, members = whole(lease)
        os.kill(first.processes[0].pid, signal.SIGKILL)
        until(lambda: record_of(servers).starts == 2 and record_of(servers).state == "ready")
        second = lease.ready()
        assert (second.port, second.key, second.supervisor) == (first.port, first.key, first.supervisor)
        assert not any(mark.alive() for mark in members)


def test_a_restart_that_is_cut_short_is_not_the_end(servers: Servers) -> None:
    with servers.lease(spec(arguments=("--seconds", "1"))) as lease:
        os.kill(lease.ready().processes[0].pid, signal.SIGKILL)
        until(lambda: record_of(servers).starts == 2 and record_of(servers).processes)
        again = record_of(servers)
        assert again.state == "starting"
        os.kill(again.processes[0].pid, signal.SIGKILL)
        until(lambda: record_of(servers).starts == 3)
        assert lease.ready().starts == 3


def test_a_server_that_keeps_dying_is_given_up(servers: Servers) -> None:
    with servers.lease(spec()) as lease:
        starts = 0
        while not lease.has_failed():
            record = record_of(servers) if starts else lease.ready()
            if record.state == "ready" and record.starts > starts:
                starts = record.starts
                os.kill(record.processes[0].pid, signal.SIGKILL)
            time.sleep(0.05)
        assert starts == 7
        assert re.search("by signal 9.*last of 7 times", lease.failure())


def test_a_server_that_nobody_uses_is_ended(servers: Servers) -> None:
    servers.idle_seconds = 1.0
    with servers.lease(spec()) as lease:
        record = lease.ready()
        time.sleep(2)
        assert record_of(servers).state == "ready"
    until(lambda: not record.supervisor.alive())
    assert "nobody used it" in record_of(servers).reason
