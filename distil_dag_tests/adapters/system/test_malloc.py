"""A process that is told to keeps its memory; faults are counted, as times depend on the machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from distil_dag.adapters.system.malloc import keeping_memory

# What a step of training does with memory, seen from the system: take much of it, write to it, let it go.
_TRAINS = """
from resource import RUSAGE_SELF, getrusage
bytearray(1 << 26)
first = getrusage(RUSAGE_SELF).ru_minflt
for _ in range(9):
    bytearray(1 << 26)
print(getrusage(RUSAGE_SELF).ru_minflt - first)
"""


def _faults(variables: dict[str, str]) -> int:
    """Pages that nine further steps asked the system for."""
    environment = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"} | variables
    said = subprocess.run(
        [sys.executable, "-c", _TRAINS], env=environment, capture_output=True, text=True, check=True
    )
    return int(said.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the variables are glibc's")
def test_memory_is_asked_for_once_and_not_at_every_step() -> None:
    # How many pages a step has depends on the system's: 4 KiB or 2 MiB.
    assert _faults(keeping_memory({})) < _faults({}) / 10


def test_who_tunes_the_library_is_left_alone() -> None:
    assert keeping_memory({"GLIBC_TUNABLES": "glibc.malloc.arena_max=1"}) == {}
