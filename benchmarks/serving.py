"""Throughput of many clients: `StudentServer` against `Student` in turns, on one file in one run.

    python benchmarks/serving.py model-Q8_0.gguf CASES.jsonl [--cases 96] [--clients 16]

CASES is a JSONL file of cases or traces; distinct requests are taken, evenly spread. Prints one JSON object:
ratios of wall-clock and of CPU time, of one client's median, and how many answers differ.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from answering_speed import requests_of

from distil_dag.adapters.serving.student import Student, StudentAnswer
from distil_dag.adapters.serving.student_server import StudentServer

_ROOM = 128


def main() -> None:
    """Measure, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("cases_file", type=Path, metavar="CASES")
    parser.add_argument("--cases", type=int, default=96)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    requests = requests_of(options.cases_file)
    asked = requests[:: max(len(requests) // options.cases, 1)][: options.cases]
    with (
        Student(options.model, threads=options.threads) as student,
        StudentServer(options.model, threads=options.threads) as server,
    ):

        def alone(text: str) -> StudentAnswer:
            return student.answer(text, _ROOM)

        def shared(text: str) -> StudentAnswer:
            return server.submit(text, _ROOM).result()

        in_turns, turns_wall, turns_cpu = _all(alone, asked, options.clients)
        together, shared_wall, shared_cpu = _all(shared, asked, options.clients)
        # In turns, so that other work on the machine slows both.
        pairs = [(alone(text).milliseconds, shared(text).milliseconds) for text in asked]
    alone_median, shared_median = map(statistics.median, zip(*pairs, strict=True))
    different = sum(one.text != other.text for one, other in zip(in_turns, together, strict=True))
    result = {
        "benchmark": "serving",
        "model": options.model.name,
        "requests": len(asked),
        "clients": options.clients,
        "throughput_over_student_in_turns": round(turns_wall / shared_wall, 2),
        "cpu_time_over_student_in_turns": round(shared_cpu / turns_cpu, 2),
        "one_client_median_over_student": round(shared_median / alone_median, 2),
        "made_sure_of": {
            "student": round(statistics.mean(one.decoded.recomputed > 0 for one in in_turns), 3),
            "server": round(statistics.mean(one.decoded.recomputed > 0 for one in together), 3),
        },
        "different": different,
    }
    print(json.dumps(result, indent=2))
    sys.exit(different > 0)


def _all(
    way: Callable[[str], StudentAnswer], asked: Sequence[str], clients: int
) -> tuple[list[StudentAnswer], float, float]:
    with ThreadPoolExecutor(clients) as pool:
        wall, cpu = time.perf_counter(), time.process_time()
        found = list(pool.map(way, asked))
        return found, time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    main()
