"""A process that is told to keeps its memory; faults are counted, as times depend on the machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from distil_dag.adapters.kept_memory import keeping_memory

_STEPS = 10
# What a step of training does with memory, seen from the system: take much of it, write to it, let it go.
_TRAINS = f"""
import resource
for _ in range({_STEPS}):
    bytearray(1 << 26)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def _faults(variables: dict[str, str]) -> int:
    environment = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"} | variables
    said = subprocess.run(
        [sys.executable, "-c", _TRAINS], env=environment, capture_output=True, text=True, check=True
    )
    return int(said.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the variables are glibc's")
def test_memory_is_asked_for_once_and_not_at_every_step() -> None:
    step = (1 << 26) // os.sysconf("SC_PAGE_SIZE")
    given_back, kept = _faults({}), _faults(keeping_memory({}))
    assert given_back > (_STEPS - 1) * step
    assert kept < 2 * step


def test_who_tunes_the_library_is_left_alone() -> None:
    assert keeping_memory({"GLIBC_TUNABLES": "glibc.malloc.arena_max=1"}) == {}
