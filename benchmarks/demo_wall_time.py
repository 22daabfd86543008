"""Wall time of the demo by stage, in a fresh home: seconds, and the share of the whole run.

    python benchmarks/demo_wall_time.py [--json]

Peak memory is the largest sum of the resident sizes of all the run's processes, sampled twice a second. Pages
that processes share count for each, so it is an upper bound.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]


def resident_bytes(root: int) -> int:
    """Resident size in bytes of a process and all its descendants.

    Args:
        root: id of the process.
    """
    total = 0
    with suppress(psutil.NoSuchProcess):
        run = psutil.Process(root)
        for process in (run, *run.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # one that ended meanwhile
                total += process.memory_info().rss
    return total


def main() -> None:
    """Run the demo once and print its times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    command = Path(sys.executable).parent / "distil-dag"
    with tempfile.TemporaryDirectory() as home:
        run = subprocess.Popen(
            [command, "run", "examples/smart_home", "--run", "smart_home.wall_time", "--json"],
            cwd=ROOT,
            env={**os.environ, "DISTIL_DAG_HOME": home},
            stdout=subprocess.PIPE,
        )
        peak = 0
        while run.poll() is None:
            peak = max(peak, resident_bytes(run.pid))
            time.sleep(0.5)
        if run.returncode:
            sys.exit(run.returncode)
        assert run.stdout is not None
        result = json.load(run.stdout)
    whole = result["seconds"]
    figures = {
        "cores": len(os.sched_getaffinity(0)),
        "seconds": whole,
        "peak_memory_mib": round(peak / 2**20),
        "stages": {
            name: {"seconds": seconds, "share": round(seconds / whole, 3)}
            for name, seconds in result["stages"].items()
        },
    }
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    for name, figure in figures["stages"].items():
        print(f"{name:16} {figure['seconds']:8.1f} s  {figure['share']:6.1%}")
    where = f"{figures['cores']} cores, {figures['peak_memory_mib']} MiB at most"
    print(f"{'the run':16} {whole:8.1f} s  on {where}")


if __name__ == "__main__":
    main()
