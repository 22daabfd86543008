"""Imported by the server that step processes are forked from, so that no step outlives its run.

When the process of a run is killed, nobody is left to end its steps. A second attempt at the run would then
find the first one's training still writing. Linux can signal a child when its parent dies. So the fork server
ends with the run, and each step gets SIGTERM, which Dagster treats as an interrupt and passes on to what the
step has started. Import this module nowhere else.
"""

from __future__ import annotations

import os

from distil_dag.adapters.system.processes import RUN_VARIABLE, end_with_parent

os.environ[RUN_VARIABLE] = str(os.getppid())
end_with_parent()
os.register_at_fork(after_in_child=end_with_parent)
