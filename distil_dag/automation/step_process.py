"""Loaded into the server that step processes are forked from: a step must not outlive its run.

When the process of a run is killed, nobody is left to end its steps, and a second attempt at
the run would meet the first one's training still writing. Linux can tell a child that its
parent died: the fork server ends with the run, and each step then gets SIGTERM, which Dagster
takes as an interrupt and hands on to what the step has started. Import it nowhere else.
"""

from __future__ import annotations

import os

from distil_dag.adapters.system.processes import RUN_VARIABLE, end_with_parent

os.environ[RUN_VARIABLE] = str(os.getppid())
end_with_parent()
os.register_at_fork(after_in_child=end_with_parent)
