from __future__ import annotations

import pytest

from distil_dag.core.settings import JudgeSpec, ModelSpec
from distil_dag.stages.judging.agreement import agreement
from distil_dag.stages.judging.judge import judge
from distil_dag_tests.stages.household_log import TOOLSET, faulty_log

pytest.importorskip("llama_cpp")


@pytest.mark.slow
def test_the_embedded_teacher_judges_a_small_faulty_log() -> None:
    from distil_dag.adapters.chat.open_chat import open_chat

    log, right = faulty_log(80, 0.3, seed=5)
    with open_chat(ModelSpec()) as model:
        judged, report = judge(log, TOOLSET, JudgeSpec(), model)
    assert agreement(judged.verdicts, right)["auc"] > 0.8
    assert report.unjudged == 0
    assert any("model_contrast" in verdict.details for verdict in judged.verdicts)
