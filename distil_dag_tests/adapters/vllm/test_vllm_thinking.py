"""A real vLLM server whose model thinks: judge, arbiter, labeller and teacher get its answers alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from distil_dag.adapters.candidates.chat import ChatCandidate
from distil_dag.adapters.chat.open_chat import open_chat
from distil_dag.adapters.vllm.lease import Servers
from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.case import Case, Message, Trace
from distil_dag.core.settings import ModelSpec
from distil_dag.core.tool_call import ToolCall, render_calls
from distil_dag.core.toolset import Toolset
from distil_dag.core.verdict import Verdict
from distil_dag.stages.judging.relabelling import PROPOSED, relabel
from distil_dag.stages.judging.rubric import RubricJudge
from distil_dag.stages.ports import ChatModel, OnReply, OnScore, Prompt, Reply, Score, unheeded
from distil_dag_tests.adapters.vllm.thinking_model import write_thinking_model
from distil_dag_tests.stages.training.short_training import first_layers

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800)]

TOOLS = Toolset.from_openai(
    [{"name": name, "parameters": {"properties": {"room": {"type": "string"}}}} for name in ("on", "off")]
)
RIGHT = (ToolCall(name="on", arguments={"room": "hall"}),)
WRONG = (ToolCall(name="off", arguments={"room": "hall"}),)
TRACE = Trace(id="t", messages=(Message(role="user", content="Light on in the hall"),), calls=WRONG)
REJECTED = [
    (
        TRACE,
        Verdict(
            trace_id="t",
            request=TRACE.request,
            calls=WRONG,
            outcome="rejected",
            score=0.0,
            reason="",
            judge="j",
        ),
    )
]
MARKS = '{"rationale": "The hall is named.", "inference_clarity": 5, "inference_coherence": 4}'
THOUGHTS = (
    "Let us look at the words. They name a room, which is the hall, and they want its light to be on.\n"
)
BRIEF = Prompt((Message(role="user", content="Say one word."),), max_tokens=8)


class Listener:
    """Keeps what it is asked."""

    identity = "listener@1"

    def __init__(self) -> None:
        self.asked: list[Prompt] = []

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
        self.asked += prompts
        replies = [Reply(render_calls(RIGHT), "stop") for _ in prompts]
        for place, reply in enumerate(replies):
            arrived(place, reply)
        return replies

    def score(self, items: Sequence[tuple[Prompt, str]], arrived: OnScore = unheeded) -> list[Score]:
        raise NotImplementedError


def roles(chat: ChatModel) -> dict[str, Any]:
    """What judge, arbiter, labeller and teacher make of the model's answers."""

    @contextmanager
    def opened() -> Iterator[ChatModel]:
        yield chat

    judged = RubricJudge(TOOLS, chat).assess([(TRACE, RIGHT)])
    verdicts, outcomes = relabel(REJECTED, [], TOOLS, RubricJudge(TOOLS, chat), [chat], 0.5)
    case = Case(id="c", messages=TRACE.messages, calls=RIGHT)
    taught = ChatCandidate("teacher", opened, TOOLS, 48, description="Lights").answer([case])
    return {"judge": judged, "arbiter": verdicts, "labeller": outcomes, "teacher": taught}


@pytest.fixture(scope="module")
def thinker(embedded_student: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("thinker")
    listener = Listener()
    roles(listener)
    answers = {BRIEF: "Hall."}
    answers |= {prompt: MARKS if prompt.schema else render_calls(RIGHT) for prompt in listener.asked}
    return write_thinking_model(folder, first_layers(embedded_student, 2, folder / "base"), answers, THOUGHTS)


def test_what_a_model_only_thinks_is_no_answer(thinker: Path, vllm_spec: ModelSpec, tmp_path: Path) -> None:
    """The server has no parser of thoughts, so they come with the answer, and only its end has a tag."""
    spec = vllm_spec.model_copy(update={"model": str(thinker), "thinking_tokens": 200})
    servers = Servers(tmp_path / "servers", "run", say=print)
    try:
        with open_chat(spec, None, servers) as chat:
            # Eight tokens end within the thoughts.
            (brief,) = chat.generate([BRIEF])
            assert (brief.text.strip(), brief.finish) == ("Hall.", "stop")
            assert brief.completion_tokens > 8
            found = roles(chat)
    finally:
        servers.release()
    (answer,) = found["teacher"]
    assert answer.error == ""
    assert parse_answer(answer.text, TOOLS).calls == RIGHT
    (outcomes,) = found["labeller"].values()
    assert outcomes[PROPOSED] == 1
    (judgement,) = found["judge"]
    assert judgement.score is not None
