from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distil_dag.core.normalise import request_key


@pytest.mark.parametrize(
    "copy",
    [
        "Turn on the lights",
        "turn on lights.",
        "Olly, please turn on my lights!",
        "could you turn on the lights",
        "TURN  ON  LIGHTS",
    ],
)
def test_near_copies_share_a_key(copy: str) -> None:
    assert request_key(copy) == request_key("turn on the lights")


@pytest.mark.parametrize("other", ["turn off the lights", "turn on the light in the hall", "please", ""])
def test_other_requests_do_not(other: str) -> None:
    assert request_key(other) != request_key("turn on the lights")


@given(st.text())
def test_a_key_is_its_own_key(text: str) -> None:
    key = request_key(text)
    assert request_key(key) == key
    assert bool(key) == bool(text.strip())
