"""Synthetic rows of a log whose labels name what stands in the context: no label names what is not there."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from distil_dag.core.case import Case, Example, Message
from distil_dag.core.context import NOTHING, ContextRule
from distil_dag.core.normalise import ENGLISH
from distil_dag.core.settings import SynthesisSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Tool, Toolset
from distil_dag.stages.nlu.context_swap import about_another_line
from distil_dag.stages.nlu.spans import locate
from distil_dag.stages.synthesis.generator import Synthetic, synthesize
from distil_dag_tests.stages.synthesis.lamp_teacher import Scripted

TEXT = {"type": "string"}
TOOLSET = Toolset(
    [
        Tool(
            name="switch",
            parameters={"type": "object", "properties": {"device": TEXT, "percent": {"type": "integer"}}},
        ),
        Tool(name="play", parameters={"type": "object", "properties": {"speaker": TEXT}}),
    ]
)
RULE = ContextRule(keeps="varying", constant=("You run a home.", "Devices:"))
NAMES = ("fan", "heater", "radio", "desk lamp", "oven", "kettle")


def home(number: int) -> tuple[str, dict[str, str]]:
    listed = {NAMES[(number + n) % 6]: f"d{number}{n}" for n in range(4)}
    return "You run a home.\nDevices:\n" + "\n".join(f"- {name}: {id}" for name, id in listed.items()), listed


def example(id: str, system: str, words: str, **arguments: object) -> Example:
    name = "play" if "speaker" in arguments else "switch"
    turns = (Message(role="system", content=system), Message(role="user", content=words))
    calls = (ToolCall(name=name, arguments=arguments),)
    return Example(id=id, messages=turns, calls=calls, origin="seed")


def by_id() -> list[Example]:
    rows = []
    for number in range(12):
        system, listed = home(number)
        name = list(listed)[number % 4]
        words = (
            f"set the {name} to {10 + number} percent",
            f"please bring the {name} to {30 + number} percent",
        )
        rows += [
            example(f"{number}a", system, words[0], device=listed[name], percent=10 + number),
            example(f"{number}b", system, words[1], device=listed[name], percent=30 + number),
        ]
    return rows


def by_name() -> list[Example]:
    rows = []
    for number in range(12):
        system, listed = home(number)
        for place, form in enumerate(("play the news on the {}", "let me hear jazz on the {} now")):
            name = list(listed)[(number + place) % 4]
            rows.append(example(f"{number}{place}", system, form.format(name), speaker=name))
    return rows


def made_of(cases: Sequence[Example], rule: ContextRule) -> tuple[Synthetic, Scripted]:
    teacher = Scripted(lambda number, line: f"do number {number} for {line.partition(': ')[2]}")
    spec = SynthesisSpec(rows=60, batch=16, widen=False)
    names = replace(ENGLISH, context=rule)
    made, _ = synthesize(cases, [], [], TOOLSET, spec, teacher, normaliser=names)
    return made, teacher


def test_a_request_about_one_line_becomes_one_about_another_with_its_id() -> None:
    system, listed = home(0)
    case = example("1", system, "turn the fan down to 40", device=listed["fan"], percent=40)
    moved = {
        (found.request, found.calls[0].arguments["device"])
        for seed in range(40)
        if (found := about_another_line(case, RULE.of(case.messages), TOOLSET, random.Random(seed)))
    }
    assert moved == {(f"turn the {name} down to 40", id) for name, id in listed.items() if name != "fan"}


def test_lines_that_name_two_things_alike_or_belong_elsewhere_are_left() -> None:
    lines = "- d1: lamp (hall)\n- d2: lamp (attic)\n- d3: fan (attic)\n- d4: oven (hall)"
    case = example("1", lines, "switch on the fan in the attic", device="d3")
    assert about_another_line(case, lines, TOOLSET) is None
    hall = example("2", f"{lines}\n- d5: radio (attic)", "switch on the fan in the attic", device="d3")
    found = about_another_line(hall, f"{lines}\n- d5: radio (attic)", TOOLSET)
    assert found is not None
    assert (found.request, found.calls[0].arguments) == ("switch on the radio in the attic", {"device": "d5"})


def test_rows_name_only_devices_of_their_own_list_and_the_right_ones() -> None:
    made, teacher = made_of(by_id(), RULE)
    assert len(made.accepted) >= 20
    for row in made.accepted:
        context = RULE.of(row.messages)
        line = next(line for line in context.splitlines() if row.calls[0].arguments["device"] in line)
        name = line.removeprefix("- ").partition(":")[0]
        assert locate(name, row.request), (row.request, line)
    # The teacher words no call whose id it would have to look up.
    assert teacher.asked == []


def test_a_said_value_is_drawn_from_the_rows_own_list() -> None:
    made, _ = made_of(by_name(), RULE)
    assert len(made.accepted) >= 10
    for row in made.accepted:
        assert locate(row.calls[0].arguments["speaker"], RULE.of(row.messages))
    blind, _ = made_of(by_name(), NOTHING)
    assert any(not locate(row.calls[0].arguments["speaker"], RULE.of(row.messages)) for row in blind.accepted)


def test_the_same_words_with_another_id_in_another_home_contradict_nothing() -> None:
    made, _ = made_of(by_id(), RULE)
    blind, _ = made_of(by_id(), NOTHING)
    refused = [sum(row.reason == "contradicts a row" for row in found.rejected) for found in (made, blind)]
    assert refused[0] <= refused[1]


def test_a_case_without_context_stays_as_it_is() -> None:
    case = Case(id="1", messages=(Message(role="user", content="switch on the fan"),))
    assert about_another_line(case, "", TOOLSET) is None
