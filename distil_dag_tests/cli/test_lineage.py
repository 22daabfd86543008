"""`distil-dag lineage` tells what made a model, and how good it is, of a run and of a file anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import pytest

from distil_dag.adapters.llamacpp.gguf_tools import set_metadata
from distil_dag.adapters.run_store import RunStore, file_digest
from distil_dag.build import build_defs
from distil_dag.core.reports.exporting import GgufReport
from distil_dag.core.settings import TrainingSpec
from distil_dag.core.task import Task
from distil_dag.resources.deployment import deployment
from distil_dag.runs.provenance import EVALUATION, model_evaluation, provenance
from distil_dag_tests import stand_ins as good
from distil_dag_tests.cli.test_cli import Call, call

__all__ = ["call"]  # a fixture

RUN = "home.a"
MEASURED = good.EVAL_REPORT.model_copy(
    update={"student": "student Q8_0", "candidates": [good.candidate("student Q8_0", 0.9)]}
)
ENTRY = {
    "asset": "checkpoint", "partition": RUN, "data_version": "sha256:77", "code_version": "7",
    "run_id": "715a48e2-3bde", "config": {}, "prompts": {}, "storage_id": 7,
    "timestamp": "2026-11-30T09:57:45+00:00", "parents": [],
}  # fmt: skip


@pytest.fixture
def store(home: Path) -> RunStore:
    """The store of an installation with one finished run."""
    with deployment().instance() as instance:
        instance.add_dynamic_partitions("distil_runs", [RUN])
        chain = good.stand_in_chain(training=TrainingSpec(epochs=2))
        job = build_defs(home, chain=chain).resolve_job_def("distil_run")
        assert job.execute_in_process(instance=instance, partition_key=RUN).success
    return RunStore(home / "store")


def model_file(folder: Path, **values: str) -> Path:
    """A GGUF file of one small tensor, with an export's key-values."""
    path = folder / "model-Q8_0.gguf"
    folder.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("t", np.zeros(8, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    set_metadata(path, {"distil_dag.run": RUN, "distil_dag.lineage": json.dumps([ENTRY]), **values})
    return path


def exported(path: Path) -> GgufReport:
    """The report of an export that made this file."""
    file = good.GGUF_REPORT.files[1].model_copy(
        update={"sha256": file_digest(path).removeprefix("sha256:"), "path": path.name}
    )
    return good.GGUF_REPORT.model_copy(update={"files": [file]})


def sentences(text: str) -> str:
    return " ".join(text.split())


def test_a_run_is_told_in_sentences_first(store: RunStore, call: Call) -> None:
    said = call("lineage", RUN)
    assert said.code == 0, said.err
    told = sentences(said.out)
    for wanted in (
        "files model-f16.gguf, f16, 0 MB, sha256 sha256:0…; model-Q8_0.gguf (ships), Q8_0, 0 MB,",
        "base Training starts from small.",
        "teacher small writes the synthetic rows.",
        "log files log.jsonl; the whole log.",
        "Log: 100 read, 2 quarantined, 98 kept.",
        "Training: 2 trained on.",
        "Q8_0 answers 90.0 % of 100 test requests exactly right (95 % interval 85.0 to 95.0 %",
        "base 10.0 % (5.0 to 15.0 %); lookup 70.0 %",
        "gates 18 of 18 passed",
        "epochs 2.0 *, synthetic_epochs 1.0,",
    ):
        assert wanted in told
    assert "event" not in said.out
    assert "data traces" in sentences(call("lineage", RUN, "--verbose").out)
    assert call("lineage", RUN, "--mermaid").out.startswith("flowchart LR")


def test_json_is_the_list_of_ancestors_and_the_first_knows_its_model(store: RunStore, call: Call) -> None:
    first, *rest = json.loads(call("lineage", RUN, "--json").out)
    assert (first["asset"], first["data_version"]) == ("eval_report", "sha256:eval_report")
    assert first["model"]["provenance"]["rows"]["log"]["kept"] == 98
    assert first["model"]["evaluation"]["candidates"][0]["exact"]["low"] == 0.85
    assert len(first["model"]["gates"]) == 18
    assert [entry["asset"] for entry in rest][-1] == "traces"
    assert not any("model" in entry for entry in rest)


def test_a_file_alone_tells_what_made_it_and_where_its_score_stands(
    store: RunStore, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = provenance(store, RUN, store.read_report(RUN, "traces", Task, name="task"))
    path = model_file(tmp_path / "elsewhere", **{"distil_dag.provenance": origin.model_dump_json()})
    monkeypatch.setenv("DISTIL_DAG_HOME", str(tmp_path / "nothing here"))
    said = call("lineage", path)
    assert said.code == 0, said.err
    told = sentences(said.out)
    assert f"sha256 {file_digest(path)[7:19]}…, of run home.a." in told
    assert "Log: 100 read, 2 quarantined, 98 kept." in told
    assert "the score stands in eval_report of run home.a" in told
    assert "epochs 2.0 *" in told
    # The folder of a model carries its scores.
    found = model_evaluation(RUN, MEASURED, exported(path), 0.95)
    beside = path.with_name("evaluation.json")
    beside.write_text(found.model_dump_json())
    assert "student Q8_0 answers 90.0 % of 100 test requests" in sentences(call("lineage", path).out)
    # Scores of another file are none of this one's.
    other = found.files[0].model_copy(update={"sha256": "another"})
    beside.write_text(found.model_copy(update={"files": [other]}).model_dump_json())
    assert "90.0 %" not in call("lineage", path).out


def test_a_copied_file_finds_its_score_in_the_store_of_its_run(
    store: RunStore, call: Call, tmp_path: Path
) -> None:
    path = model_file(tmp_path / "elsewhere")
    assert "90.0 %" not in call("lineage", path).out
    store.write_report(RUN, "gguf", exported(path))
    found = model_evaluation(RUN, MEASURED, exported(path), 0.95)
    store.write_report(RUN, "gguf", found, name=EVALUATION)
    told = sentences(call("lineage", path).out)
    assert "student Q8_0 answers 90.0 % of 100 test requests" in told
    assert "18 of 18 passed" in told


def test_a_file_of_an_older_release_still_reads(call: Call, tmp_path: Path, home: Path) -> None:
    path = model_file(tmp_path)
    told = sentences(call("lineage", path).out)
    assert "made checkpoint 2026-11-30T09:57:45+00:00." in told
    assert "noted only versions and changed settings" in told
    entry = json.loads(call("lineage", path, "--json").out)[0]
    assert {name: entry[name] for name in ENTRY} == ENTRY
    assert entry["model"]["provenance"] is None
