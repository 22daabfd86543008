"""Calibration rows in a student's file."""

from __future__ import annotations

import math

import pytest

from distil_dag.stages.serving.proving.calibration_rows import KEY, from_key_values, key_values


def test_there_and_back() -> None:
    carried = key_values([(-0.123456, True), (-1e-9, False), (-math.inf, False)])
    assert from_key_values({"general.name": "x", **carried}) == [(-0.1235, True), (-1e-9, False)]
    assert key_values([(-math.inf, False)]) == {}
    assert from_key_values({}) == []


@pytest.mark.parametrize("text", ["{", "[1]", '[["a", 1]]', "[[1]]"])
def test_what_is_damaged_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=f"{KEY} is damaged"):
        from_key_values({KEY: text})
