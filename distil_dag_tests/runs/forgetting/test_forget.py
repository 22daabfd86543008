"""`distil-dag forget`: what it lists, what is left, what never comes back, and what a search finds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from distil_dag.adapters.run_store import RunStore
from distil_dag.core import tables
from distil_dag_tests.cli.test_cli import Call, call
from distil_dag_tests.runs.forgetting import household as house

__all__ = ["call"]  # a fixture


@pytest.fixture
def store(home: Path) -> RunStore:
    return house.write_all(home)


def ids(store: RunStore, run: str, table: tables.Table) -> set[str]:
    return {row.get("id") or row["trace_id"] for row in store.read_rows(run, table)}


def everything(home: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_it_lists_first_then_deletes_everywhere_and_proves_it(
    store: RunStore, call: Call, home: Path
) -> None:
    before = everything(home / "store")
    shown = call("forget", "--where", "metadata.user=ann", "--json")
    assert shown.code == 0, shown.err
    listed = json.loads(shown.out)
    assert {*house.ANN, "exchange-of-ann-1"} <= {*listed["traces"], "exchange-of-ann-1"}
    assert (listed["derived"], listed["unreadable"], listed["changed"]) == (["refill-000001"], 1, False)
    assert listed["runs"][0]["retrain"]
    assert everything(home / "store") == before

    # What the search would miss if it could find nothing: all places are told.
    said = call(
        "forget", "--where", "metadata.user=ann", "--yes", "--verify", "--json",
        "--by", "Ann", "--reason", "her letter",
    )  # fmt: skip
    told = json.loads(said.out)
    assert (said.code, told["found"]) == (0, []), said.out
    (done,) = told["records"]
    assert (done["traces"], done["derived"], done["unreadable"], done["asked_by"]) == (2, 1, 1, "Ann")
    for place in (
        "home.a/judged_seeds/to_label.jsonl",
        "home.a/eval_report/report.html",
        "cache/replies.sqlite",
        "exchanges.sqlite",
        "logs/home.a.log",
        "Dagster's events and logs",
    ):
        assert done["removed"].get(place), place

    bobs = {f"trace-of-bob-{n:04}" for n in range(12)}
    for table in (tables.TRACES, tables.SEEDS, tables.VERDICTS):
        assert ids(store, house.RUN, table) == bobs
    assert not store.read_rows(house.RUN, tables.QUARANTINE)
    assert not store.read_rows(house.RUN, tables.TEST)
    assert ids(store, house.RUN, tables.SYNTHETIC) == {"refill-000002"}
    assert "exchange-of-bob-1" in house.texts_in(home / "exchanges.sqlite")
    page = store.read_bytes(house.RUN, "eval_report", "report.html").decode()
    assert house.BOB[0] in page
    assert page.count('<p role="note">') == 1
    assert not store.read_rows(house.RUN, tables.REJECTED)
    assert len(store.read_rows(house.RUN, tables.ORIGINS)) == 1
    assert not (home / "work" / "training" / "abc").exists()
    for path, data in everything(home).items():
        for words in ("Käthe", "K\\u00e4the", "attic", "trace-of-ann", "lullaby"):
            assert words.encode() not in data, path
    record = next((home / "store" / ".forgotten" / "records").glob("*.md")).read_text()
    assert "her letter" in record
    assert "train again" in record


def test_a_log_that_is_read_again_does_not_bring_it_back(store: RunStore, call: Call, home: Path) -> None:
    assert call("forget", house.ANN[0], "--yes").code == 0
    house.read_log(home, house.RUN)
    house.read_log(home, house.OTHER)
    for run in (house.RUN, house.OTHER):
        assert house.ANN[0] not in ids(store, run, tables.TRACES)
        assert house.ANN[1] in ids(store, run, tables.TRACES)
    report = json.loads(store.read_bytes(house.OTHER, "traces", "report.json"))
    assert report["no_answers"] == {"forgotten on request": 1}


@pytest.mark.parametrize("place", ["note.txt", "plan.json", "deep/rows.jsonl", "table.parquet", "free pages"])
def test_a_search_names_the_place_where_words_were_planted(
    place: str, store: RunStore, call: Call, home: Path
) -> None:
    assert call("forget", "--where", "metadata.user=ann", "--yes").code == 0
    path = home / "store" / house.OTHER / place
    path.parent.mkdir(parents=True, exist_ok=True)
    if place == "note.txt":
        path.write_text(f"She said: {house.WORDS.upper()}.")
    elif place == "plan.json":
        path.write_text(json.dumps({"text": json.dumps([house.MORE])}))
    elif place == "deep/rows.jsonl":
        path.write_text(json.dumps({"id": house.ANN[1]}) + "\n")
    elif place == "table.parquet":
        store.write_rows(house.OTHER, tables.Table("x", "table"), [{"answer": f"so: {house.MORE}"}])
    else:
        path = home / "other.sqlite"
        script = (
            "import sqlite3,sys; d=sqlite3.connect(sys.argv[1]); d.execute('PRAGMA secure_delete = OFF');"
            "d.execute('CREATE TABLE t (x)');"
            "d.executemany('INSERT INTO t VALUES (?)', [((sys.argv[2] + '. ') * 50,)]*50); d.commit();"
            "d.execute('DELETE FROM t'); d.commit()"
        )
        subprocess.run([sys.executable, "-c", script, str(path), house.WORDS], check=True)
    found = call("forget", "--verify")
    assert found.code == 1
    assert f"still there: {path if place != 'table.parquet' else ''}" in found.out
    # A further request mends it.
    assert call("forget", house.ANN[0], "--yes", "--verify").code == 0


def test_words_of_others_stay(store: RunStore, call: Call) -> None:
    log = Path("task/log.jsonl")
    log.write_text(
        log.read_text() + json.dumps(house.record("same-words-01", "eve", house.MORE, "radio")) + "\n"
    )
    house.read_log(Path("home").absolute(), house.OTHER)
    assert call("forget", *house.ANN, "--yes", "--verify").code == 0
    assert "same-words-01" in ids(store, house.OTHER, tables.TRACES)


# Ends the process at a file that is cleaned, before or after it was replaced.
_KILLED = """
import os, signal, sys
from distil_dag.adapters.forgetting import files
from distil_dag.cli.app import main
left, clean = int(sys.argv.pop(1)), files.clean_file
def killed(path, stones):
    global left
    done = clean(path, stones)
    if done:
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return done
import distil_dag.runs.forgetting.forget as forget
forget.clean_file = killed
main()
"""


@pytest.mark.parametrize("after", [0, 4])
def test_a_request_that_was_killed_is_finished_by_the_next(
    after: int, store: RunStore, call: Call, home: Path
) -> None:
    command = [sys.executable, "-c", _KILLED, str(after), "forget", *house.ANN, "--yes"]
    assert subprocess.run(command, env=os.environ).returncode == -signal.SIGKILL
    assert call("forget", "--verify").code == 1
    said = call("forget", *house.ANN, "--yes", "--verify", "--json")
    assert said.code == 0, said.out
    (record,) = {one.stem for one in (home / "store" / ".forgotten" / "records").glob("*.json")}
    kept = json.loads((home / "store" / ".forgotten" / "records" / f"{record}.json").read_text())
    assert kept["finished"]
    assert kept["runs"][0]["retrain"]
    assert not {*house.ANN} & ids(store, house.RUN, tables.SEEDS)
    assert pq.read_table(home / "store" / house.RUN / "judged_seeds" / "seeds.parquet").num_rows == 12


def test_models_go_when_asked_and_the_run_says_what_was_forgotten(
    store: RunStore, call: Call, home: Path
) -> None:
    folder = home / "store" / house.RUN / "checkpoint" / "model"
    assert call("forget", house.ANN[0], "--yes").code == 0
    assert (folder / "model.safetensors").exists()
    assert "Traces were forgotten" in call("lineage", house.RUN).out.replace("\n", " ")
    assert call("forget", house.ANN[1], "--yes", "--delete-models").code == 0
    assert not (folder / "model.safetensors").exists()
    told = call("lineage", "--trace", house.ANN[0])
    assert (told.code, "it was forgotten" in told.err) == (1, True)


def test_a_trace_tells_what_it_has_touched(store: RunStore, call: Call) -> None:
    (run,) = json.loads(call("lineage", "--trace", house.ANN[0], "--json").out)["runs"]
    assert run["rows"]["traces"] == [house.ANN[0]]
    assert run["rows"]["seeds"] == [house.ANN[0]]
    assert run["derived"] == ["refill-000001", "cross-000003"]
    assert "learned from rows made of it" in run["roles"]
    assert "home.a/gguf/files/model-Q8_0.gguf" in run["files"]
    assert call("lineage", "--trace", house.ANN[0], "--mermaid").out.startswith("flowchart LR")


@pytest.mark.parametrize(
    ("words", "said"),
    [((), "name traces"), (("--where", "user"), "FIELD=VALUE"), (("--where", "=x"), "FIELD=VALUE")],
)
def test_a_mistake_is_explained(words: tuple[str, ...], said: str, call: Call) -> None:
    told = call("forget", *words)
    assert told.code == 2
    assert said in told.err
