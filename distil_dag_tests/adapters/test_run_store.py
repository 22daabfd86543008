from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from distil_dag.adapters.run_store import RunStore, digest
from distil_dag.core import tables
from distil_dag.core.case import HeldOut, Message, Trace
from distil_dag.core.reports.intake import TracesReport
from distil_dag.core.tool_call import ToolCall
from distil_dag.resources.deployment import deployment

TURN = Message(role="assistant", tool_calls=(ToolCall(name="f", arguments={"a": [1, {"b": None}]}),))
CASES = [
    Trace(id="1", messages=(Message(role="user", content="مرحبا 🙂"),), problems=("unknown tool",)),
    Trace(id="2", messages=(Message(role="user", content="a"), TURN, Message(role="user", content="b"))),
]


@pytest.fixture(params=["local", "remote"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RunStore:
    return RunStore(tmp_path if request.param == "local" else f"memory://{uuid.uuid4().hex}")


def test_cases_come_back_as_they_went_in(store: RunStore) -> None:
    store.write_cases("t.r", tables.TRACES, CASES)
    assert store.read_cases("t.r", tables.TRACES) == CASES
    assert store.runs() == ["t.r"]


def test_a_test_case_keeps_what_production_answered(store: RunStore) -> None:
    cases = [
        HeldOut(id="1", messages=(Message(role="user", content="x"),), production=(ToolCall(name="f"),)),
        HeldOut(id="2", messages=(Message(role="user", content="x"),), production=()),
        HeldOut(id="3", messages=(Message(role="user", content="x"),)),
    ]
    store.write_cases("t.r", tables.TEST, cases)
    assert store.read_cases("t.r", tables.TEST) == cases


@pytest.mark.parametrize(
    "root", ["s3://key:hunter2@bucket", "https://hunter2@host/x", "sftp://h?password=hunter2"]
)
def test_a_root_with_a_secret_is_refused_and_not_repeated(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTIL_DAG_STORE", root)
    for opened in (deployment, lambda: RunStore(root)):
        with pytest.raises(ValueError, match="set what its file system reads from the environment") as caught:
            opened()
        assert "hunter2" not in str(caught.value)
    monkeypatch.setenv("DISTIL_DAG_STORE", "sftp://me@host/store")
    assert deployment().store == "sftp://me@host/store"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("store", "{here}/store"),
        ("~/store", "{here}/me/store"),
        ("/data/my store", "/data/my store"),
        ("s3://bucket/store", "s3://bucket/store"),
    ],
)
def test_a_store_in_a_folder_is_known_from_the_root_on(
    said: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("DISTIL_DAG_STORE", said)
    assert deployment().store == meant.format(here=tmp_path)


def test_an_empty_table_is_a_table(store: RunStore) -> None:
    store.write_cases("t.r", tables.SYNTHETIC, [])
    assert store.read_cases("t.r", tables.SYNTHETIC) == []


def test_a_missing_table_says_what_to_materialize(store: RunStore) -> None:
    with pytest.raises(FileNotFoundError, match="materialize `eval_report`"):
        store.read_rows("t.r", tables.ANSWERS)
    with pytest.raises(FileNotFoundError, match="materialize `gguf`"):
        store.read_report("t.r", "gguf", TracesReport)


def test_a_folder_is_replaced_whole_and_left_alone_by_a_failure(store: RunStore) -> None:
    with store.new_folder("t.r", "checkpoint", "model") as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "old.txt").write_text("old")
    with pytest.raises(RuntimeError), store.new_folder("t.r", "checkpoint", "model") as folder:
        (folder / "new.txt").write_text("new")
        raise RuntimeError("killed")
    with store.local_folder("t.r", "checkpoint", "model") as folder:
        assert [p.name for p in folder.rglob("*.txt")] == ["old.txt"]


def test_a_folder_keeps_nothing_of_the_one_before(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    index, shards = "model.safetensors.index.json", [f"model-{n}-of-2.safetensors" for n in (1, 2)]
    with store.new_folder("t.r", "checkpoint", "model") as folder:
        for name in ("config.json", index, *shards):
            (folder / name).write_text("old")
    seen: list[set[str]] = []
    unlink = UPath.unlink

    def watched(path: UPath, *args: Any) -> None:
        seen.append({file.name for file in path.parent.iterdir()})
        unlink(path, *args)

    monkeypatch.setattr(type(store.root), "unlink", watched)
    with store.new_folder("t.r", "checkpoint", "model") as folder:
        for name in ("config.json", "model.safetensors"):
            (folder / name).write_text("new")
    with store.local_folder("t.r", "checkpoint", "model") as folder:
        assert {path.name: path.read_text() for path in folder.iterdir()} == {
            "config.json": "new",
            "model.safetensors": "new",
        }
    assert len(seen) == (0 if store.is_local else 3)
    # A reader on the way finds the new model, and an index only with its shards.
    assert all("model.safetensors" in names for names in seen)
    assert all(names.issuperset(shards) for names in seen if index in names)


def test_nothing_temporary_stays_behind(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.write_bytes("t.r", "traces", "x.bin", b"1")
    with store.new_folder("t.r", "traces", "y") as folder:
        (folder / "z").write_text("1")
    assert not list(tmp_path.rglob(".tmp-*"))


def test_what_a_killed_attempt_left_goes_with_the_next(tmp_path: Path) -> None:
    killed = (
        "import os, sys\n"
        "from distil_dag.adapters.run_store import RunStore\n"
        "with RunStore(sys.argv[1]).new_folder('t.r', 'gguf', 'files') as folder:\n"
        "    (folder / 'f16.gguf').write_bytes(b'0')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", killed, str(tmp_path)], check=False)
    assert list(tmp_path.glob("t.r/gguf/.tmp-files-*"))
    with RunStore(tmp_path).new_folder("t.r", "gguf", "files") as folder:
        (folder / "small.gguf").write_bytes(b"0")
    assert [path.name for path in (tmp_path / "t.r" / "gguf").iterdir()] == ["files"]


def test_the_digest_is_of_content_and_order() -> None:
    rows = [{"a": 1, "b": "x"}, {"b": "y", "a": 2}]
    assert digest(rows) == digest([dict(reversed(row.items())) for row in rows])
    assert digest(rows) != digest(rows[::-1])
