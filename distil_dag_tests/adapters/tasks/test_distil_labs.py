"""A folder in the layout of Distil Labs is read as a task."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distil_dag.adapters.tasks.folder import read_task
from distil_dag_tests.adapters.tasks.lamp_folder import CALL, JOB, mistakes, only_mistake

CONFIG = """\
base:
  task: tool-calling-closed-book
  student_model_name: Qwen3-0.6B
  teacher_model_name: openai.gpt-oss-120b
  random_seed: 42
synthgen:
  parallel_llm_calls: true
  generation_target: 500
tuning:
  use_lora: true
  num_train_epochs: 2
  per_device_train_batch_size: 4
  gradient_accumulation_steps: 2
"""


@pytest.fixture
def distil_labs(tmp_path: Path) -> Path:
    path = tmp_path / "my lamp (v2)"
    path.mkdir()
    (path / "config.yaml").write_text(CONFIG)
    (path / "job_description.json").write_text(json.dumps({**JOB, "llm_as_a_judge_instructions": "be kind"}))
    row = json.dumps({"question": "dim to 3", "answer": CALL})
    (path / "train.jsonl").write_text(row + "\n")
    (path / "test.jsonl").write_text(row + "\n")
    return path


def test_a_distil_labs_folder_is_accepted_as_it_is(distil_labs: Path) -> None:
    task = read_task(distil_labs)
    settings = task.settings
    assert settings.name == "my_lamp_v2"
    assert settings.traces.path == str(distil_labs / "train.jsonl")  # type: ignore[union-attr]
    assert {settings.test.seed, settings.judge.seed, settings.synthesis.seed, settings.training.seed} == {42}
    assert settings.synthesis.rows == 500
    training = settings.training
    assert (training.method, training.epochs, training.batch_size) == ("lora", 2, 8)
    assert (settings.student.model, settings.teacher.mode) == ("embedded", "embedded")
    assert task.test is not None
    assert task.test[0].calls[0].arguments == {"level": 3}


def test_what_has_no_counterpart_is_said(distil_labs: Path) -> None:
    said = "\n".join(read_task(distil_labs).warnings)
    assert "synthgen.parallel_llm_calls" in said
    assert "student.model=Qwen/Qwen3-0.6B" in said
    assert "openai.gpt-oss-120b" in said
    assert "llm_as_a_judge_instructions" in said
    assert "base.task" not in said


def wrapped() -> str:
    turns = [{"role": "user", "content": "dim"}, {"role": "assistant", "content": "no"}]
    return json.dumps({"context": json.dumps(turns)})


@pytest.mark.parametrize(
    ("files", "glob", "matching"),
    [
        ({"traces": "{}"}, "tra*.jsonl", ["traces", "train"]),
        ({"unstructured": wrapped()}, "[tu][rn]*.jsonl", ["train", "unstructured"]),
        ({"unstructured": wrapped(), "traces": "{}"}, "[tu][rn]*.jsonl", ["train", "traces", "unstructured"]),
        ({"unstructured": '{"context": "User wants light."}'}, "train.jsonl", ["train"]),
    ],
)
def test_all_its_data_but_the_test_is_the_log(
    distil_labs: Path, files: dict[str, str], glob: str, matching: list[str]
) -> None:
    for name, text in files.items():
        (distil_labs / f"{name}.jsonl").write_text(text + "\n")
    assert read_task(distil_labs).settings.traces.path == str(distil_labs / glob)  # type: ignore[union-attr]
    assert sorted(path.stem for path in distil_labs.glob(glob)) == sorted(matching)


def test_its_mistakes_name_its_own_file_and_key(distil_labs: Path) -> None:
    text = CONFIG.replace("num_train_epochs: 2", "num_train_epochs: two").replace("42", "many")
    (distil_labs / "config.yaml").write_text(text)
    found = mistakes(distil_labs)
    assert "config.yaml:11: tuning.num_train_epochs: must be a number, found 'two'" in found
    assert "config.yaml:5: base.random_seed: must be a whole number, found 'many'" in found


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda folder: (folder / "config.yaml").write_text("base:\n  task: classification\n"),
            "config.yaml:2: base.task: 'classification' is not about tool calls",
        ),
        (
            lambda folder: (folder / "config.yaml").write_text("base: 3\n"),
            "config.yaml:1: base: must be a section",
        ),
        (lambda folder: (folder / "config.yaml").write_text("3\n"), "config.yaml:1: must hold sections"),
        (lambda folder: (folder / "train.jsonl").rename(folder / "train.csv"), "train.csv: CSV is not read"),
        (lambda folder: (folder / "train.jsonl").unlink(), "unstructured.jsonl or train.jsonl is needed"),
    ],
)
def test_a_distil_labs_folder_that_is_no_task(
    distil_labs: Path, change: Callable[[Path], Any], expected: str
) -> None:
    change(distil_labs)
    assert expected in only_mistake(distil_labs)


def test_overrides_reach_a_distil_labs_folder(distil_labs: Path) -> None:
    settings = read_task(distil_labs, {"training.epochs": "1", "name": "lamp"}).settings
    assert (settings.name, settings.training.epochs) == ("lamp", 1)
    assert "override training.epochs=x" in only_mistake(distil_labs, {"training.epochs": "x"})


def test_task_yaml_wins_over_a_config_beside_it(folder: Path) -> None:
    (folder / "config.yaml").write_text("base: 3\n")
    assert read_task(folder).name == "lamp"
