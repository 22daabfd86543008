from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from distil_dag.adapters.candidates.baselines import LookupCandidate, ProductionCandidate
from distil_dag.adapters.candidates.chat import ChatCandidate, Exemplars
from distil_dag.adapters.candidates.checkpoint import CheckpointCandidate
from distil_dag.adapters.candidates.gguf import GgufCandidate
from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.vllm.lease import Servers
from distil_dag.core import tables
from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.case import Case, Example, HeldOut, Message, Trace
from distil_dag.core.settings import EvaluationSpec
from distil_dag.core.tool_call import CLOSE_TAG, ToolCall, render_calls
from distil_dag.core.toolset import Toolset
from distil_dag.runs.evaluation_plan import cases_as_jsonl, plan_evaluation
from distil_dag.stages.evaluating.answers import CUT_OFF
from distil_dag.stages.evaluating.evaluate import evaluate_model
from distil_dag.stages.evaluating.metrics import EXACT, METRICS
from distil_dag.stages.ports import OnReply, OnScore, Prompt, Reply, Score, unheeded
from distil_dag.stages.reading.case_files import read_cases
from distil_dag.stages.splitting.holdout import split_of, split_rows
from distil_dag_tests import stand_ins as good

TOOLS = Toolset.from_openai(
    [
        {
            "name": name,
            "description": f"Turn the light {name[6:]}",
            "parameters": {"type": "object", "properties": {"room": {"type": "string"}}},
        }
        for name in ("light_on", "light_off")
    ]
)


class ScriptedChat:
    """Says the same to every prompt, and remembers them."""

    identity = "scripted@1"

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.batches: list[list[Prompt]] = []
        self.closed = 0

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
        self.batches.append(list(prompts))
        return [self.reply] * len(prompts)

    def score(self, items: Sequence[tuple[Prompt, str]], arrived: OnScore = unheeded) -> list[Score]:
        raise AssertionError("an evaluation scores no text")

    @contextmanager
    def open(self) -> Iterator[ScriptedChat]:
        yield self
        self.closed += 1


def case(number: int = 0, *calls: ToolCall) -> Case:
    messages = (
        Message(role="system", content="You are the old agent"),
        Message(role="user", content=f"light {number}"),
    )
    return Case(id=f"c{number}", messages=messages, calls=calls)


def on(**arguments: Any) -> ToolCall:
    return ToolCall(name="light_on", arguments=arguments)


def seed(number: int, request: str, *calls: ToolCall, history: Sequence[Message] = ()) -> Example:
    messages = (*history, Message(role="user", content=request))
    return Example(id=f"s{number:02d}", messages=messages, calls=calls, origin="seed")


def test_exemplars_come_from_every_tool_in_turn() -> None:
    off = ToolCall(name="light_off")
    seeds = [
        seed(3, "c", on()), seed(1, "a", on()), seed(2, "b", on()), seed(4, "d", off), seed(5, "joke"),
        seed(0, "later", off, history=[Message(role="user", content="x"), Message(role="assistant")]),
    ]  # fmt: skip
    turns = Exemplars.choose(seeds, 4, TOOLS).turns
    assert [turn.content for turn in turns if turn.role == "user"] == ["a", "d", "joke", "b"]
    assert [turn.role for turn in turns] == ["user", "assistant"] * 4
    assert parse_answer(turns[1].content).calls == (on(),)
    assert parse_answer(turns[5].content).calls == ()
    assert Exemplars.choose(seeds[::-1], 4, TOOLS).turns == turns
    assert Exemplars.choose([], 4, TOOLS).turns == ()


def test_a_chat_model_reads_description_tools_exemplars_and_not_productions_prompt() -> None:
    chat = ScriptedChat(Reply(render_calls([on()]), "stop"))
    shown = Exemplars.choose([seed(1, "lights", on())], 1, TOOLS)
    candidate = ChatCandidate("teacher", chat.open, TOOLS, 32, description="Home", exemplars=shown)
    answers = candidate.answer([case(number, on()) for number in range(300)])
    assert [len(batch) for batch in chat.batches] == [128, 128, 44]
    prompt = chat.batches[0][7]
    assert [(m.role, m.content) for m in prompt.messages] == [
        ("system", "Home"), ("user", "lights"), ("assistant", render_calls([on()])), ("user", "light 7"),
    ]  # fmt: skip
    assert prompt.tools == tuple(TOOLS.openai())
    assert prompt.stop == (CLOSE_TAG,)
    assert (prompt.max_tokens, prompt.temperature) == (32, 0.0)
    assert {answer.latency_ms for answer in answers if answer} == {None}
    assert (candidate.model, chat.closed) == ("scripted@1", 1)


def test_a_small_model_reads_the_tools_as_signatures() -> None:
    chat = ScriptedChat(Reply("", "stop"))
    ChatCandidate("base", chat.open, TOOLS, 32, description="Home", signatures=True).answer([case(0, on())])
    prompt = chat.batches[0][0]
    assert prompt.tools == ()
    assert prompt.messages[0].content.startswith("Home\n\n")
    assert "light_on(room?: string): Turn the light on" in prompt.messages[0].content


def test_where_a_case_wants_two_calls_nothing_is_cut_off() -> None:
    chat = ScriptedChat(Reply("", "stop"))
    ChatCandidate("teacher", chat.open, TOOLS, 32).answer([case(0, on()), case(1, on(), on(room="hall"))])
    assert {prompt.stop for prompt in chat.batches[0]} == {()}


def test_alone_means_one_request_at_a_time_with_its_time() -> None:
    chat = ScriptedChat(Reply("", "stop"))
    answers = ChatCandidate("endpoint", chat.open, TOOLS, 32, alone=True).answer([case(0), case(1)])
    assert [len(batch) for batch in chat.batches] == [1, 1, 1]
    assert all(answer and answer.latency_ms is not None for answer in answers)


def test_an_error_is_no_answer() -> None:
    chat = ScriptedChat(Reply("half an ans", "error", error="timed out"))
    answers = ChatCandidate("endpoint", chat.open, TOOLS, 32, alone=True).answer([case(0)])
    assert [(answer.text, answer.error) for answer in answers if answer] == [("", "timed out")]


def test_production_and_lookup() -> None:
    known = HeldOut(**case(0, on()).model_dump(), production=(on(room="hall"),))
    silent = HeldOut(**case(1, on()).model_dump(), production=())
    unknown = HeldOut(**case(2, on()).model_dump())
    answers = ProductionCandidate().answer([known, silent, unknown])
    assert [parse_answer(answer.text).calls if answer else None for answer in answers] == [
        (on(room="hall"),), (), None,
    ]  # fmt: skip
    found = LookupCandidate([case(1, on()), case(2, on(room="attic"))]).answer([unknown])
    assert [answer.text for answer in found if answer] == [render_calls([on(room="attic")])]
    assert LookupCandidate([]).answer([known]) == [None]


@pytest.mark.parametrize(
    ("left", "gates"),
    [
        ("turn on the lamps", {}),  # its call spells a default out
        ("turn on that lamp", {"leak_similarity": 0.8}),
    ],
)
def test_the_lookup_searches_the_log_that_the_run_learned_from(
    tmp_path: Path, left: str, gates: dict[str, float]
) -> None:
    """What left the log beside the test must not come back as the baseline that the student has to beat."""
    task = good.task(gates=gates).model_copy(update={"test": (good.TEST[0],)})
    store, run = RunStore(tmp_path), "home.first"
    log = [
        good.example("near", left, good.turn_on("lamp", room="here")),
        good.example("far", "switch on the heater", good.turn_on("heater")),
    ]
    traces = [Trace(id=row.id, messages=row.messages, calls=row.calls) for row in log]
    store.write_cases(run, tables.TRACES, traces)
    store.write_rows(run, tables.SPLIT, split_rows(split_of(task, traces)[0], traces))
    store.write_cases(run, tables.TEST, good.TEST[:1])
    for table in (tables.SEEDS, tables.CONTEXT, tables.CALIBRATION):
        store.write_cases(run, table, good.SEEDS)
    store.write_cases(run, tables.SYNTHETIC, good.SYNTHETIC)
    store.write_report(run, "judged_seeds", good.JUDGE_REPORT)
    store.write_report(run, "synthetic_set", good.SYNTHESIS_REPORT)
    store.write_report(run, "gguf", good.GGUF_REPORT)
    for asset, name in (("gguf", "files"), ("checkpoint", "model")):
        with store.new_folder(run, asset, name):
            pass
    chat = ScriptedChat(Reply("", "stop"))
    servers = Servers(tmp_path, run)
    with plan_evaluation(
        store, run, task, lambda spec: chat.open(), lambda task: (tmp_path, ""), servers
    ) as planned:
        (lookup,) = (one for one in planned.candidates if isinstance(one, LookupCandidate))
    assert [case.id for case in lookup.log] == ["far"]


def test_the_test_reads_back_as_it_was() -> None:
    history = (
        Message(role="user", content="light"), Message(role="assistant", tool_calls=(on(),)),
        Message(role="tool", content="done"), Message(role="user", content="and off"),
    )  # fmt: skip
    cases = [
        Case(id="two turns", messages=history, calls=(ToolCall(name="light_off"), on(room="hall"))),
        Case(id="no call", messages=(Message(role="user", content="a joke 🙂"),)),
        Case(id="words", messages=(Message(role="user", content="a joke"),), text="Knock\nknock"),
    ]
    found, problems = read_cases(cases_as_jsonl(cases).splitlines(), TOOLS)
    assert (found, problems) == (cases, [])


@pytest.mark.slow
def test_a_gguf_file_from_its_path_alone() -> None:
    from distil_dag.adapters.llamacpp.embedded_weights import embedded_gguf

    path = embedded_gguf()
    found = evaluate_model(
        [case(number, on()) for number in range(3)],
        TOOLS,
        GgufCandidate(path, TOOLS, max_tokens=16),
        EvaluationSpec(),
    )
    assert found["model"].endswith("b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53")
    assert found["bytes"] == path.stat().st_size
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p95"]
    assert all(
        0 <= found[name]["low"] <= found[name]["value"] <= found[name]["high"] <= 1 for name in METRICS
    )


@pytest.mark.slow
def test_a_checkpoint_folder(embedded_student: Path) -> None:
    candidate = CheckpointCandidate("base", embedded_student, TOOLS, 8, "Home", tools_shown=True)
    answers = candidate.answer([case(0), case(1)])
    assert all(answer and answer.text and not answer.error for answer in answers)
    assert candidate.bytes > 100_000_000
    assert "@sha256:" in candidate.model


def test_a_file_that_is_no_model_says_so(tmp_path: Path) -> None:
    broken = tmp_path / "model.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ValueError, match=r"model\.gguf"):
        GgufCandidate(broken, TOOLS, 8).answer([case(0)])
    with pytest.raises(FileNotFoundError, match=r"missing\.gguf"):
        GgufCandidate(tmp_path / "missing.gguf", TOOLS, 8).answer([case(0)])


def test_an_answer_that_was_cut_is_not_right_however_it_begins() -> None:
    """Behind a whole call another may have begun."""
    chat = ScriptedChat(Reply(render_calls([on()]), "length", 5, 32))
    teacher = ChatCandidate("teacher", chat.open, TOOLS, 32)
    found = evaluate_model([case(0, on()), case(1)], TOOLS, teacher, EvaluationSpec())
    assert found[EXACT]["value"] == 0.0
    assert found["unreadable"] == {CUT_OFF: 2}
