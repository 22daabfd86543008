"""A judge of the rubric that gives the marks a test wants, and a specification of each judge."""

from __future__ import annotations

import json
from collections.abc import Sequence

from distil_dag.core.settings import JudgeSpec
from distil_dag.stages.ports import OnReply, Prompt, Reply, unheeded
from distil_dag_tests.stages.household_log import SilentModel

LIKELIHOOD = JudgeSpec(kind="likelihood", seeds=60)
RUBRIC = JudgeSpec(kind="rubric", seeds=60)


def marks(clarity: object, coherence: object) -> str:
    body = {"rationale": "r", "inference_clarity": clarity, "inference_coherence": coherence}
    return json.dumps(body)


class Marker(SilentModel):
    """A capable judge of the rubric: `answer` says what it replies to the exchange it is shown."""

    identity = "marker"

    def __init__(self, answer) -> None:
        super().__init__()
        self.answer = answer

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
        self.asked += prompts
        return [self.answer(exchange(prompt)) for prompt in prompts]


def exchange(prompt: Prompt) -> dict:
    lines = prompt.messages[0].content.splitlines()
    fence = [line for line in lines if line.startswith("data-")][-1]
    return json.loads(lines[lines.index(fence) + 1])
