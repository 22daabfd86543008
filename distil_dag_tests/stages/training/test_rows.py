"""The order in which rows are seen, which checkpoint counts, and when two trainings are the same."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distil_dag.core.case import Example, Message
from distil_dag.core.context import ContextRule
from distil_dag.core.settings import StudentSpec, TrainingSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Tool, Toolset
from distil_dag.stages.training.rows import presentations
from distil_dag.stages.training.sft import fingerprint
from distil_dag.stages.training.trainer import newest_whole_checkpoint

TOOLSET = Toolset([Tool(name="a")])


@given(st.integers(1, 300), st.sampled_from([0.5, 1, 2.5, 3]))
def test_every_row_is_seen_once_an_epoch(count, epochs):
    seen = Counter(presentations(["seed"] * count, TrainingSpec(epochs=epochs, least_seen=0)))
    assert sum(seen.values()) == -(-count * epochs // 1)
    assert set(seen.values()) <= {int(epochs), int(epochs) + 1} - {0}


def test_a_step_sees_rows_of_every_kind():
    """Steps of one kind each (rows of one length, say) left a student that knew one kind of answer."""
    kinds = [place // 300 for place in range(900)]
    order = presentations(["context"] * len(kinds), TrainingSpec(epochs=1, seed=3))
    steps = [{kinds[place] for place in order[at : at + 16]} for at in range(0, 896, 16)]
    assert all(kinds_seen == {0, 1, 2} for kinds_seen in steps)


def test_the_order_is_the_seeds():
    origins = ["seed", "synthetic"] * 25
    once, again, other = (presentations(origins, TrainingSpec(seed=seed)) for seed in (1, 1, 2))
    assert once == again
    assert once != other


def test_logged_rows_have_the_last_word():
    origins = ["synthetic", "seed", "context", "synthetic"]
    order = presentations(origins, TrainingSpec(epochs=2, synthetic_epochs=1, least_seen=0))
    assert [set(order[at : at + 2]) for at in (0, 2, 4)] == [{0, 3}, {1, 2}, {1, 2}]
    assert set(presentations(origins, TrainingSpec(synthetic_epochs=0))) == {1, 2}


def test_few_rows_are_seen_more_often():
    origins = ["synthetic"] * 40 + ["seed"] * 10
    order = presentations(origins, TrainingSpec(epochs=6, synthetic_epochs=1, least_seen=500))
    seen = Counter(origins[place] for place in order)
    assert seen == {"synthetic": 40, "seed": 460}
    assert presentations([], TrainingSpec()) == []


def test_synthetic_rows_alone_are_seen_as_often_as_logged_ones_would_be():
    spec = TrainingSpec(epochs=3, synthetic_epochs=1, least_seen=0)
    assert len(presentations(["synthetic"] * 5, spec)) == 15


def test_a_half_written_checkpoint_is_passed_over(tmp_path):
    assert newest_whole_checkpoint(tmp_path / "none") is None
    for step in (50, 100, 1000):
        (tmp_path / f"checkpoint-{step}").mkdir()
    for step in (50, 100):
        (tmp_path / f"checkpoint-{step}" / "whole").touch()
    assert newest_whole_checkpoint(tmp_path) == tmp_path / "checkpoint-100"


def row(text: str, origin: str = "seed") -> Example:
    return Example(
        id=text, messages=(Message(role="user", content=text),), calls=(ToolCall(name="a"),), origin=origin
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"rows": [row("y")]},
        {"rows": [row("x"), row("x")]},
        {"student": StudentSpec(system_prompt="s")},
        {"spec": TrainingSpec(learning_rate=0.5)},
        {"spec": TrainingSpec(trained_layers=3)},
        {"student": StudentSpec(layers=3)},
        {"toolset": Toolset([Tool(name="a", description="d")])},
        {"base": "other"},
        {"context": ContextRule(keeps="all")},
    ],
)
def test_whatever_changes_the_weights_changes_the_fingerprint(changed):
    same = {
        "rows": [row("x")],
        "toolset": TOOLSET,
        "student": StudentSpec(),
        "spec": TrainingSpec(),
        "base": "b",
    }
    assert fingerprint(**same) == fingerprint(**{**same, "spec": TrainingSpec(save_every_steps=7)})
    # The setting alone says nothing: a log without system prompts has the same rows under each.
    assert fingerprint(**same) == fingerprint(**{**same, "student": StudentSpec(context="full")})
    assert fingerprint(**same) != fingerprint(**{**same, **changed})
