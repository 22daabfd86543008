"""The supervisor of a run's model server: `python -m distil_dag.entrypoints.supervise_server`.

It reads its job (`SupervisorJob`, JSON) from standard input. The first step that needs the server starts it
in a session of its own. So an interrupt in the terminal reaches the run, but not the server that its steps
still use.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from distil_dag.adapters.system.processes import ProcessMark
from distil_dag.adapters.vllm.record import SupervisorJob
from distil_dag.adapters.vllm.supervisor import Supervisor


def main() -> None:
    """Supervise the server until it is released, unused, or its run has ended."""
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    job = SupervisorJob.model_validate_json(sys.stdin.read())
    this = ProcessMark.of(os.getpid())
    assert this is not None
    Supervisor(job, this, asked).run()


if __name__ == "__main__":
    main()
