"""Time that Dagster's pages take to open on an installation with many runs.

    python benchmarks/ui_pages.py HOME [--runs 500] [--checks 5000] [--opens 3] [--pictures FOLDER] [--bare]

Copies the home of an installation, and copies the events of its newest run into as many runs, one an hour,
each with a partition of its own. Then it opens the pages in Chromium and prints one JSON object: the seconds
of each page from the request to its content, of which the median counts. Exits 1 where one takes 2 s or more.
`--bare` leaves out all that the project says in metadata: what Dagster's own pages take then.
Needs Playwright, and a Chromium that `CHROMIUM` names.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster_shared.serdes import deserialize_value, serialize_value
from playwright.sync_api import Browser, TimeoutError, sync_playwright  # deptry: ignore[DEP004]

from distil_dag.resources.asset_defaults import PARTITION_TAG, RUNS
from distil_dag.resources.deployment import deployment

_LIMIT = 2.0
_PATIENCE = 30
_KEPT = ("ASSET_MATERIALIZATION", "ASSET_CHECK_EVALUATION_PLANNED", "ASSET_CHECK_EVALUATION")
# Page -> its address and a text that its content shows.
_PAGES = {
    "overview": ("/overview", "distil_run"),
    "runs": ("/runs", "{newest}"),
    "run": ("/runs/{newest_run}", "judged_seeds"),
    "asset graph": ("/asset-groups", "release"),
    "asset": ("/assets/judged_seeds", "{figure}"),
    "its partitions": ("/assets/judged_seeds?view=partitions", "Materialized ("),
    "its events": ("/assets/judged_seeds?view=events", "{newest}"),
    "its checks": ("/assets/judged_seeds?view=checks", "seeds_leak_free"),
    "leaderboard": ("/assets/leaderboard", "leaderboard"),
}


def main() -> None:
    """Fill an instance, open its pages and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--checks", type=int, default=5000)
    parser.add_argument("--opens", type=int, default=3)
    parser.add_argument("--pictures", type=Path, help="folder for a picture of each page")
    parser.add_argument("--bare", action="store_true", help="without the metadata of events")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        shutil.copytree(given.home / "dagster", home / "dagster")
        os.environ |= {"DISTIL_DAG_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
        began = time.monotonic()
        names = fill(given.runs, given.checks, given.bare)
        print(f"filled in {time.monotonic() - began:.0f} s", file=sys.stderr)
        with served() as address, sync_playwright() as playwright:
            chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
            browser = playwright.chromium.launch(executable_path=chromium)
            pages = {
                page: opened(browser, address + path.format(**names), text.format(**names), given.opens,
                             given.pictures and given.pictures / f"{page}.png")
                for page, (path, text) in _PAGES.items()
            }  # fmt: skip
    slow = [page for page, seconds in pages.items() if statistics.median(seconds) >= _LIMIT]
    told = {"benchmark": "ui_pages", "runs": given.runs, **names, "seconds": pages, "slow": slow}
    print(json.dumps(told, indent=2))
    sys.exit(bool(slow))


def fill(runs: int, checks: int, bare: bool) -> dict[str, str]:
    """Copy the newest run; returns the newest partition, the id of its run and how many checks there are."""
    copied = 0
    with deployment().instance() as instance:
        (model,) = instance.get_run_records(dg.RunsFilter(job_name="distil_run"), limit=1)
        run, key = model.dagster_run, model.dagster_run.tags[PARTITION_TAG]
        if bare:
            strip(Path(instance.event_log_storage.path_for_shard(run.run_id)))  # type: ignore[attr-defined]
        events = [
            (event.dagster_event_type, serialize_value(event))
            for event in instance.all_logs(run.run_id)
            if event.is_dagster_event and event.get_dagster_event().event_type_value in _KEPT
        ]
        keys = [f"{key.split('.')[0]}.copy_{n}" for n in range(runs)]
        instance.add_dynamic_partitions(str(RUNS.name), keys)
        ids = [str(uuid.uuid4()) for _ in keys]
        storage = instance.event_log_storage
        assert isinstance(storage, SqliteEventLogStorage)
        for id in ids:
            # Dagster takes half a second to make the database of a run; a copy has the run's whole log too.
            shutil.copy(storage.path_for_shard(run.run_id), storage.path_for_shard(id))
            storage._initialized_dbs.add(id)
        for age, new, id in zip(range(runs, 0, -1), keys, ids, strict=True):
            ended = datetime.now(UTC) - timedelta(hours=age)
            tags = {**run.tags, PARTITION_TAG: new}
            instance.add_run(run._replace(run_id=id, tags=tags, status=dg.DagsterRunStatus.SUCCESS))
            for state in ("PIPELINE_START", "PIPELINE_SUCCESS"):
                told = dg.DagsterEvent(event_type_value=state, job_name=run.job_name)
                instance.run_storage.handle_run_event(id, told, ended)
            for kind, text in events:
                if kind is not dg.DagsterEventType.ASSET_MATERIALIZATION and copied >= checks:
                    continue
                copied += kind is dg.DagsterEventType.ASSET_CHECK_EVALUATION
                copy = deserialize_value(text.replace(run.run_id, id).replace(key, new), dg.EventLogEntry)
                instance.store_event(copy._replace(timestamp=ended.timestamp()))
    # Without metadata a page has no figure, and its history stands in the same place.
    figure = "Materialization" if bare else "nearest_to_the_threshold"
    return {"newest": keys[-1], "newest_run": ids[-1], "checks": str(copied), "figure": figure}


def strip(shard: Path) -> None:
    """Take the metadata out of all events of a run."""
    with closing(sqlite3.connect(shard)) as database, database:
        rows = database.execute("SELECT id, event FROM event_logs").fetchall()
        stripped = ((json.dumps(json.loads(event, object_hook=without_metadata)), id) for id, event in rows)
        database.executemany("UPDATE event_logs SET event = ? WHERE id = ?", stripped)


def without_metadata(value: dict[str, Any]) -> dict[str, Any]:
    """A part of a stored event, its metadata left out."""
    return value | {name: [] for name in ("metadata_entries",) if value.get(name)}


@contextmanager
def served() -> Iterator[str]:
    """The webserver's address, once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["-m", "dagster_webserver", "-m", "distil_dag.definitions", "--port", str(port)]
    server = subprocess.Popen([sys.executable, "-W", "ignore", *command], stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/server_info").close()
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait()


def opened(browser: Browser, address: str, text: str, opens: int, picture: Path | None) -> list[float]:
    """Seconds of each opening of a page, after one that fills the browser's cache."""
    seconds = []
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    for _ in range(opens + 1):
        page = context.new_page()
        began = time.perf_counter()
        page.goto(address, wait_until="commit")
        with suppress(TimeoutError):  # a page that never shows its content counts as slow
            page.get_by_text(text).first.wait_for(timeout=_PATIENCE * 1000)
        seconds.append(round(time.perf_counter() - began, 2))
        if picture:
            page.screenshot(path=picture)
        page.close()
    context.close()
    return seconds[1:]


if __name__ == "__main__":
    main()
