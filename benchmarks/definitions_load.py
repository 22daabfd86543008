"""Time that Dagster takes to load the code location, and what comes into memory with it.

    python benchmarks/definitions_load.py [--runs 5]

Prints one JSON object: seconds of each load in a fresh process, the best of them, peak memory in MiB, and the
heavy modules that were loaded (there must be none).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

_LOAD = """
import json, resource, sys, time
began = time.perf_counter()
from distil_dag.definitions import defs
defs().get_repository_def()
heavy = ("torch", "transformers", "datasets", "llama_cpp", "trl", "peft", "vllm", "matplotlib", "sklearn")
print(json.dumps({
    "seconds": round(time.perf_counter() - began, 3),
    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    "heavy": [name for name in heavy if name in sys.modules],
}))
"""


def main() -> None:
    """Load several times and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    loads = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", _LOAD], check=True, capture_output=True, text=True
            ).stdout.splitlines()[-1]
        )
        for _ in range(runs)
    ]
    seconds = [load["seconds"] for load in loads]
    heavy = sorted({name for load in loads for name in load["heavy"]})
    print(
        json.dumps(
            {
                "benchmark": "definitions_load",
                "seconds": seconds,
                "best_seconds": min(seconds),
                "peak_mib": max(load["peak_mib"] for load in loads),
                "heavy_modules": heavy,
            },
            indent=2,
        )
    )
    sys.exit(bool(heavy))


if __name__ == "__main__":
    main()
