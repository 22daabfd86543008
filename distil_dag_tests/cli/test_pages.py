"""The page server as real processes: what it shows, what it refuses, and that it stands beside Dagster."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import yaml

from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.system.processes import ProcessMark, end, session
from distil_dag.resources.pages import pages_port, pages_url, port_file
from distil_dag_tests.conftest import free_port
from distil_dag_tests.paths import ROOT

RUN = "home.first"
SECRET = "not for the browser"
PROGRAM = [sys.executable, "-c", "from distil_dag.cli import main; main()"]


@pytest.fixture
def filled(home: Path) -> Path:
    """An installation with a run, its logs, and files that are nobody's business."""
    store = RunStore(home / "store")
    store.write_bytes(RUN, "eval_report", "report.html", b"<h1>91 %</h1>")
    store.write_bytes(RUN, "eval_report", "report.md", b"**91 %**")
    store.write_bytes(RUN, "eval_report", "test.jsonl", SECRET.encode())
    store.write_bytes(RUN, "traces", "report.json", SECRET.encode())
    store.write_bytes("no key", "eval_report", "report.html", SECRET.encode())
    store.write_bytes("first", "eval_report", "report.html", b"<h1>of the only task</h1>")
    server = home / "servers" / "run-id" / "a_model"
    server.mkdir(parents=True)
    (server / "vllm.log").write_text("loading\n")
    (server / "server.json").write_text(SECRET)
    (home / "logs").mkdir()
    (home / "logs" / f"{RUN}.log").write_bytes(b"10 %\r90 %\n<script>\x1b[2J\xff\n")
    (home / "tasks.txt").write_text(SECRET)
    return home


def get(port: int, path: str, method: str = "GET", host: str = "") -> tuple[int, dict[str, str], str]:
    """Status, headers and text; the path goes out as it is, with all its dots."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host or f"127.0.0.1:{port}")
        connection.endheaders()
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, answer.read().decode()
    finally:
        connection.close()


@contextmanager
def started(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
    try:
        yield process
    finally:
        assert not end(session(process.pid), patience=10.0)
        process.wait()


def until(done: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not (found := done()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def until_served(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return get(port, "/installation")[0] == 200
        except OSError:
            return False

    assert until(answers, 60), log.read_text()


@pytest.fixture
def server(filled: Path, tmp_path: Path) -> Iterator[int]:
    with started([*PROGRAM, "pages"], tmp_path / "log") as process:
        port = pages_port(filled)
        until_served(port, process, tmp_path / "log")
        yield port


def test_reports_and_logs_are_shown_and_nothing_else(server: int) -> None:
    status, headers, page = get(server, "/")
    assert status == 200
    for link in (f"/runs/{RUN}/report.html", f"/runs/{RUN}/log.txt", "/servers/run-id/a_model/vllm.log"):
        assert f'href="{link}"' in page
        assert get(server, link)[0] == 200
    assert "no key" not in page
    assert "no%20key" not in page
    assert "report.json" not in page, "it was not written"

    assert get(server, f"/runs/{RUN}/report.html")[2] == "<h1>91 %</h1>"
    assert get(server, "/runs/first/report.html")[0] == 200, "the key of an only task may do without its name"
    status, headers, log = get(server, f"/runs/{RUN}/log.txt")
    assert log == "10 %\n90 %\n<script>\\u001b[2J\N{REPLACEMENT CHARACTER}\n"
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert get(server, "/", "HEAD")[0] == 200
    for method in ("POST", "PUT", "DELETE"):
        assert get(server, f"/runs/{RUN}/report.html", method)[0] == 405

    status, _, told = get(server, f"/runs/{RUN}/model-card.md")
    assert status == 404
    assert "materialize `gguf`" in told.replace("&#39;", "'")

    up = ("..", "%2e%2e", "%2E.", "..%00")
    paths = [
        *(f"/runs/{RUN}/{name}" for name in ("test.jsonl", "task.json", "../traces/report.json", "", *up)),
        *(f"/runs/{RUN}%2f{dots}%2f{RUN}/report.html" for dots in up),
        *(f"/runs/{dots}/report.html" for dots in up),
        *(f"/runs/{dots}%2ftasks.txt/log.txt" for dots in up),
        *(f"/servers/{dots}{slash}tasks.txt" for dots in up for slash in ("/", "%2f", "%5c")),
        "/servers/run-id/a_model/server.json",
        "/servers//etc/passwd",
        "/servers/%2fetc%2fpasswd",
        "//etc/passwd",
        "/runs/no%20key/report.html",
        "/runs/other.first/report.html",
        f"/runs/{RUN}%0a/report.html",
        "/../tasks.txt",
    ]
    for path in paths:
        status, headers, text = get(server, path)
        assert status == 404, path
        assert SECRET not in text, path
        assert "x-content-type-options" in headers

    for host in ("evil.example", "127.0.0.1.evil.example", f"evil.example:{server}", "[", "localhost@evil"):
        status, _, text = get(server, "/", host=host)
        assert status == 421, host
        assert RUN not in text
    for host in ("localhost", f"LOCALHOST:{server}", f"[::1]:{server}"):
        assert get(server, "/", host=host)[0] == 200, host


def test_the_container_of_pages_serves_its_volume_under_the_name_that_links_have(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]
    pages, code = services["pages"], services["code"]
    default = pages["environment"]["DISTIL_DAG_PAGES_URL"]
    assert default == code["environment"]["DISTIL_DAG_PAGES_URL"]
    inside = pages["command"][pages["command"].index("--port") + 1]
    assert pages["ports"] == [f"127.0.0.1:{urlsplit(default.split(':-')[1].rstrip('}')).port}:{inside}"]
    volume = next(volume for volume in code["volumes"] if volume.endswith(":/data"))
    assert pages["volumes"] == [f"{volume}:ro"]
    assert pages["environment"]["DISTIL_DAG_HOME"] == "/data"

    port = free_port()
    command = [str(port) if word == inside else word for word in pages["command"][1:]]
    monkeypatch.setenv("DISTIL_DAG_PAGES_URL", "https://pages.example.org/distil/")
    with started([*PROGRAM, *command], tmp_path / "log") as process:
        until_served(port, process, tmp_path / "log")
        assert get(port, "/", host="pages.example.org")[0] == 200
        assert get(port, "/", host="example.org")[0] == 421
    assert not port_file(filled).exists(), "a volume may be read-only"


@pytest.mark.slow
def test_pages_stand_beside_dagster_and_end_with_it(filled: Path, tmp_path: Path) -> None:
    log, other = tmp_path / "ui.log", tmp_path / "other.log"
    port = pages_port(filled)
    with started([*PROGRAM, "ui", "--port", str(free_port())], log) as ui:
        until_served(port, ui, log)
        assert f"logs: {pages_url(filled)}\n" in log.read_text()
        (child,) = psutil.Process(ui.pid).children()[:1]
        mark = ProcessMark.of(child.pid)
        assert mark
        assert "distil_dag.entrypoints.pages" in child.cmdline()
        with started([*PROGRAM, "ui", "--port", str(free_port())], other):
            assert until(lambda: "served already" in other.read_text(), 60), other.read_text()
        ui.kill()
        assert until(lambda: not mark.alive(), 10)
        with pytest.raises(OSError, match="refused"):
            get(port, "/")


@pytest.mark.slow
def test_dagster_opens_although_the_port_of_its_pages_is_taken(
    filled: Path, tmp_path: Path, taken: int
) -> None:
    port_file(filled).write_text(f"{taken}\n")
    with started([*PROGRAM, "ui", "--port", str(free_port())], tmp_path / "log") as ui:
        assert until(lambda: "cannot be had" in (tmp_path / "log").read_text(), 60)
        said = (tmp_path / "log").read_text()
        assert f"127.0.0.1:{taken}" in said
        assert str(port_file(filled)) in said
        assert ui.poll() is None


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]
