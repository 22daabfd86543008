"""How fast the log comes in, that memory does not grow with it, and that an older checkout reads the same.

    python benchmarks/trace_intake.py [--rows 10000 1000000] [--source jsonl parquet sqlite otlp postgres]
        [--baseline WORKTREE] [--repeat 3] [--distinct] [--prompt 600] [--logs FILE ...] [--json FILE]

Each size is written as a log of chat-completion pairs and loaded by the code of the `traces` asset (dlt,
redaction, schema checks, duplicate ids, quarantine, Parquet) in a process of its own. The floor, in a process
of its own as well, parses the JSON of the same log and keeps nothing.

With `--baseline` the code of another checkout loads the same log too, in turns with this one. The tables of
both must be equal row for row, and so must be what both report. `--logs` compares any files in this way.
Postgres needs a database in DISTIL_DAG_BENCH_POSTGRES, whose table `log` is replaced.

CPU seconds are those of a process and all that it has started, system time included. Prints a table and one
JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import psutil
import trace_logs

ROOT = Path(__file__).parents[1]
TABLES = ("traces", "quarantine")


def intake(path: Path, source: str, store: Path, tools: list[dict[str, Any]]) -> dict[str, Any]:
    """Load a log as the asset does.

    Returns:
        What is reported of the log, and the digest of its traces as `digest`.
    """
    from distil_dag.adapters.logs.intake import Intake
    from distil_dag.adapters.logs.source import log_pipeline, log_source, open_log
    from distil_dag.adapters.run_store import RunStore
    from distil_dag.core.run_key import RunKey
    from distil_dag.core.task import Settings, Task

    where = {"kind": "files", "path": str(path)}
    if source:
        where = trace_logs.settings_of(path, source)
    settings = Settings.model_validate({"name": "benchmark", "traces": where})
    task = Task(settings=settings, description="", tools=tuple(tools))
    key = RunKey.parse("benchmark.all")
    counted = Intake(task, key)
    with log_pipeline(RunStore(store), str(key)) as pipeline:
        pipeline.run(log_source(counted, open_log(task), key), loader_file_format="parquet")
    return {**counted.report().model_dump(), "digest": counted.digest}


def measured(work: str, path: Path, source: str, checkout: Path = ROOT, tools: Path | None = None) -> Any:
    """Do one piece of work in a process of its own, by the code of a checkout.

    Args:
        work: `floor` or `intake`.
        path: the log.
        source: its kind; empty for files that are only compared.
        checkout: the folder of the code.
        tools: a file of tool definitions; without one, the tool of the benchmark's log.

    Returns:
        `rows`, `seconds`, `cpu_seconds`, and peak memory of all its processes together in MB as `peak_mb`.
        For `intake` also the `report` and the `store`.
    """
    store = Path(tempfile.mkdtemp(dir=path.parent if source else None))
    command = [sys.executable, __file__, "--work", work, "--path", str(path), "--store", str(store)]
    command += [*(["--source", source] if source else []), *(["--tools", str(tools)] if tools else [])]
    started = time.perf_counter()
    # Reports list some parts of prompts in the order of a set.
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONHASHSEED": "0"}
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(command, stdout=said, env=environment)
        peak, process = 0, psutil.Process(child.pid)
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            peak = max(peak, _memory(process))
            time.sleep(0.02)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{work} of {path} by {checkout} failed")
        said.seek(0)
        found: dict[str, Any] = json.loads(said.read().splitlines()[-1])
    seconds = {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        # The system's own maximum would begin with the memory of this process, which has started it.
        "peak_mb": peak / 2**20,
    }
    return {**found, **seconds, "store": store}


def differences(ours: Any, theirs: Any) -> list[str]:
    """What differs between two loads of one log: rows in the columns that both have, and what both report."""
    found = []
    for table in TABLES:
        for place, (one, other) in enumerate(zip_longest(_rows(ours, table), _rows(theirs, table))):
            if one is None or other is None or any(one[name] != other[name] for name in one.keys() & other):
                found.append(f"{table}, row {place}: {one} is not {other}")
                break
    # A digest is one of all columns.
    for name in (ours["report"].keys() & theirs["report"].keys()) - {"digest"}:
        if ours["report"][name] != theirs["report"][name]:
            found.append(f"{name}: {ours['report'][name]} is not {theirs['report'][name]}")
    return found


def _rows(load: Any, table: str) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    for path in sorted((load["store"] / "benchmark.all" / "traces" / table).glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()


def _memory(process: psutil.Process) -> int:
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.Error:
        return 0
    return total


def work(given: argparse.Namespace) -> dict[str, Any]:
    """Do one piece of work in this process."""
    source = given.source[0] if given.source else ""
    if given.work == "floor":
        return {"rows": trace_logs.parse(given.path, source)}
    tools = json.loads(given.tools.read_text())["tools"] if given.tools else [trace_logs.TOOL]
    report = intake(given.path, source, given.store, tools)
    return {"rows": report["read"], "report": report}


def compared(path: Path, baseline: Path, tools: Path | None) -> dict[str, Any]:
    """Load a file by this checkout and by an older one, and compare what came of it."""
    ours, theirs = (measured("intake", path, "", checkout, tools) for checkout in (ROOT, baseline))
    found = differences(ours, theirs)
    print(f"{path.name}: {ours['rows']} rows, {'; '.join(found) or 'equal'}", flush=True)
    return {"path": str(path), "rows": ours["rows"], "differences": found}


def timed(path: Path, source: str, baseline: Path | None, repeat: int) -> dict[str, Any]:
    """Load a log by this checkout, and in turns with it by an older one.

    Returns:
        The medians by CPU seconds of `intake`, `floor` and, with a baseline, `baseline`; `cpu_ratio` (rows
        per CPU second) and `memory_ratio` against the baseline, and the `differences` of the last loads.
    """
    runs: dict[str, list[Any]] = {"floor": [], "intake": [], "baseline": []}
    for _ in range(repeat):
        runs["floor"].append(measured("floor", path, source))
        runs["intake"].append(measured("intake", path, source))
        if baseline:
            runs["baseline"].append(measured("intake", path, source, baseline))
    result: dict[str, Any] = {}
    if baseline:
        result["differences"] = differences(runs["intake"][-1], runs["baseline"][-1])
    for name, loads in runs.items():
        if loads:
            middle = sorted(loads, key=lambda load: float(load["cpu_seconds"]))[len(loads) // 2]
            result[name] = {key: middle[key] for key in ("rows", "seconds", "cpu_seconds", "peak_mb")}
    if baseline:
        ours, theirs = result["intake"], result["baseline"]
        result["cpu_ratio"] = theirs["cpu_seconds"] / ours["cpu_seconds"]
        result["memory_ratio"] = ours["peak_mb"] / theirs["peak_mb"]
    return result


def main() -> None:
    """Measure all sizes, or (in a child process) do one piece of work."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--rows", type=int, nargs="*", default=[10_000, 1_000_000])
    arguments.add_argument("--source", nargs="+", choices=trace_logs.SOURCES)
    arguments.add_argument("--baseline", type=Path)
    arguments.add_argument("--repeat", type=int, default=1)
    arguments.add_argument("--distinct", action="store_true", help="hardly two requests are the same")
    arguments.add_argument("--prompt", type=int, default=0, help="characters of the system prompt")
    arguments.add_argument("--logs", type=Path, nargs="+", default=[])
    arguments.add_argument("--tools", type=Path, help="definitions of the tools of --logs")
    arguments.add_argument("--json", type=Path)
    arguments.add_argument("--work", choices=["floor", "intake"], help=argparse.SUPPRESS)
    arguments.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    arguments.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.work:
        print(json.dumps(work(given), default=str))
        return
    if given.logs and not given.baseline:
        arguments.error("--logs needs --baseline")
    results = [compared(path, given.baseline, given.tools) for path in given.logs]
    head = (
        "source        rows  seconds   CPU s   rows/CPU s  peak MB  of floor  CPU ratio  memory ratio  tables"
    )
    print(head, flush=True)
    prompt = (trace_logs.PROMPT + " Answer by one call.") * (given.prompt // 36) or trace_logs.PROMPT
    for source in given.source or ["jsonl", "sqlite"]:
        for rows in given.rows:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"log.{source}"
                if source == "postgres":
                    path.write_text(os.environ["DISTIL_DAG_BENCH_POSTGRES"])
                trace_logs.write(path, source, trace_logs.records(rows, given.distinct, prompt))
                found = timed(path, source, given.baseline, given.repeat)
            results.append({"source": source, "rows": rows, **found})
            print(_line(source, rows, found), flush=True)
    text = json.dumps(
        {"benchmark": "trace_intake", "floor": "json.loads of the same log", "results": results}
    )
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


def _line(source: str, rows: int, found: dict[str, Any]) -> str:
    ours, floor = found["intake"], found["floor"]
    line = (
        f"{source:9} {rows:>9,} {ours['seconds']:8.1f} {ours['cpu_seconds']:7.1f} "
        f"{rows / ours['cpu_seconds']:12,.0f} {ours['peak_mb']:8.0f} "
        f"{floor['cpu_seconds'] / ours['cpu_seconds']:9.1%}"
    )
    if "baseline" in found:
        said = "; ".join(found["differences"]) or "equal"
        line += f" {found['cpu_ratio']:10.2f} {found['memory_ratio']:13.2f}  {said}"
    return line


if __name__ == "__main__":
    main()
