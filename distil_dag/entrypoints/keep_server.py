"""Keeps a model server for a run: `python -m distil_dag.entrypoints.keep_server`, its job on standard input.

Started by the first step that needs the server, in a session of its own, so that an interrupt in the
terminal reaches the run and not the server that its steps still talk to.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from distil_dag.adapters.processes import ProcessMark
from distil_dag.adapters.server_keeper import Keeper
from distil_dag.adapters.server_record import KeeperJob


def main() -> None:
    """Keep the server until it is released, unused, or its run has ended."""
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    job = KeeperJob.model_validate_json(sys.stdin.read())
    this = ProcessMark.of(os.getpid())
    assert this is not None
    Keeper(job, this, asked).run()


if __name__ == "__main__":
    main()
