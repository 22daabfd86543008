"""Training waits for the GPU's memory, and says why when it does not come."""

from __future__ import annotations

import itertools

import pytest

from distil_dag.entrypoints.gpu_memory import wait_for_memory

GIB = 1024**3


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_it_waits_until_a_server_that_was_ended_has_given_its_memory_back() -> None:
    clock, said = Clock(), []
    readings = itertools.chain([(8 * GIB, 80 * GIB)] * 15, itertools.repeat((78 * GIB, 80 * GIB)))
    wait_for_memory(lambda: next(readings), 0.8, 120, said.append, clock, clock.sleep)
    assert clock.now == 15
    assert said == ["waiting for the GPU: 8.0 of 80.0 GiB of the GPU's memory are free"] * 2


def test_it_refuses_to_start_on_what_is_left() -> None:
    clock = Clock()
    with pytest.raises(RuntimeError, match=r"8\.0 of 80\.0 GiB.*120 s.*80%.*nvidia-smi.*gpu_free"):
        wait_for_memory(lambda: (8 * GIB, 80 * GIB), 0.8, 120, lambda line: None, clock, clock.sleep)
    assert clock.now == 120


def test_without_a_gpu_there_is_nothing_to_wait_for() -> None:
    clock = Clock()
    wait_for_memory(lambda: None, 0.8, 120, lambda line: None, clock, clock.sleep)
    assert clock.now == 0
