"""Mistakes in task.yaml, and files that cannot be read at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from distil_dag_tests.adapters.tasks.lamp_folder import YAML, mistakes, only_mistake


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "training:\n  method: loraa\n",
            "task.yaml:6: training.method: 'loraa' is not allowed; one of: lora, full",
        ),
        (
            "training:\n  seed: 0\n  epoch: 3\n",
            "task.yaml:7: training.epoch: unknown key; did you mean `epochs`?",
        ),
        ("teachers: {}\n", "task.yaml:5: teachers: unknown key; did you mean `teacher`?"),
        (
            "judge:\n  min_score: 1.5\n",
            "task.yaml:6: judge.min_score: 1.5 is not allowed; it must be at most 1",
        ),
        (
            "training:\n\n  epochs: 0\n",
            "task.yaml:7: training.epochs: 0 is not allowed; it must be more than 0",
        ),
        ("training:\n  epochs: .inf\n", "task.yaml:6: training.epochs: must be a finite number, found inf"),
        ("synthesis:\n  rows: 1.5\n", "task.yaml:6: synthesis.rows: must be a whole number, found 1.5"),
        ("judge:\n  relabel: maybe\n", "task.yaml:6: judge.relabel: must be true or false, found 'maybe'"),
        ("student:\n  model: 3\n", "task.yaml:6: student.model: must be text: put it in quotes, found 3"),
        ("gates: 5\n", "task.yaml:5: gates: must be a section"),
        (
            "export:\n  quantizations: Q8_0\n",
            "task.yaml:6: export.quantizations: must be a list, found 'Q8_0'",
        ),
        (
            "export:\n  quantizations:\n    - Q8_0\n    - Q9\n",
            "task.yaml:8: export.quantizations[1]: 'Q9' is not allowed; one of: Q8_0, Q4_K_M,",
        ),
        (
            "export:\n  primary: Q9\n",
            "task.yaml:6: export.primary: 'Q9' is not among the files made: Q8_0, Q4_K_M",
        ),
        ("teacher:\n  mode: attached\n  model: m\n", "task.yaml:5: teacher.base_url: is missing"),
        (
            "teacher:\n  mode: attached\n  model: m\n  base_url: [5]\n",
            "task.yaml:8: teacher.base_url: must be an address as text, or a list of such, found a list",
        ),
        (
            "teacher: {mode: attached, model: m, base_url: 'http://me:hunter2@h/v1'}\n",
            "task.yaml:5: teacher.base_url: holds a secret, which would be kept with the run; set a variable",
        ),
        (
            "judge:\n  arbiter:\n    mode: attached\n    model: m\n"
            "    base_url: [http://h/v1, 'https://hunter2@h/v1']\n",
            "task.yaml:9: judge.arbiter.base_url: holds a secret",
        ),
        (
            "teacher: {mode: managed, model: m, arguments: [--tokenizer, t, --hf-token, hunter2]}\n",
            "task.yaml:5: teacher.arguments: gives a secret, which would be kept with the run; set a",
        ),
        (
            "evaluation: {vllm: {executable: env HF_TOKEN=hunter2 vllm serve}}\n",
            "task.yaml:5: evaluation.vllm.executable: gives a secret",
        ),
        (
            "teacher: {api_key_env: sk-hunter2}\n",
            "task.yaml:5: teacher.api_key_env: must be the name of the variable that holds the key",
        ),
        (
            "judge:\n  committee:\n    - mode: embedded\n    - moed: gguf\n",
            "task.yaml:8: judge.committee[1].moed: unknown key; did you mean `mode`?",
        ),
        ("test:\n  size: 5\ntest:\n  size: 6\n", "task.yaml:7: test: stands here twice; keep one"),
        ("gates:\n  soft: [beats_bas]\n", "task.yaml:6: gates.soft[0]: 'beats_bas' is not allowed; one of: "),
    ],
)
def test_one_mistake_in_the_settings(folder: Path, text: str, expected: str) -> None:
    (folder / "task.yaml").write_text(YAML + text)
    assert (found := only_mistake(folder)).startswith(expected)
    assert "hunter2" not in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: lamp\n", "task.yaml:1: traces: is missing"),
        ("name: lamp\ntraces:\n", "task.yaml:2: traces: is missing"),
        ("name: lamp\ntraces: {path: x}\n", "task.yaml:2: traces.kind: is missing; one of: sql, files"),
        ("name: lamp\ntraces:\n  kind: csv\n", "task.yaml:3: traces.kind: 'csv' is not allowed"),
        (
            "name: lamp\ntraces:\n  kind: files\n",
            "task.yaml:2: traces.path: is missing: file, folder or glob",
        ),
        (
            "name: lamp\ntraces:\n  kind: files\n  path: x\n  table: t\n",
            "task.yaml:5: traces.table: unknown key",
        ),
        (
            "name: lamp\ntraces:\n  kind: sql\n  url: x\n  table: t\n  where:\n    live: 1\n",
            "task.yaml:7: traces.where.live: must be text: put it in quotes, found 1",
        ),
        ("name: my lamp\n" + YAML.split("\n", 1)[1], "task.yaml:1: name: 'my lamp' is not allowed"),
        ("- a\n- b\n", "task.yaml:1: must hold `key: value` lines"),
        ("name: lamp\ntraces: [\n", "task.yaml:3: is not YAML: "),
        ("name: lamp\ntraces:\n\tkind: files\n", "task.yaml:3: is not YAML: found character '\\t'"),
        ("name: lamp\ndescription: !!python/object:os.system {}\n", "task.yaml:2: is not YAML: could not"),
        ("name: lamp\n\nx: a\x00b\n", "task.yaml:3: holds the character"),
        ("name: lamp\nx: " + "[" * 5000 + "\n", "task.yaml: is nested too deeply"),
        ("x: 2026-13-45\n", "task.yaml: holds a value that cannot be read"),
    ],
)
def test_settings_that_are_no_task(folder: Path, text: str, expected: str) -> None:
    (folder / "task.yaml").write_text(text)
    assert only_mistake(folder).startswith(expected)


def test_empty_settings_miss_what_is_required(folder: Path) -> None:
    (folder / "task.yaml").write_text("# nothing yet\n")
    assert mistakes(folder) == [
        "task.yaml: name: is missing: letters, digits, `_` and `-`",
        "task.yaml: traces: is missing: where the log of the agent is",
    ]


def test_a_self_referring_or_exploding_document_is_refused_quietly(folder: Path) -> None:
    bomb = "a: &a [x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{f'*{chr(97 + n)}, ' * 9}]\n" for n in range(9)
    )
    (folder / "task.yaml").write_text(YAML + bomb)
    assert all("unknown key" in found for found in mistakes(folder))
    (folder / "task.yaml").write_text(YAML + "judge: &j\n  committee: [*j]\n")
    assert "judge.committee" in " ".join(mistakes(folder))


def test_text_that_is_not_utf8(folder: Path) -> None:
    (folder / "task.yaml").write_bytes(b"name: lamp\ndescription: caf\xe9\n")
    assert only_mistake(folder).startswith("task.yaml:2: is not UTF-8 text")


def test_a_large_file_is_not_read(folder: Path) -> None:
    with (folder / "test.jsonl").open("wb") as file:
        file.truncate(51 * 2**20)
    assert only_mistake(folder) == "test.jsonl: has 51 MiB; at most 50 MiB are read"


def test_a_file_that_is_a_folder_or_a_pipe(folder: Path) -> None:
    (folder / "labels.jsonl").mkdir()
    os.mkfifo(folder / "test.jsonl")
    assert mistakes(folder) == ["labels.jsonl: is not a file", "test.jsonl: is not a file"]


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    assert "is not a folder" in only_mistake(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    task, job = mistakes(tmp_path / "empty")
    assert "distil-dag init" in task
    assert job.startswith("job_description.json: is missing")
