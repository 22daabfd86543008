"""An installation with two users in its log, one of whom is to be forgotten, and her words in every place."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
from dagster_dlt import DagsterDltResource

from distil_dag.adapters.chat.cache import CachedChat
from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.serving.exchanges.open_log import open_exchange_log
from distil_dag.assets.traces import traces
from distil_dag.core import tables
from distil_dag.core.case import Example, HeldOut, Trace
from distil_dag.core.tool_call import ToolCall
from distil_dag.resources.asset_defaults import RUNS
from distil_dag.resources.deployment import deployment
from distil_dag.resources.store import StoreResource
from distil_dag.resources.tasks import TasksResource
from distil_dag.stages.ports import Prompt, Reply
from distil_dag.stages.serving.exchange import Exchange
from distil_dag_tests import stand_ins as good

RUN, OTHER = "home.a", "home.b"
ANN = ("trace-of-ann-0001", "trace-of-ann-0002")
WORDS = "wake my grandmother Käthe at seven in the blue attic"
MORE = "play the lullaby that Käthe's sister wrote"
DEVICE = "Käthe's lullaby organ"
BOB = [f"turn on lamp {n} beside the door" for n in range(12)]


def record(identity: str, user: str, words: str, device: str) -> dict[str, Any]:
    """A record of the log."""
    answer = {"role": "assistant", "content": "", "tool_calls": [good.turn_on(device).model_dump()]}
    turns = [{"role": "user", "content": words}, answer]
    return {"id": identity, "metadata": {"user": user}, "messages": turns}


def write_log(folder: Path) -> None:
    """The task with its log: two records of Ann, one of hers that can't be read, and twelve of Bob."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [record(ANN[0], "ann", WORDS, "clock"), record(ANN[1], "ann", MORE, DEVICE)]
    rows += [record(f"trace-of-bob-{n:04}", "bob", words, f"lamp {n}") for n, words in enumerate(BOB)]
    broken = {"id": "trace-of-ann-0003", "metadata": {"user": "ann"}, "messages": f"half of {WORDS}"}
    lines = [json.dumps(row) for row in (*rows, broken)]
    (folder / "log.jsonl").write_text("".join(f"{line}\n" for line in lines))
    source = {"kind": "files", "path": "log.jsonl", "id_column": "id"}
    (folder / "task.yaml").write_text(json.dumps({"name": "home", "traces": source}))
    job = {"task_description": "Controls the devices of a home.", "tools": good.TOOLS}
    (folder / "job_description.json").write_text(json.dumps(job))


def read_log(home: Path, run: str) -> None:
    """Materialize `traces` of a run, as the chain does."""
    deployment().register(home.parent / "task")
    with deployment().instance() as instance:
        instance.add_dynamic_partitions(str(RUNS.name), [run])
        made = dg.materialize(
            [traces],
            instance=instance,
            partition_key=run,
            resources={
                "store": StoreResource(root=str(home / "store")),
                "tasks": TasksResource(folders=[str(home.parent / "task")]),
                "dlt": DagsterDltResource(),
            },
        )
        assert made.success


def write_all(home: Path) -> RunStore:
    """A run of the whole log, with everything that a chain leaves of Ann's words."""
    write_log(home.parent / "task")
    read_log(home, RUN)
    store = RunStore(home / "store")
    seeds = [example(trace, "seed") for trace in store.read_cases(RUN, tables.TRACES)]
    made = good.example("refill-000001", "wake my uncle at nine", good.turn_on("clock"), origin="synthetic")
    kept = good.example(
        "refill-000002", "turn on lamp 40 beside it", good.turn_on("lamp"), origin="synthetic"
    )
    store.write_cases(RUN, tables.SEEDS, seeds)
    store.write_cases(RUN, tables.CONTEXT, [])
    store.write_cases(RUN, tables.CALIBRATION, [])
    store.write_cases(RUN, tables.UNLABELLED, [])
    store.write_cases(
        RUN, tables.TEST, [HeldOut.model_validate(seeds[1].model_dump(exclude={"origin", "cell"}))]
    )
    store.write_cases(RUN, tables.SYNTHETIC, [made, kept])
    store.write_rows(
        RUN,
        tables.ORIGINS,
        [
            {"id": "refill-000001", "made_from": json.dumps([ANN[0]])},
            {"id": "cross-000003", "made_from": json.dumps([ANN[0]])},
            {"id": "refill-000002", "made_from": json.dumps(["trace-of-bob-0003"])},
        ],
    )
    refused = {"id": "cross-000003", "request": "wake it", "calls": "[]", "cell": "c", "reason": "duplicate"}
    store.write_rows(RUN, tables.REJECTED, [refused])
    store.write_rows(RUN, tables.VERDICTS, [{"trace_id": row.id, "request": row.request} for row in seeds])
    (home / "store" / RUN / "judged_seeds" / "to_label.jsonl").write_text(
        "".join(json.dumps({"id": row.id, "request": row.request}) + "\n" for row in seeds)
    )
    report = {"failures": [{"case_id": ANN[1], "request": MORE}, {"case_id": "x", "answer": f"for {WORDS}!"}]}
    store.write_bytes(RUN, "eval_report", "failures.json", json.dumps(report).encode())
    page = f"<body><td>{escape(MORE)}</td><td>{BOB[0]}</td></body>"
    store.write_bytes(RUN, "eval_report", "report.html", page.encode())
    with store.new_folder(RUN, "checkpoint", "model") as folder:
        (folder / "model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}weights")
    store.write_report(
        RUN, "gguf", good.GGUF_REPORT.model_copy(update={"set_aside": {ANN[0]: True, "b": True}})
    )
    (home / "logs").mkdir()
    (home / "logs" / f"{RUN}.log").write_text(f"judging {MORE}\njudging {BOB[1]}\n")
    training = home / "work" / "training" / "abc"
    training.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist([row.row() for row in seeds]), training / "rows.parquet")
    _replies(home)
    _exchanges(str(home / "exchanges.sqlite"))
    return store


def example(trace: Trace, origin: str) -> Example:
    return Example.model_validate({**trace.model_dump(include={"id", "messages", "calls"}), "origin": origin})


def _replies(home: Path) -> None:
    """Replies of a teacher: one repeats Ann's words, in a file whose pages are used again."""

    class Teacher:
        identity = "teacher"

        def generate(self, prompts: list[Prompt], arrived: Any = None) -> list[Reply]:
            replies = [Reply(text=prompt.messages[0].content, finish="stop") for prompt in prompts]
            for place, reply in enumerate(replies):
                arrived(place, reply)
            return replies

    with CachedChat(Teacher(), home / "cache" / "replies.sqlite") as chat:  # type: ignore[arg-type]
        chat.generate([prompt(MORE), *map(prompt, BOB)])


def prompt(words: str) -> Prompt:
    return Prompt(messages=good.example("p", words).messages, max_tokens=8)


def _exchanges(address: str) -> None:
    with open_exchange_log(address) as log:
        for identity, user, words in (
            ("exchange-of-ann-1", "ann", WORDS),
            ("exchange-of-bob-1", "bob", BOB[2]),
        ):
            log.put(exchange(identity, user, words))


def exchange(identity: str, user: str, words: str) -> Exchange:
    request = {"messages": [{"role": "user", "content": words}], "metadata": {"user": user}}
    first = Exchange(
        id=identity, time=datetime.now(UTC), task="home", request=request, response={"choices": []},
        answered_by="student", why="proved", student="s", teacher=None, tools_digest="d",
    )  # fmt: skip
    return replace(first, latency_ms=3.0)


def texts_in(path: Path) -> str:
    """Everything that a database of SQLite holds in its tables."""
    with sqlite3.connect(path) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return str([database.execute(f"SELECT * FROM {name}").fetchall() for name in names])


__all__ = ["ToolCall"]
