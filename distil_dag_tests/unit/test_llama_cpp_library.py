"""llama.cpp is loaded in a process of its own here: what it reads while loading can not be told later."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_SAY = """
import os
from distil_dag.adapters.llama_cpp_library import load_library
load_library()
print(os.environ["GOMP_SPINCOUNT"], "libgomp" in open("/proc/self/maps").read())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("own", "found"), [(None, "1000 True"), ("7", "7 True")])
def test_threads_wait_for_one_another_with_patience_and_no_more(own: str | None, found: str) -> None:
    variables = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    if own:
        variables["GOMP_SPINCOUNT"] = own
    said = subprocess.run(
        [sys.executable, "-c", _SAY], env=variables, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == found
