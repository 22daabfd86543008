"""Wall time of the demo by stage, in a fresh home: seconds, and the share of the whole run.

    python benchmarks/demo_wall_time.py [--json]

Peak memory is that of the largest process of the run (`ru_maxrss` of all children).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Run the demo once and print its times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    command = Path(sys.executable).parent / "distil-dag"
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [command, "run", "examples/smart_home", "--run", "wall-time", "--json"],
            cwd=ROOT,
            env={**os.environ, "DISTIL_DAG_HOME": home},
            stdout=subprocess.PIPE,
            check=True,
        )
    result = json.loads(done.stdout)
    whole = result["seconds"]
    figures = {
        "cores": len(os.sched_getaffinity(0)),
        "seconds": whole,
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
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
