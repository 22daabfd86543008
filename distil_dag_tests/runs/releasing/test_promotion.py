"""A challenger against a champion over a real store: tests of both, later traces, and what is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from distil_dag.adapters.run_store import RunStore
from distil_dag.core import tables
from distil_dag.core.case import Case, Message, Trace
from distil_dag.core.run_key import RunKey
from distil_dag.core.sources import FileSource
from distil_dag.core.task import Task
from distil_dag.core.tool_call import render_calls
from distil_dag.core.toolset import Toolset
from distil_dag.runs.releasing.promotion import hold
from distil_dag.stages.evaluating.answers import Answered
from distil_dag.stages.ports import Progress, quiet
from distil_dag_tests import stand_ins as good

NOW = datetime.now(UTC)
TEST = [good.held_out(f"t{n}", f"turn on device {n}", good.turn_on(f"device {n}")) for n in range(40)]


@dataclass
class Knowing:
    """A student that is right where a word of the request is not in its blind spots."""

    blind: Sequence[str]
    name: str = ""
    model: str = ""
    bytes: int = 0

    def answer(self, cases: Sequence[Case], progress: Progress = quiet) -> list[Answered | None]:
        return [
            Answered("[]" if set(self.blind) & set(case.request.split()) else render_calls(case.calls))
            for case in cases
        ]


BLIND = {"good": [], "weak": [str(n) for n in range(0, 400, 4)]}


def student(file: Path, tools: Toolset, max_tokens: int) -> Knowing:
    """The file's own text says which one it is."""
    return Knowing(BLIND[file.read_text()])


def run(store: RunStore, key: str, kind: str, test: Sequence[Case] = TEST) -> None:
    times = {"id_column": "id", "time_column": "at"}
    task = good.task(promotion={"fresh": 20})
    source = FileSource(kind="files", path="log.jsonl", **times)
    task = task.model_copy(update={"settings": task.settings.model_copy(update={"traces": source})})
    store.write_report(key, "traces", task, name="task")
    logged = Trace(
        id="l1", messages=(Message(role="user", content="turn on the heater"),), time=NOW - timedelta(days=2)
    )
    store.write_cases(key, tables.TRACES, [logged])
    store.write_cases(key, tables.TEST, test)  # type: ignore[arg-type]
    store.write_cases(key, tables.SEEDS, good.SEEDS)
    store.write_cases(key, tables.CONTEXT, [])
    store.write_cases(key, tables.SYNTHETIC, good.SYNTHETIC)
    store.write_report(key, "judged_seeds", good.JUDGE_REPORT)
    store.write_report(key, "gguf", good.GGUF_REPORT)
    store.write_bytes(key, "gguf", f"files/{Path(good.GGUF_REPORT.primary).name}", kind.encode())


def later(count: int, first: int = 100) -> list[Trace]:
    return [
        Trace(
            id=f"l{n}",
            messages=(Message(role="user", content=f"turn on device {n}"),),
            calls=(good.turn_on(f"device {n}"),),
            time=NOW - timedelta(hours=1),
        )
        for n in range(first, first + count)
    ]


def held(store: RunStore, traces: Sequence[Trace], seen: datetime | None = None):  # type: ignore[no-untyped-def]
    asked: list[RunKey] = []

    def read(task: Task, key: RunKey) -> tuple[list[Trace], Task]:
        asked.append(key)
        return [trace for trace in traces if key.contains(trace.time)], task

    task = store.read_report("home.new", "traces", Task, name="task")
    settings = task.settings.model_copy(
        update={"promotion": good.task(promotion={"fresh": 20}).settings.promotion}
    )
    task = task.model_copy(update={"settings": settings})
    decision, until = hold(store, "home.new", "home.old", task, [], seen, student=student, later_traces=read)
    return decision, until, asked


def test_a_challenger_that_wins_both_is_promoted_and_spends_the_traces(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    run(store, "home.old", "weak")
    run(store, "home.new", "good")
    decision, until, _ = held(store, later(30))
    assert decision.verdict == "promote"
    assert [one.name for one in decision.contests] == ["their common test", "later traces"]
    assert (decision.contests[0].gained, decision.contests[0].lost) == (10, 0)
    assert until is not None
    # They were blind once: the next decision waits for others.
    decision, again, _ = held(store, later(30), until)
    assert decision.verdict == "wait"
    assert "0 of 20 traces" in decision.reason
    assert again == until


def test_who_loses_the_test_leaves_the_later_traces_blind(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    run(store, "home.old", "good")
    run(store, "home.new", "weak")
    decision, until, asked = held(store, later(30))
    assert decision.verdict == "keep"
    assert (until, asked) == (None, [])


def test_later_traces_can_keep_the_champion(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    run(store, "home.old", "weak")
    run(store, "home.new", "good")
    # Nothing of which the champion is blind for: no lead.
    traces = [trace for trace in later(60) if int(trace.id[1:]) % 4]
    decision, until, _ = held(store, traces)
    assert decision.verdict == "keep"
    assert "later traces: the lead of +0.0%" in decision.reason
    assert until is not None


def test_other_tests_are_asked_of_both(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    run(store, "home.old", "weak")
    heater = good.held_out("t99", "switch on the heater", good.turn_on("heater"))  # both have learned it
    others = [good.held_out(f"n{n}", f"start device {n}", good.turn_on(f"device {n}")) for n in range(20)]
    run(store, "home.new", "good", [*others, heater])
    decision, _, _ = held(store, [])
    tests = decision.contests[0]
    assert tests.name == "the tests of home.new and home.old"
    assert (tests.n, tests.gained, tests.lost, tests.left_out) == (60, 15, 0, 1)
    assert decision.verdict == "wait"
