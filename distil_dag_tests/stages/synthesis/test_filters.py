"""What synthesis refuses, and why: replies that are none, other functions, leaks, repeats, strange words."""

from __future__ import annotations

import pytest

from distil_dag.core.normalise import ENGLISH
from distil_dag.stages.ports import Reply
from distil_dag.stages.synthesis.filters import (
    DUPLICATE,
    FUNCTION,
    GROUNDING,
    LANGUAGE,
    ROUND_TRIP,
    TEST_LEAK,
    UNANSWERED,
)
from distil_dag.stages.synthesis.style import Style
from distil_dag_tests.stages.synthesis.lamp_teacher import (
    LEADS,
    TAILS,
    case,
    good,
    mumbles,
    run,
    seeds,
)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", UNANSWERED),
        ("\n\n", UNANSWERED),
        (Reply("", "error", error="timed out"), UNANSWERED),
        (Reply("switch on the lights in the", "length"), UNANSWERED),
        ("switch on the lights in the attic", GROUNDING),
        ('{"name": "lamp_on", "arguments": {}}', LANGUAGE),
        ("Call: lamp_on", LANGUAGE),
        ("lights \x00 on", LANGUAGE),
        ("включи свет на кухне", LANGUAGE),
        ("switch on on on the lights", LANGUAGE),
        ("on", LANGUAGE),
        (" ".join(["very long"] + [f"word{n}" for n in range(60)]), LANGUAGE),
    ],
)
def test_a_bad_reply_is_a_rejected_row_with_its_reason(reply: str | Reply, reason: str) -> None:
    only = [seed for seed in seeds() if seed.calls and seed.calls[0].name.startswith("lamp")]
    made, report, _ = run(lambda n, line: reply, rows=20, cases=only, transplant_share=0.0)
    told = {row.reason for row in made.rejected if row.id.startswith("teacher")}
    assert reason in told
    assert report.rejected[reason] == sum(row.reason == reason for row in made.rejected)
    assert all(row.id.split("-")[0] != "teacher" for row in made.accepted)


def test_another_function_and_an_unplanned_argument_are_refused() -> None:
    def wrong_tool(number: int, line: str) -> str:
        return good(number, line.replace("lamp on", "lamp off"))

    made, _, _ = run(wrong_tool, rows=40, transplant_share=0.0)
    assert any(row.reason == FUNCTION and row.calls[0].name == "lamp_on" for row in made.rejected)

    def chatty(number: int, line: str) -> str:
        return good(number, line).replace("the temperature", "the temperature in the kitchen") + (
            " in the kitchen" if line.startswith("set heat: degrees") and "room" not in line else ""
        )

    made, _, _ = run(chatty, rows=40, transplant_share=0.0)
    for row in made.accepted:
        for call in row.calls:
            if "kitchen" in row.request:
                assert call.arguments.get("room") == "kitchen"


def test_a_longer_known_value_in_the_words_becomes_the_label() -> None:
    plugs = ["wemo plug", "wemo plug socket", "wemo", "smart plug socket", "smart plug"]
    cases = [
        case(f"turn on my {plug} {tail}", ("lamp_on", {"lamp": plug}))
        for plug in plugs
        for tail in ("now", "please now", "at once")
    ]
    cases += [
        case(f"turn off my {plug} {tail}", ("lamp_off", {"lamp": plug}))
        for plug in plugs
        for tail in ("now", "at once")
    ]

    def says_more(number: int, line: str) -> str:
        way = "on" if "on" in line.split(":")[0] else "off"
        return f"turn {way} my wemo plug socket {LEADS[number % 8]} {TAILS[number % 7]}"

    made, _, _ = run(says_more, rows=20, cases=cases, transplant_share=0.0)
    rows = [row for row in made.accepted if row.id.startswith("teacher")]
    assert rows
    assert {row.calls[0].arguments["lamp"] for row in rows} == {"wemo plug socket"}


def test_a_value_must_stand_in_words_that_have_no_spaces() -> None:
    rooms = [
        "客厅",
        "卧室",
        "厨房",
        "书房",
        "车库",
        "浴室",
        "阳台",
        "地下室",
        "走廊",
        "办公室",
        "花园",
        "餐厅",
    ]
    cases = [case(f"打开{room}的灯", ("lamp_on", {"room": room})) for room in rooms]
    cases += [case(f"请把{room}的灯关掉", ("lamp_off", {"room": room})) for room in rooms]
    cases += [case("麻烦打开客厅的灯吧", ("lamp_on", {"room": "客厅"}))]

    def heedless(number: int, line: str) -> str:
        room = rooms[5 * number % len(rooms)]
        return f"麻烦打开{room}的灯" if line.startswith("lamp on") else f"关掉{room}的灯吧"

    made, report, _ = run(heedless, rows=30, cases=cases)
    assert report.rejected[GROUNDING] > 0
    assert all(row.calls[0].arguments["room"] in row.request for row in made.accepted)
    assert {row.id.split("-")[0] for row in made.accepted} == {"teacher", "refill", "cross"}


@pytest.mark.parametrize(
    "text", ["چراغ را روشن می\u200cکنم", "allume la cave\u00a0!", "bonsoir la famille 👨\u200d👩\u200d👧"]
)
def test_signs_that_nobody_sees_may_belong_to_words(text: str) -> None:
    assert Style([text, text + " ok"]).problem(text) == ""
    assert Style(["lights on now", "and then some more of it"]).problem(text)


@pytest.mark.parametrize("sign", ["\x07", "\x85", "\u202e", "\u2066", "\u2028"])
def test_signs_that_steer_a_screen_are_refused_even_where_the_log_has_them(sign: str) -> None:
    text = f"lights {sign} on"
    assert Style([text, text]).problem(text) == "control characters"


def test_letters_that_good_sentences_repeat_are_no_fault() -> None:
    style = Style(["打开客厅的灯", "请把卧室和厨房的窗帘都关上好吗"])
    assert style.problem("打开客厅的灯和卧室的灯和厨房的灯") == ""
    assert style.problem("打开" * 20).endswith("the log has 6 to 24")


def test_requests_of_the_test_never_come_back() -> None:
    leak = "switch on the lights in the pantry"
    test = [
        case(leak, ("lamp_on", {"room": "pantry"})),
        case("heat the hall to 15 degrees", ("set_heat", {"degrees": 15, "room": "hall"})),
    ]
    cases = [*seeds()[4:], case("kindly make it bright in the pantry", ("lamp_on", {"room": "pantry"}))]
    made, report, _ = run(rows=120, cases=cases, test=test, max_attempts_per_row=8)
    assert report.rejected.get(TEST_LEAK, 0) > 0
    assert not {ENGLISH.key(case.request) for case in test} & {
        ENGLISH.key(row.request) for row in made.accepted
    }


def test_repeats_are_refused_and_the_budget_ends_it() -> None:
    _, report, teacher = run(
        lambda n, line: good(0, line), rows=50, transplant_share=0.0, max_attempts_per_row=2
    )
    assert report.rejected[DUPLICATE] > 0
    assert report.attempted <= 100
    assert report.stopped != "full"
    assert len(teacher.asked) <= 100


def test_a_weak_teacher_is_believed_only_in_words_that_the_log_knows() -> None:
    made, report, _ = run(mumbles, rows=60, transplant_share=0.0, max_attempts_per_row=10)
    assert report.rejected[ROUND_TRIP] > 0
    assert not [row for row in made.accepted if "shrivel" in row.request]
    faithful, _, _ = run(rows=60, transplant_share=0.0, max_attempts_per_row=10)
    said = {word for row in faithful.accepted for word in row.request.split()}
    assert said & {"possible", "computer", "listen", "dinner"}
