from __future__ import annotations

import pytest

from distil_dag.stages.progress import ProgressLine, paced, tally


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    "line",
    [
        ProgressLine("judging", 12, 300, 33.0, "8 passed, 4 another tool is likelier"),
        ProgressLine("judging", 0, 300),
        ProgressLine("synthetic rows", 300, 300, None, "12,400 tokens, 41 tokens/s (cached: 3/4)"),
        ProgressLine("evaluating", 1, 0, None, ""),
    ],
)
def test_a_line_is_read_back(line: ProgressLine) -> None:
    assert ProgressLine.read(str(line)) == line


@pytest.mark.parametrize("text", ["", "training in /tmp/x, base small", "done: 3 of 4", "a: b/c"])
def test_other_text_is_no_line(text: str) -> None:
    assert ProgressLine.read(text) is None


def test_lines_come_at_a_pace_with_the_time_left_and_what_was_spent() -> None:
    clock, said = Clock(), []
    report = paced(said.append, "judging", lambda: "7 tokens", 5.0, clock)
    for second in range(21):
        clock.now = 100.0 + second
        report(second, 20, "ok")
    lines = [ProgressLine.read(line) for line in said]
    assert [line.done for line in lines if line] == [0, 5, 10, 15, 20]
    assert [line.left for line in lines if line] == [None, 15.0, 10.0, 5.0, None]
    assert {line.note for line in lines if line} == {"ok, 7 tokens"}


def test_another_part_of_the_work_has_its_own_pace() -> None:
    clock, said = Clock(), []
    report = paced(said.append, "judging", None, 0.0, clock)
    report(0, 2)
    clock.now += 100
    report(1, 2)
    report(2, 2)
    report(0, 100)
    clock.now += 1
    report(10, 100)
    assert ProgressLine.read(said[-1]) == ProgressLine("judging", 10, 100, 9.0)


def test_what_was_done_before_a_resumed_part_has_no_pace() -> None:
    clock, said = Clock(), []
    report = paced(said.append, "training", None, 0.0, clock)
    report(500, 1000)
    clock.now += 10
    report(510, 1000)
    assert [line.left for line in map(ProgressLine.read, said) if line] == [None, 490.0]


def test_a_tally_names_the_largest_and_sums_up_the_rest() -> None:
    counts = {"passed": 9, "a": 3, "b": 3, "c": 2, "d": 1, "e": 1, "none": 0}
    assert tally(counts) == "9 passed, 3 a, 3 b, 2 c, 2 otherwise"
    assert tally({}) == ""
