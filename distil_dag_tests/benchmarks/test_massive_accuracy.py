"""The benchmark measures what nobody has measured yet, and nothing twice."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import massive_accuracy
import pytest

from distil_dag.core.case import Message, Trace
from distil_dag.core.tool_call import ToolCall


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of coffees, large enough for the test that the benchmark holds out."""
    path = tmp_path / "log.jsonl"
    call = {"type": "function", "function": {"name": "iot_coffee", "arguments": "{}"}}
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"coffee number {n} for the guests of table {n * 7}"},
                {"role": "assistant", "tool_calls": [call]},
            ]
        }
        for n in range(200)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setenv("DISTIL_DAG_MASSIVE_TRACES", str(path))
    return path


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which methods were measured; half an hour of training each is left out."""
    names: list[str] = []

    def measure(split: massive_accuracy.Split, method: str, seed: int, work: Path) -> dict[str, Any]:
        names.append(method)
        answers = {"Q8_0": [{"id": "a", "exact": True}, {"id": "b", "exact": False}]}
        place = {"log": split.log, "split": 0, "method": method, "seed": seed, "confirmed": split.confirmed}
        return place | {"n": 2, "answers": answers, "date": "2026-11-27", "machine": "2 cores"}

    monkeypatch.setattr(massive_accuracy, "measure", measure)
    return names


def run(monkeypatch: pytest.MonkeyPatch, work: Path, results: Path, *more: str) -> str:
    chosen = ["--logs", "clean", "--splits", "0", "--methods", "direct", "--work", str(work)]
    monkeypatch.setattr(sys, "argv", ["massive_accuracy.py", *chosen, "--results", str(results), *more])
    massive_accuracy.main()
    return results.read_text()


def test_what_the_record_holds_is_not_measured_again(
    log: Path, measured: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "results.md"
    first = run(monkeypatch, tmp_path / "work", results)
    assert measured == ["lookup", "direct"]
    assert "| clean | direct | Q8_0 | 50.0% |" in first
    # On another machine there is the record, and nothing in the work folder.
    assert run(monkeypatch, tmp_path / "elsewhere", results) == first
    assert measured == ["lookup", "direct"]


def test_another_task_is_measured_anew_beside_the_record(
    log: Path, measured: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, again = tmp_path / "results.md", tmp_path / "again.md"
    run(monkeypatch, tmp_path / "work", results)
    record = results.with_suffix(".jsonl").read_text()
    with pytest.raises(SystemExit, match=r"results\.jsonl holds measurements \w{12}, and these are \w{12}"):
        run(monkeypatch, tmp_path / "work", results, "--set", "training.epochs=2")
    assert results.with_suffix(".jsonl").read_text() == record
    run(monkeypatch, tmp_path / "work", again, "--set", "training.epochs=2")
    assert measured == ["lookup", "direct"] * 2


def test_labels_are_confirmed_by_equal_requests_with_the_same_calls(tmp_path: Path) -> None:
    task = massive_accuracy.read_task(massive_accuracy._TASK)
    coffee, lights = ToolCall(name="iot_coffee"), ToolCall(name="iot_hue_lighton")
    asked = [
        *((f"said once {n}", coffee) for n in range(500)),
        *((f"said twice {n // 2}", coffee) for n in range(400)),
        *((f"contradicted {n // 2}", (coffee, lights)[n % 2]) for n in range(400)),
    ]
    traces = [
        Trace(id=f"{n:04d}", messages=(Message(role="user", content=words),), calls=(call,))
        for n, (words, call) in enumerate(asked)
    ]
    split = massive_accuracy.Split(0, "clean", task, traces, tmp_path)
    twice = sorted(case.id for case in split.test if "twice" in case.request)
    assert split.confirmed == twice
    assert len(twice) > 10


def test_repeats_of_the_tests_stay_in_the_log_only_where_asked_for(
    log: Path, measured: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = massive_accuracy.read_task(massive_accuracy._TASK)
    call = ToolCall(name="iot_coffee")
    traces = [
        Trace(
            id=f"{n:03d}",
            messages=(Message(role="user", content=f"coffee number {n // 2} please"),),
            calls=(call,),
        )
        for n in range(2000)
    ]

    def repeated(repeats: bool) -> int:
        split = massive_accuracy.Split(0, "clean", task, traces, tmp_path, repeats)
        assert len(split.test) == 150
        known = {trace.request for trace in split.rest}
        return sum(case.request in known for case in split.test)

    assert repeated(False) == 0
    # All but pairs that were both drawn.
    assert repeated(True) > 120
    first = run(monkeypatch, tmp_path / "work", tmp_path / "repeats.md", "--repeats")
    assert "what repeats them stays in the log" in first
