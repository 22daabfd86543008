"""What of a log's system prompts is constant, and what a student keeps of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from distil_dag.core.case import Case, Message
from distil_dag.core.context import NOTHING, ContextRule
from distil_dag.stages.student.context_report import context_report
from distil_dag.stages.student.context_split import ContextSplit, split_of
from distil_dag.stages.student.prompt import student_messages
from distil_dag_tests.paths import ROOT
from distil_dag_tests.stages.student.home_prompts import RULES, TOOLSET, home_log, prompt, read, trace


def split(systems: list[str]) -> ContextSplit:
    return split_of(read(trace(n, system) for n, system in enumerate(systems)), TOOLSET)


def kept(found: ContextSplit, system: str) -> str:
    return found.varying.of([Message(role="system", content=system)])


def test_date_and_devices_vary_and_the_rules_do_not() -> None:
    found = split_of(read(home_log()), TOOLSET)
    assert found.templates == 1
    assert found.constant == (
        "You run a home.",
        "Call one tool for each request.",
        "Never ask back.",
        "Devices:",
    )
    system = prompt(9, ["heater"], 2)
    assert kept(found, system) == "Today is 2026-11-09.\nDevices:\n- heater: d522"
    assert kept(found, kept(found, system)) == kept(found, system)


def test_a_heading_stays_where_something_under_it_does() -> None:
    rooms = [f"Be brief.\n## Kitchen\n- lamp\n\n- oven {n}\n## Hall\n- lamp\n\nBye." for n in range(30)]
    assert kept(split(rooms), rooms[7]) == "- oven 7"
    rooms = [text.replace("\n\n-", "\n-") for text in rooms]
    assert kept(split(rooms), rooms[7]) == "## Kitchen\n- oven 7"


def test_the_same_prompt_everywhere_has_no_context() -> None:
    for count in (1, 5, 100):
        found = split([RULES] * count)
        assert not found.varies
        assert found.rule("auto") == found.rule("none") == NOTHING


def test_a_log_without_system_prompts_has_none_whatever_is_set() -> None:
    found = split([""] * 30)
    assert [found.rule(wanted) for wanted in ("auto", "none", "full")] == [NOTHING] * 3


@pytest.mark.parametrize("count", [2, 5, 19])
def test_in_few_requests_nothing_is_constant_by_chance(count: int) -> None:
    systems = [prompt(1 + n) for n in range(count)]
    found = split(systems)
    assert found.constant == ()
    assert kept(found, systems[0]) == systems[0]
    assert "You run a home." in split([*systems, *systems[:1] * 20]).constant


def test_two_agents_have_two_constant_parts() -> None:
    one = "You are helpful.\nYou control lamps.\nSay which lamp.\nNever ask."
    two = "You are helpful.\nYou book trains.\nSay when.\nBook no flights.\nUse two letters."
    systems = [f"{(one, two)[n % 2]}\nToday is 2026-11-{1 + n % 28}." for n in range(80)]
    found = split(systems)
    assert found.templates == 2
    assert kept(found, systems[3]) == "Today is 2026-11-4."
    assert kept(found, systems[2]) == "Today is 2026-11-3."
    assert not split([(one, two)[n % 2] for n in range(80)]).varies


def test_a_prompt_that_was_rewritten_has_two_constant_parts() -> None:
    old = [f"You run a home.\nAnswer in words.\nToday is 2026-11-{1 + n % 28}." for n in range(60)]
    new = [f"You run a home.\nCall tools.\nBe quick.\nToday is 2026-11-{1 + n % 28}." for n in range(60)]
    found = split([*old, *new])
    assert {kept(found, text) for text in (old[4], new[4])} == {"Today is 2026-11-5."}


def test_what_changes_with_the_day_is_no_rewritten_prompt() -> None:
    days = ["Monday", "Tuesday", "Wednesday"]
    found = split([f"You run a home.\nToday is {day}." for day in days for _ in range(40)])
    assert kept(found, "You run a home.\nToday is Monday.") == "Today is Monday."


def test_lines_with_values_of_labels_stay_where_only_part_of_the_log_has_them() -> None:
    """Two homes with a long list each look like two agents."""
    found = split_of(read(home_log(homes=2)), TOOLSET)
    assert "- heater: d521" in kept(found, prompt(9, shift=1))


def test_one_line_is_split_by_sentences_and_json_by_lines() -> None:
    lines = [f"You run a home. Today is 2026-11-{1 + n % 28:02}. The user is Ann." for n in range(40)]
    assert kept(split(lines), lines[5]) == "Today is 2026-11-06."
    whole = [json.dumps({"rules": "Be brief. Be kind.", "user": f"u{n}"}) for n in range(40)]
    assert kept(split(whole), whole[5]) == whole[5]
    pretty = [json.dumps({"rules": "Be brief.", "home": {"user": f"u{n}"}}, indent=1) for n in range(40)]
    assert kept(split(pretty), pretty[5]) == ' "home": {\n  "user": "u5"'


def test_a_prompt_seen_once_changes_nothing_for_the_others() -> None:
    found = split([*[RULES] * 60, "You translate. Say nothing else."])
    assert kept(found, RULES) == ""
    assert kept(found, "You translate. Say nothing else.") == "You translate. Say nothing else."


def test_a_hundred_thousand_prompts_are_read_in_bounded_memory() -> None:
    found = read(trace(n, f"You run a home.\nThe user is u{n}.") for n in range(12_000))
    assert len(found.prompts) <= 5000
    assert 9000 < found.different < 15_000
    assert kept(split_of(found, TOOLSET), "You run a home.\nThe user is u3.") == "The user is u3."


def test_the_student_gets_one_system_turn() -> None:
    rule = split_of(read(home_log()), TOOLSET).varying
    case = Case(id="1", messages=trace(1, prompt(9, ["fan"])).messages)
    told = "Today is 2026-11-09.\nDevices:\n- fan: d630"
    assert [turn.content for turn in student_messages(case, "", rule)] == [told, "hello"]
    assert student_messages(case, "Be brief.", rule)[0].content == f"Be brief.\n{told}"
    assert (
        student_messages(case, "Be brief.", ContextRule(keeps="all"))[0].content
        == f"Be brief.\n{prompt(9, ['fan'])}"
    )
    bare = Case(id="2", messages=case.messages[1:])
    assert student_messages(bare, "", rule) == student_messages(case) == bare.messages


def test_the_report_tells_the_split_and_whose_values_stand_there_alone() -> None:
    found = read(home_log())
    parts = split_of(found, TOOLSET)
    report = context_report(found, parts, parts.rule("none"), TOOLSET)
    assert report.keeps == "nothing"
    assert (report.requests, report.templates) == (120, 1)
    assert {part.behind for part in report.parts} == {"Never ask back.", "Devices:"}
    dates = next(part for part in report.parts if part.behind == "Never ask back.")
    assert (dates.requests, dates.values) == (120, 28)
    shares = {(row.tool, row.argument): row.share for row in report.values}
    assert shares == {("switch", "device"): 1.0, ("agenda", "date"): 1.0}
    assert report.kept_tokens == 0 < report.mean_tokens


def test_the_report_is_the_same_in_every_process() -> None:
    # Sets of texts have another order in each.
    code = (
        "from distil_dag_tests.stages.student.test_context_split import *\n"
        "said = [f'Be brief.\\nUser: u{n}\\nDate: d{n}\\nRoom: r{n}\\nMood: m{n}' for n in range(30)]\n"
        "found = read(trace(n, system) for n, system in enumerate(said))\n"
        "parts = split_of(found, TOOLSET)\n"
        "print(context_report(found, parts, parts.rule('auto'), TOOLSET).model_dump_json())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            cwd=ROOT,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1
