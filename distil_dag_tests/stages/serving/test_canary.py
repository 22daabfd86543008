"""A candidate's share of conversations."""

from __future__ import annotations

from typing import Any

import pytest

from distil_dag.stages.serving.canary import is_canary


def chat(*turns: tuple[str, str]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": said} for role, said in turns]}


@pytest.mark.parametrize("named", [True, False])
def test_it_has_its_share_of_conversations(named: bool) -> None:
    found = [
        is_canary("a", 0.05, chat(("user", f"words {n}")), f"conversation {n}" if named else None)
        for n in range(4000)
    ]
    assert 0.035 < sum(found) / len(found) < 0.065  # by chance one in 100,000 is outside


def test_all_turns_of_a_conversation_are_alike() -> None:
    for n in range(50):
        first = (("system", "Be kind."), ("user", f"words {n}"))
        later = (*first, ("assistant", "Done."), ("user", f"more {n}"))
        assert is_canary("a", 0.5, chat(*first), None) == is_canary("a", 0.5, chat(*later), None)
        assert is_canary("a", 0.5, chat(*first), f"{n}") == is_canary("a", 0.5, chat(("user", "x")), f"{n}")


def test_another_candidate_has_other_conversations() -> None:
    mine, others = ([is_canary(who, 0.5, {}, str(n)) for n in range(100)] for who in "ab")
    assert 20 < sum(a == b for a, b in zip(mine, others, strict=True)) < 80


def test_all_or_none() -> None:
    assert all(is_canary("a", 1.0, {"messages": "no list"}, str(n)) for n in range(100))
    assert not any(is_canary("a", 0.0, {}, str(n)) for n in range(100))
    assert isinstance(is_canary("a", 0.5, {}, "\ud800"), bool)
