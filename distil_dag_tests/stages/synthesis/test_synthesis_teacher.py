"""Synthesis with the embedded teacher: a small model's words, under the conventions of the seeds."""

from __future__ import annotations

from collections import Counter

import pytest

from distil_dag.adapters.chat.open_chat import open_chat
from distil_dag.core.settings import ModelSpec, SynthesisSpec
from distil_dag.stages.nlu.spans import locate
from distil_dag.stages.synthesis.generator import synthesize
from distil_dag_tests.stages.synthesis.lamp_teacher import TOOLS, seeds


@pytest.mark.slow
def test_the_embedded_teacher_yields_rows_with_their_values_in_the_words() -> None:
    spec = SynthesisSpec(rows=40, batch=32, transplant_share=0.4)
    with open_chat(ModelSpec()) as teacher:
        made, report = synthesize(seeds(), [], [], TOOLS, spec, teacher)
    makers = Counter(row.id.split("-")[0] for row in made.accepted)
    assert makers["teacher"] >= 8
    assert report.accepted >= 30
    assert report.accepted / report.attempted >= 0.15
    for row in made.accepted:
        for call in row.calls:
            assert not TOOLS.problems(call)
            assert all(
                locate(value, row.request) for name, value in call.arguments.items() if name != "state"
            )
