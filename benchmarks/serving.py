r"""Many clients: `distil-dag serve` against llama.cpp's servers, one file, the same requests, one run.

    python benchmarks/serving.py model-Q8_0.gguf CASES.jsonl --llama-server build/bin/llama-server \
        --llama-cpp-python VENV/bin/python [--parallel 1 2 4 8 16] [--clients 16] [--rounds 3]

CASES is a JSONL file of cases or traces; distinct requests are taken, evenly spread. All servers run
throughout and take turns, so that other work on the machine slows all of them; in each round each answers all
requests. Of `llama-server`, the number of slots with the most requests a second counts. Rivals get the
student's own turns and a grammar of its tools. One client's median is compared with that of `Student` in this
process, request by request. Prints one JSON object: requests a second (median of the rounds), 99th percentile
in milliseconds, CPU milliseconds a request, ratios, and how many answers have other calls than `Student`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from answering_speed import requests_of
from serving_rivals import (
    ROOM,
    Server,
    body_with_grammar,
    body_with_tools,
    calls_of,
    distil_dag,
    llama_cpp_python,
    llama_server,
)

from distil_dag.adapters.llamacpp.gguf_tools import read_metadata
from distil_dag.adapters.serving.answering import TOOLS
from distil_dag.adapters.serving.student import Student
from distil_dag.core.tool_call import same_calls
from distil_dag.core.toolset import Toolset

_OURS = "distil-dag serve"


@dataclass
class _Measured:
    """What a server did in all rounds: seconds and CPU seconds of each, latencies, the last answers."""

    walls: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)


def main() -> None:
    """Measure, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("cases_file", type=Path, metavar="CASES")
    parser.add_argument("--llama-server", type=Path, default=None)
    parser.add_argument("--llama-cpp-python", default=None, metavar="PYTHON")
    parser.add_argument("--parallel", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--cases", type=int, default=96)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    model = options.model.resolve()
    requests = requests_of(options.cases_file)
    asked = requests[:: max(len(requests) // options.cases, 1)][: options.cases]
    carried = read_metadata(model)
    tools = Toolset.from_openai(json.loads(str(carried[TOOLS])))
    name = str(carried.get("distil_dag.task") or model.stem)
    with ExitStack() as stack:
        student = stack.enter_context(Student(model))
        own = body_with_tools(tools.openai(), name)
        guided = body_with_grammar(student, tools)
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = [stack.enter_context(distil_dag(model, _OURS, own, home))]
        if options.llama_cpp_python:
            servers.append(
                stack.enter_context(llama_cpp_python(options.llama_cpp_python, model, guided, home))
            )
        for slots in options.parallel if options.llama_server else []:
            servers.append(
                stack.enter_context(llama_server(options.llama_server.resolve(), model, slots, guided, home))
            )
        measured = {server.name: _Measured() for server in servers}
        for server in servers:
            _round(server, asked[:4], 2, _Measured())
        for turn in range(options.rounds):
            for server in servers[turn % len(servers) :] + servers[: turn % len(servers)]:
                _round(server, asked, options.clients, measured[server.name])
                print(server.name, round(len(asked) / measured[server.name].walls[-1], 2), file=sys.stderr)
        pairs = [_pair(student, servers[0], text) for text in asked]
        truth = [student.answer(text, ROOM).calls for text in asked]
    rows = {
        name: {
            "requests_per_second": round(len(asked) / statistics.median(one.walls), 2),
            "p50_ms": round(float(np.percentile(one.latencies, 50))),
            "p99_ms": round(float(np.percentile(one.latencies, 99))),
            "cpu_ms": round(1000 * statistics.median(one.cpu) / len(asked), 1),
            "other_calls": sum(
                not same_calls(calls_of(answer, tools), calls)
                for answer, calls in zip(one.answers, truth, strict=True)
            ),
        }
        for name, one in measured.items()
    }
    alone, served = (statistics.median(times) for times in zip(*pairs, strict=True))
    result = {
        "benchmark": "serving",
        "model": model.name,
        "requests": len(asked),
        "clients": options.clients,
        "rounds": options.rounds,
        "servers": rows,
        **_ratios(rows, measured),
        "one_client_median_over_student": round(served / alone, 2),
        "student_ms_p50": round(alone, 1),
    }
    print(json.dumps(result, indent=2))
    sys.exit(rows[_OURS]["other_calls"] > 0)


def _ratios(rows: dict[str, Any], measured: dict[str, _Measured]) -> dict[str, Any]:
    """Ours against each kind of rival at its best: the median over rounds, and of p99."""
    found: dict[str, Any] = {}
    for kind in ("llama-cpp-python", "llama-server"):
        names = [name for name in rows if name.startswith(kind)]
        if not names:
            continue
        best = max(names, key=lambda name: float(rows[name]["requests_per_second"]))
        pairs = zip(measured[best].walls, measured[_OURS].walls, strict=True)
        found[f"over {best}"] = {
            "throughput": round(statistics.median(theirs / ours for theirs, ours in pairs), 2),
            "p99": round(rows[_OURS]["p99_ms"] / rows[best]["p99_ms"], 2),
        }
    return found


def _round(server: Server, asked: Sequence[str], clients: int, measured: _Measured) -> None:
    """All requests by so many clients, each with a connection that it keeps."""
    local = threading.local()
    bodies = list(map(server.body, asked))

    def ask(body: bytes) -> tuple[bytes, float]:
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        return _post(local.connection, body)

    with ThreadPoolExecutor(clients) as pool:
        wall, cpu = time.perf_counter(), server.cpu_seconds()
        found = list(pool.map(ask, bodies))
        measured.walls.append(time.perf_counter() - wall)
        measured.cpu.append(server.cpu_seconds() - cpu)
    measured.latencies += [took for _, took in found]
    measured.answers = [answer for answer, _ in found]


def _pair(student: Student, server: Server, text: str) -> tuple[float, float]:
    """Milliseconds of one request: in this process, and by a server that nobody else asks."""
    alone = student.answer(text, ROOM).milliseconds
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.connect()
    try:
        return alone, _post(connection, server.body(text))[1]
    finally:
        connection.close()


def _post(connection: http.client.HTTPConnection, body: bytes) -> tuple[bytes, float]:
    started = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    content = response.read()
    if response.status != 200:
        raise RuntimeError(f"a server answered {response.status}: {content[:300]!r}")
    return content, 1000 * (time.perf_counter() - started)


if __name__ == "__main__":
    main()
