"""Each in a process of its own: what a library reads while it is loaded can not be told it later."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_SAY = 'import os; print(os.environ["GOMP_SPINCOUNT"], "libgomp" in open("/proc/self/maps").read())'
_LOADS = f"""
from distil_dag.adapters.llamacpp.library import load_library
load_library()
{_SAY}
"""
_TRAINS = f"""
import contextlib, sys
from distil_dag.entrypoints import train
sys.argv = ["train"]
with contextlib.suppress(SystemExit):
    train.main()
{_SAY}
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("own", "found"), [(None, "1000"), ("7", "7")])
@pytest.mark.parametrize(("program", "loaded"), [(_LOADS, True), (_TRAINS, False)])
def test_threads_wait_for_one_another_with_patience_and_no_more(
    program: str, loaded: bool, own: str | None, found: str
) -> None:
    variables = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    if own:
        variables["GOMP_SPINCOUNT"] = own
    said = subprocess.run(
        [sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=True
    )
    # Training sets it while there is no OpenMP yet to read it.
    assert said.stdout.split() == [found, str(loaded)]
