"""A student by the decoder: the answers of plain greedy decoding, call by call."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distil_dag.adapters.serving.decoder import CallDecoder
from distil_dag.adapters.serving.student import NotDecodable, Student
from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.case import Case, Message
from distil_dag.core.confidence import Confidence
from distil_dag.core.ranking import Ranking
from distil_dag.core.settings import EvaluationSpec
from distil_dag.core.tool_call import ToolCall, render_calls
from distil_dag.core.toolset import Toolset
from distil_dag.runs.confidence import measure_confidence
from distil_dag.stages.nlu.spans import stands_in
from distil_dag.stages.student.draft_model import KEY, DraftModel
from distil_dag_tests.adapters.llamacpp.tiny_gguf import write_tiny_gguf

pytest.importorskip("llama_cpp")

# One thread: others may need the cores.
THREADS = 1
ROOM = 40
WORDS = [
    "turn", "on", "off", "the", "a", "light", "lights", "lamp", "in", "of", "to", "kitchen", "hall", "attic",
    "wine", "cellar", "set", "heat", "5", "21.5", "percent", "please", "now",
    "é", "日本", "t.", "v.", "!", "read",
]  # fmt: skip
SCHEMAS: tuple[dict[str, Any], ...] = (
    {"type": "string"},
    {"type": "string", "maxLength": 12},
    {"type": "integer"},
    {"type": "integer", "minimum": 0, "maximum": 100},
    {"type": "number", "minimum": -5, "maximum": 35.5},
    {"type": "boolean"},
    {"enum": ["kitchen", "hall", "wine cellar", 3, None]},
    {"type": "array", "items": {"enum": ["red", "read", "blue"]}, "maxItems": 3},
    {"type": "object", "properties": {"x": {"type": "boolean"}, "y": {"type": "integer"}}, "required": ["y"]},
)


def toolset(draw: random.Random) -> Toolset:
    """Some tools with some of the schemas."""
    names = draw.sample(["light_on", "light_off", "lights", "heat", "read", "set_mode"], draw.randint(1, 5))
    tools = []
    for name in names:
        arguments = draw.sample(["room", "roof", "level", "mode", "when"], draw.randint(0, 4))
        properties = {argument: draw.choice(SCHEMAS) for argument in arguments}
        required = [argument for argument in arguments if draw.random() < 0.4]
        schema = {"type": "object", "properties": properties, "required": required}
        tools.append({"name": name, "description": " ".join(draw.choices(WORDS, k=4)), "parameters": schema})
    return Toolset.from_openai(tools)


def request(draw: random.Random) -> str:
    return " ".join(draw.choices(WORDS, k=draw.randint(1, 12)))


def habits(draw: random.Random, tools: Toolset, may_decline: bool) -> DraftModel:
    """Learned from rows that have nothing to do with what the weights say; texts are words of theirs."""
    rows = []
    for n in range(60):
        words, name = request(draw), draw.choice(tools.names)
        texts = [key for key, schema in tools[name].properties.items() if schema.get("type") == "string"]
        call = ToolCall(name=name, arguments=dict.fromkeys(texts, words.split()[-1]))
        calls = () if may_decline and n % 3 == 0 else (call,) * (1 + n % 2)
        rows.append(Case(id=str(n), messages=(Message(role="user", content=words),), calls=calls))
    return DraftModel.fit(rows, tools)


Make = Callable[..., Student]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    opened: list[Student] = []

    def write(tools: Toolset, habits: DraftModel | None = None, form: str = "f16", seed: int = 0) -> Student:
        values = {"distil_dag.run": "home.first", "distil_dag.tools": json.dumps(tools.openai())}
        values |= {KEY: habits.dumps()} if habits else {}
        path = write_tiny_gguf(tmp_path / f"{len(opened)}.gguf", values, seed, form)
        opened.append(Student(path, threads=THREADS))
        return opened[-1]

    yield write
    for student in opened:
        student.close()


def compare(student: Student, tools: Toolset, requests: Sequence[str]) -> dict[str, int]:
    """Ask both ways; counts of what differs, and of what makes that worth knowing."""
    found = {"different": 0, "invalid": 0, "passes": 0, "plain passes": 0, "recomputed": 0, "finished": 0}
    for words in requests:
        ours, plain = student.answer(words, ROOM), student.answer(words, ROOM, plain=True)
        found["different"] += (ours.text, ours.complete) != (plain.text, plain.complete)
        found["invalid"] += plain.complete and any(tools.problems(call) for call in ours.calls)
        found["invalid"] += plain.complete and parse_answer(ours.text).error is not None
        found["finished"] += plain.complete
        found["passes"] += ours.decoded.passes
        found["plain passes"] += plain.decoded.passes
        found["recomputed"] += ours.decoded.recomputed
        if ours.text == plain.text:
            assert ours.decoded.logprob == pytest.approx(plain.decoded.logprob, abs=0.5)
    return found


def check(make: Make, seeds: Sequence[int], requests: int) -> dict[str, int]:
    total: dict[str, int] = {}
    for seed in seeds:
        draw = random.Random(seed)
        tools = toolset(draw)
        learned = habits(draw, tools, may_decline=seed % 4 == 0) if seed % 3 else None
        student = make(tools, learned, "Q4_0" if seed % 2 else "f16", seed)
        for name, count in compare(student, tools, [request(draw) for _ in range(requests)]).items():
            total[name] = total.get(name, 0) + count
        student.close()
    assert total["different"] == total["invalid"] == 0, total
    assert total["finished"] > 0
    assert total["passes"] < total["plain passes"]
    return total


def test_the_answers_of_plain_decoding_in_fewer_passes(make: Make) -> None:
    check(make, range(1, 4), 15)


def test_free_values_are_those_of_plain_decoding_as_well(make: Make) -> None:
    parts = {"any": {}, "object": {"type": "object"}, "more": {**SCHEMAS[-1], "additionalProperties": True}}
    schema = {"type": "object", "properties": parts, "required": list(parts)}
    tools = Toolset.from_openai([{"name": "note", "parameters": schema}])
    draw = random.Random(2)
    found = compare(make(tools), tools, [request(draw) for _ in range(10)])
    assert found["different"] == found["invalid"] == 0


def test_what_was_always_copied_is_words_of_the_request(make: Make) -> None:
    """Without its second decoding, these weights answer what nobody said."""
    schema = {"type": "object", "properties": {"room": {"type": "string"}}, "required": ["room"]}
    tools = Toolset.from_openai([{"name": "light_on", "parameters": schema}])
    learned = habits(random.Random(1), tools, may_decline=False)
    assert learned.copied == [("light_on", "room")]
    said = {}
    for known in (learned, None):
        student = make(tools, known)
        answer = student.answer("turn on the wine cellar light", 60)
        said[known is None] = [str(call.arguments["room"]) for call in answer.calls if answer.complete]
    assert said[False]
    assert all(stands_in(room, "turn on the wine cellar light") for room in said[False])
    assert not any(stands_in(room, "turn on the wine cellar light") for room in said[True])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_thousand_generated_cases(make: Make) -> None:
    total = check(make, range(100, 110), 100)
    assert total["recomputed"] > 0


def test_without_trust_everything_is_computed_again_and_comes_out_the_same(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is not measured is not trusted.
    monkeypatch.setattr(CallDecoder, "measure_margin", lambda *_, **__: np.inf)
    draw = random.Random(5)
    tools = toolset(draw)
    student = make(tools, habits(draw, tools, may_decline=False))
    assert student.margin == np.inf
    found = compare(student, tools, [request(draw) for _ in range(10)])
    assert found["different"] == found["invalid"] == 0
    assert found["recomputed"] > 10


def test_a_foreseen_answer_takes_one_pass(make: Make) -> None:
    tools = Toolset.from_openai([{"name": "light_on", "parameters": {"type": "object", "properties": {}}}])
    student = make(
        tools, DraftModel.fit([Case(id="", messages=(), calls=(ToolCall(name="light_on"),))], tools)
    )
    answer = student.answer("light")
    assert answer.calls == (ToolCall(name="light_on"),)
    assert answer.text == render_calls(answer.calls)
    # One tool, no arguments: nothing is left to decide, and nothing is computed.
    assert (answer.probability, answer.decoded.passes, answer.complete) == (1.0, 0, True)


KNOWN = Confidence(
    slope=2.0, intercept=1.0, threshold=-3.0, target_precision=0.9, cases=40, right=30, kept=20, kept_right=18
)


def test_an_answer_says_how_far_it_is_to_be_believed(tmp_path: Path) -> None:
    draw = random.Random(4)
    tools = toolset(draw)
    values = {"distil_dag.run": "home.first", "distil_dag.tools": json.dumps(tools.openai())}
    path = write_tiny_gguf(tmp_path / "sure.gguf", values | KNOWN.key_values())
    with Student(path, threads=THREADS) as student:
        answers = [student.answer(request(draw), ROOM) for _ in range(8)]
        cut = student.answer(request(draw), 1)
    whole = [answer for answer in answers if answer.complete]
    assert whole
    for answer in whole:
        assert answer.confidence == KNOWN.right_with(answer.decoded.logprob)
        assert answer.confident is (answer.decoded.logprob >= -3.0)
    assert (cut.complete, cut.confidence, cut.confident) == (False, 0.0, False)
    # Among the answers of other tools a probability means something else.
    with Student(path, toolset(random.Random(5)), threads=THREADS) as student:
        other = student.answer("light", ROOM)
    assert (other.confidence, other.confident) == (None, None)


def test_what_the_draft_model_would_not_say_is_ranked_lower(tmp_path: Path) -> None:
    """A tool without arguments is drafted as it is answered; of two tools one can only be guessed."""
    known = KNOWN.key_values() | Ranking(doubt=1.5, cases=32).key_values()
    seen = set()
    for names in (["light_on"], ["light_on", "light_off"]):
        tools = Toolset.from_openai([{"name": name, "parameters": {"type": "object"}} for name in names])
        values = {"distil_dag.run": "home.first", "distil_dag.tools": json.dumps(tools.openai())}
        for tool in names:
            habits = DraftModel.fit([Case(id="", messages=(), calls=(ToolCall(name=tool),))], tools)
            path = write_tiny_gguf(tmp_path / "ranked.gguf", values | known | {KEY: habits.dumps()})
            with Student(path, threads=THREADS) as student:
                answer = student.answer("light", ROOM)
            same = answer.calls == (ToolCall(name=tool),)
            assert answer.drafted is same
            assert answer.score == answer.decoded.logprob - (0 if same else 1.5)
            assert answer.confidence == KNOWN.right_with(answer.score)
            seen.add(same)
    assert seen == {True, False}
    # Evidence about these tools says nothing of others.
    with Student(path, toolset(random.Random(5)), threads=THREADS) as student:
        assert student.ranking.doubt == 0


def test_a_call_that_its_schema_refuses_is_never_confident(tmp_path: Path) -> None:
    """Where the grammar can't hold a student to its tools; every answer is probable enough here."""
    schema = {
        "properties": {"bed": {"type": "string", "maxLength": 3, "pattern": "^rose$"}},
        "required": ["bed"],
    }
    tools = Toolset.from_openai([{"name": "water", "parameters": schema}])
    learned = DraftModel.fit([Case(id="", messages=(), calls=(ToolCall(name="water"),))], tools)
    trusting = KNOWN.model_copy(update={"threshold": -1e9})
    values = {"distil_dag.run": "home.first", "distil_dag.tools": json.dumps(tools.openai())}
    values |= {KEY: learned.dumps(), **trusting.key_values()}
    path = write_tiny_gguf(tmp_path / "sure.gguf", values)
    with Student(path, threads=THREADS) as student:
        assert student.deviations == ["water.bed: pattern is not held to"]
        answer = student.answer("water the rose", 100)
    assert answer.complete
    assert answer.calls
    assert answer.confident is False


def test_what_was_cut_off_says_nothing_of_how_far_whole_answers_are_to_be_believed(tmp_path: Path) -> None:
    draw = random.Random(4)
    tools = toolset(draw)
    values = {"distil_dag.run": "home.first", "distil_dag.tools": json.dumps(tools.openai())}
    path = write_tiny_gguf(tmp_path / "sure.gguf", values)
    words = [request(draw) for _ in range(12)]
    cases = [Case(id=f"{n}", messages=(Message(role="user", content=said),)) for n, said in enumerate(words)]
    with Student(path, threads=THREADS) as student:
        room = 1 + min(len(student.answer(said, ROOM).decoded.tokens) for said in words)
        whole = sum(student.answer(said, room).complete for said in words)
    assert 0 < whole < len(cases)
    found = measure_confidence(path, cases, tools, EvaluationSpec(max_new_tokens=room))
    assert found.confidence is not None
    assert found.guarantee is not None
    assert (found.confidence.cases, len(found.right)) == (whole, len(cases))
    # They could not be answered alone, so they count for the share that can.
    assert found.guarantee.rows == len(found.rows) == len(cases)
    assert sum(math.isfinite(score) for score, _ in found.rows) == whole
    found = measure_confidence(path, cases, tools, EvaluationSpec(max_new_tokens=1))
    assert (found.confidence, found.guarantee, len(found.right)) == (None, None, len(cases))
    assert "answered to its end within evaluation.max_new_tokens (1)" in found.missing


def test_the_probability_is_that_of_plain_decoding(make: Make) -> None:
    draw = random.Random(9)
    tools = toolset(draw)
    student = make(tools, habits(draw, tools, may_decline=True))
    for words in [request(draw) for _ in range(6)]:
        drafted, plain = student.answer(words, ROOM), student.answer(words, ROOM, plain=True)
        assert drafted.decoded.decisions == plain.decoded.decisions
        assert drafted.decoded.logprob == pytest.approx(plain.decoded.logprob, abs=0.05)
        assert 0 < drafted.probability <= 1


def test_answers_do_not_depend_on_what_was_asked_before(make: Make) -> None:
    draw = random.Random(8)
    tools = toolset(draw)
    student = make(tools, habits(draw, tools, may_decline=False))
    asked = [request(draw) for _ in range(6)]
    first = [student.answer(words, ROOM) for words in asked]
    turns = (Message(role="user", content="lights"), Message(role="assistant", content="Which?"))
    student.answer([*turns, Message(role="user", content="all")], ROOM)
    again = [student.answer(words, ROOM) for words in reversed(asked)]
    assert [(a.text, a.probability) for a in first] == [(a.text, a.probability) for a in reversed(again)]


def test_files_that_the_decoder_is_not_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.gguf"):
        Student(tmp_path / "missing.gguf")
    foreign = write_tiny_gguf(tmp_path / "foreign.gguf", {})
    with pytest.raises(NotDecodable, match="no student of this project"):
        Student(foreign, threads=THREADS)
    x = {"type": "integer", "enum": ["a"]}
    beyond = [{"name": "act", "parameters": {"properties": {"x": x}, "required": ["x"]}}]
    path = write_tiny_gguf(
        tmp_path / "b.gguf", {"distil_dag.run": "r", "distil_dag.tools": json.dumps(beyond)}
    )
    with pytest.raises(NotDecodable, match=r"act\.x: no listed value"):
        Student(path, threads=THREADS)


def test_a_conversation_too_long_for_the_context(make: Make) -> None:
    student = make(Toolset.from_openai([{"name": "a"}, {"name": "b"}]))
    with pytest.raises(ValueError, match="the context holds"):
        student.answer("word " * 600)
    assert student.answer("word").complete
