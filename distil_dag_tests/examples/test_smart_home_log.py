"""What the demo's log promises: its shares, its faults, its reproducibility."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from distil_dag.adapters.tasks.folder import read_task
from distil_dag.core.answers.call_objects import read_call
from distil_dag.core.normalise import ENGLISH
from distil_dag.core.task import Task
from distil_dag.core.tool_call import ToolCall, same_calls
from distil_dag_tests.paths import EXAMPLES, ROOT

EXAMPLE = EXAMPLES / "smart_home"
KINDS = {
    "tool_swapped",
    "value_changed",
    "argument_dropped",
    "argument_added",
    "call_missed",
    "call_invented",
}

pytest.importorskip("hassil")
pytest.importorskip("home_assistant_intents")


@dataclass
class Row:
    id: str
    time: datetime
    agent: str
    user: str
    words: str
    calls: list[ToolCall]
    fault: str


@pytest.fixture(scope="module")
def example() -> Iterator[Path]:
    sys.path.insert(0, str(EXAMPLE))
    yield EXAMPLE
    sys.path.remove(str(EXAMPLE))


@pytest.fixture(scope="module")
def built(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from build_log import build_log

    return build_log(tmp_path_factory.mktemp("log")).parent


@pytest.fixture(scope="module")
def rows(built: Path) -> list[Row]:
    columns = "id, created_at, agent, user_id, request, response, injected_fault"
    with sqlite3.connect(built / "log.db") as database:
        found = database.execute(f"SELECT {columns} FROM requests ORDER BY id").fetchall()
    return [
        Row(id_, datetime.fromisoformat(time), agent, user, _words(request), _calls(response), fault)
        for id_, time, agent, user, request, response, fault in found
    ]


@pytest.fixture(scope="module")
def own(rows: list[Row]) -> list[Row]:
    """The smart home's own traffic."""
    return [row for row in rows if row.agent == "smart_home" and row.fault != "other_agent"]


@pytest.fixture(scope="module")
def task() -> Task:
    return read_task(EXAMPLE)


def _words(request: str) -> str:
    return str(json.loads(request)["messages"][-1]["content"])


def _calls(response: str) -> list[ToolCall]:
    message = json.loads(response)["choices"][0]["message"]
    return [read_call(call) for call in message.get("tool_calls", [])]


def test_the_seed_decides_every_byte(built: Path, tmp_path: Path) -> None:
    from build_log import build_log

    again = build_log(tmp_path / "again").parent
    for name in ("log.db", "test.jsonl", "labels.jsonl"):
        assert (again / name).read_bytes() == (built / name).read_bytes()
    other = build_log(tmp_path / "other", rows=300, seed=1).parent
    assert (other / "test.jsonl").read_bytes() != (built / "test.jsonl").read_bytes()


def test_the_committed_files_are_the_ones_it_makes(built: Path) -> None:
    for name in ("test.jsonl", "labels.jsonl"):
        assert (built / name).read_text() == (EXAMPLE / name).read_text(), f"run {EXAMPLE}/build_log.py"


def test_it_is_the_log_of_four_weeks(rows: list[Row]) -> None:
    assert len(rows) == len({row.id for row in rows}) == 1500
    assert [row.time for row in rows] == sorted(row.time for row in rows)
    assert timedelta(days=26) < rows[-1].time - rows[0].time < timedelta(days=28)
    assert len({row.user for row in rows}) >= 25


def test_requests_vary_and_some_come_again(own: list[Row]) -> None:
    words = [row.words for row in own]
    assert len({ENGLISH.key(text) for text in words}) >= 900
    assert 0.10 < 1 - len(set(words)) / len(words) < 0.25


def test_a_quarter_of_the_answers_is_wrong_in_several_ways(own: list[Row]) -> None:
    faults = Counter(row.fault for row in own)
    wrong = sum(count for kind, count in faults.items() if kind)
    assert 0.22 < wrong / len(own) < 0.29
    assert set(faults) - {""} == KINDS
    assert all(faults[kind] >= 25 for kind in KINDS)


def test_some_requests_have_no_tool(own: list[Row]) -> None:
    right_without = [row for row in own if not row.calls and not row.fault]
    invented = [row for row in own if row.fault == "call_invented"]
    assert 0.09 < (len(right_without) + len(invented)) / len(own) < 0.15


def test_faults_are_faults(own: list[Row], task: Task) -> None:
    """Where one request has a right and a wrong answer, they differ."""
    right = {row.words: row.calls for row in own if not row.fault}
    compared = 0
    for row in own:
        if row.fault and row.words in right:
            canonical = [
                [task.toolset.canonical(c) for c in calls] for calls in (row.calls, right[row.words])
            ]
            assert not same_calls(*canonical)
            compared += 1
        assert bool(row.calls) or row.fault in ("", "call_missed")
    assert compared > 10


def test_right_calls_fit_the_tools_and_copy_the_words(own: list[Row], task: Task) -> None:
    for row in own:
        if row.fault:
            continue
        said = row.words.lower()
        for call in row.calls:
            assert task.toolset.problems(call) == []
            for value in call.arguments.values():
                assert re.search(rf"(?<!\w){re.escape(str(value))}(?!\w)", said), (row.words, call)


def test_a_part_of_the_wrong_calls_breaks_the_schema(own: list[Row], task: Task) -> None:
    broken = {row.fault for row in own for call in row.calls if task.toolset.problems(call)}
    assert broken == {"argument_added"}


def test_another_agents_traffic_is_mixed_in(rows: list[Row], task: Task) -> None:
    named = [row for row in rows if row.agent != "smart_home"]
    stray = [row for row in rows if row.agent == "smart_home" and row.fault == "other_agent"]
    assert len(named) == 150
    assert 45 <= len(stray) <= 75
    assert all(call.name not in task.toolset for row in named + stray for call in row.calls)


def test_personal_data_stands_in_some(own: list[Row]) -> None:
    personal = [row for row in own if re.search(r"@example|555[ -]01|496 0|7946", row.words)]
    assert len(personal) >= 5
    assert any("@" in str(call.arguments) for row in personal for call in row.calls)


def test_every_right_pattern_has_examples_to_learn_from(own: list[Row]) -> None:
    patterns = Counter(
        (call.name, *sorted(call.arguments)) for row in own if not row.fault for call in row.calls
    )
    assert len({tool for tool, *_ in patterns}) == 13
    rare = [pattern for pattern, count in patterns.items() if count < 5]
    assert len(rare) <= 3


def test_the_test_holds_different_requests_of_every_tool(task: Task) -> None:
    assert task.test is not None
    assert len(task.test) == 200
    assert len({ENGLISH.key(case.request) for case in task.test}) == 200
    tools = Counter(case.calls[0].name if case.calls else None for case in task.test)
    assert set(tools) == {None, *task.toolset.names}
    assert min(tools.values()) >= 5
    assert all(not re.search(r"@|\b555\b", case.request) for case in task.test)


def test_the_test_has_the_true_calls(task: Task, own: list[Row]) -> None:
    right = {row.words: row.calls for row in own if not row.fault}
    assert task.test is not None
    known = [case for case in task.test if case.request in right]
    assert len(known) > 120
    assert all(same_calls(case.calls, right[case.request]) for case in known)


def test_labels_follow_the_faults_and_leave_the_test_alone(task: Task, rows: list[Row]) -> None:
    assert task.test is not None
    assert task.labels is not None
    by_id = {row.id: row for row in rows}
    tested = {ENGLISH.key(case.request) for case in task.test}
    assert len(task.labels) == 300
    for name, right in task.labels.items():
        assert right == (not by_id[name].fault)
        assert by_id[name].agent == "smart_home"
        assert ENGLISH.key(by_id[name].words) not in tested
    assert 0.6 < sum(task.labels.values()) / 300 < 0.8


def test_nothing_in_the_package_reads_the_column_of_faults() -> None:
    package = ROOT / "distil_dag"
    assert not [path for path in package.rglob("*.py") if "injected_fault" in path.read_text()]


def test_a_log_of_any_size_can_be_built(example: Path, tmp_path: Path) -> None:
    from build_log import build_log

    with sqlite3.connect(build_log(tmp_path / "small", rows=60, seed=3)) as database:
        assert database.execute("SELECT count(*) FROM requests").fetchone() == (60,)
    assert (tmp_path / "small" / "test.jsonl").read_text().count("\n") <= 60
