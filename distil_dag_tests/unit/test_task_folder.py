from __future__ import annotations

import glob
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distil_dag.adapters.task_folder import TaskFolderError, read_task
from distil_dag.core.task import Settings, Task

YAML = """\
name: lamp
traces:
  kind: files
  path: log.jsonl
"""
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "dim",
        "description": "Dim the lights.",
        "parameters": {
            "type": "object",
            "properties": {"level": {"type": "integer"}, "room": {"type": "string", "default": "here"}},
            "required": ["level"],
            "additionalProperties": False,
        },
    },
}
JOB: dict[str, Any] = {"task_description": "Answer with the one call that does it.", "tools": [TOOL]}
CALL = '{"name": "dim", "parameters": {"level": 3}}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "lamp"
    path.mkdir()
    (path / "task.yaml").write_text(YAML)
    (path / "job_description.json").write_text(json.dumps(JOB, indent=1))
    return path


def mistakes(folder: Path, overrides: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(TaskFolderError) as caught:
        read_task(folder, overrides)
    for mistake in caught.value.mistakes:
        assert str(mistake) in str(caught.value)
    return [str(mistake) for mistake in caught.value.mistakes]


def only_mistake(folder: Path, overrides: dict[str, str] | None = None) -> str:
    (found,) = mistakes(folder, overrides)
    return found


# --- what is accepted


def test_a_folder_is_read_with_the_defaults(folder: Path) -> None:
    task = read_task(folder)
    assert task.settings.training == Settings.model_fields["training"].default
    assert task.description == JOB["task_description"]
    assert task.toolset.names == ("dim",)
    assert (task.test, task.labels, task.warnings) == (None, None, ())


def test_test_and_labels_are_read(folder: Path) -> None:
    rows = [{"question": "dim to 3", "answer": CALL}, {"messages": [{"role": "user", "content": "hello"},
            {"role": "assistant", "content": "Hello."}]}]  # fmt: skip
    (folder / "test.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    (folder / "labels.jsonl").write_text('{"id": "a", "right": true}\n\n{"id": 7, "right": false}\n')
    task = read_task(folder)
    assert task.test is not None
    assert [len(case.calls) for case in task.test] == [1, 0]
    assert task.labels == {"a": True, "7": False}


def test_a_frozen_task_says_the_same(folder: Path) -> None:
    (folder / "test.jsonl").write_text(json.dumps({"question": "dim to 3", "answer": CALL}))
    task = read_task(folder)
    thawed = Task.model_validate_json(task.model_dump_json())
    assert thawed == task.model_copy(update={"folder": ""})


def test_relative_paths_start_at_the_folder(folder: Path) -> None:
    given = {
        "teacher": "{mode: gguf, model: models/t.gguf}",
        "judge.committee": "[{mode: gguf, model: c.gguf}]",
    }
    settings = read_task(folder, given).settings
    assert settings.traces.path == str(folder / "log.jsonl")  # type: ignore[union-attr]
    assert settings.teacher.model == str(folder / "models/t.gguf")
    assert settings.judge.committee[0].model == str(folder / "c.gguf")


@pytest.mark.parametrize(
    "path",
    ["/var/log/*.jsonl", "s3://bucket/log/*.parquet", "hf://datasets/a/b", "${LOGS}/x.jsonl", "${LOGS}"],
)
def test_paths_that_start_elsewhere_stay(folder: Path, path: str) -> None:
    assert read_task(folder, {"traces.path": path}).settings.traces.path == path  # type: ignore[union-attr]


def test_a_glob_starts_at_a_folder_of_any_name(folder: Path) -> None:
    strange = folder.rename(folder.with_name("lamp [v*]"))
    (strange / "a.jsonl").write_text("{}")
    path = read_task(strange, {"traces.path": "*.jsonl"}).settings.traces.path  # type: ignore[union-attr]
    assert glob.glob(path) == [str(strange / "a.jsonl")]
    path = read_task(strange, {"traces.path": "a.jsonl"}).settings.traces.path  # type: ignore[union-attr]
    assert Path(path).is_file()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///log.db", "sqlite:///{folder}/log.db"),
        ("sqlite+pysqlite:///data/log.db?mode=ro", "sqlite+pysqlite:///{folder}/data/log.db?mode=ro"),
        ("sqlite:////var/log.db", "sqlite:////var/log.db"),
        ("sqlite:///${LOG}", "sqlite:///${LOG}"),
        ("postgresql://u:${PASSWORD}@db/prod", "postgresql://u:${PASSWORD}@db/prod"),
    ],
)
def test_database_urls(folder: Path, url: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", "hunter2")
    (folder / "task.yaml").write_text(f"name: lamp\ntraces: {{kind: sql, url: '{url}', table: t}}\n")
    task = read_task(folder)
    assert task.settings.traces.url == expected.replace("{folder}", str(folder))  # type: ignore[union-attr]
    assert "hunter2" not in task.model_dump_json()


def test_a_student_is_local_only_if_the_folder_has_it(folder: Path) -> None:
    assert read_task(folder, {"student.model": "Qwen/Qwen3-0.6B"}).settings.student.model == "Qwen/Qwen3-0.6B"
    (folder / "mine").mkdir()
    assert read_task(folder, {"student.model": "mine"}).settings.student.model == str(folder / "mine")


def test_tools_without_a_wrapper_or_parameters_are_completed(folder: Path) -> None:
    (folder / "job_description.json").write_text(
        json.dumps({"task_description": "x", "tools": [{"name": "stop", "description": "Stop."}]})
    )
    (tool,) = read_task(folder).tools
    assert tool["function"]["parameters"] == {"type": "object", "properties": {}}


def test_symlinks_and_byte_order_marks_are_fine(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_bytes(b"\xef\xbb\xbf" + YAML.encode())
    (folder / "task.yaml").unlink()
    (folder / "task.yaml").symlink_to(tmp_path / "real.yaml")
    assert read_task(folder).name == "lamp"


# --- overrides


def test_overrides_win_and_take_yaml(folder: Path) -> None:
    given = {"training.epochs": "1", "export.quantizations": "[Q4_K_M]", "export.primary": "Q4_K_M",
             "traces.where": "{agent: home}"}  # fmt: skip
    settings = read_task(folder, given).settings
    assert settings.training.epochs == 1
    assert settings.export.quantizations == ("Q4_K_M",)
    assert settings.traces.where == {"agent": "home"}


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        (
            "training.epochs",
            "many",
            "override training.epochs=many: training.epochs: must be a number, found 'many'",
        ),
        ("training.method", "loraa", "training.method: 'loraa' is not allowed; one of: lora, full"),
        ("training.epoch", "1", "training.epoch: unknown key; did you mean `epochs`?"),
        ("trainning.epochs", "1", "trainning: unknown key; did you mean `training`?"),
        ("judge.committee", "[{mode: gguf}]", "judge.committee[0].model: is missing: mode `gguf` needs it"),
        ("name.first", "x", "there is no `name.first` to set"),
        ("budget.money", "3", "budget.money: limits nothing without a price: set `teacher.price`"),
        ("traces.path", "[", "the value is not YAML"),
        ("traces", "{kind: files}", "traces.path: is missing"),
    ],
)
def test_a_mistake_in_an_override_names_it(folder: Path, key: str, text: str, said: str) -> None:
    found = only_mistake(folder, {key: text})
    assert found.startswith(f"override {key}={text}: ")
    assert said in found


def test_a_secret_in_an_override_is_refused_and_not_repeated(folder: Path) -> None:
    found = only_mistake(folder, {"traces.path": "https://reader:hunter2@logs.example/a.jsonl"})
    assert "holds a secret" in found
    assert "${NAME}" in found
    assert "hunter2" not in found
    read_task(folder, {"traces.path": "https://reader:${LOG_PASSWORD}@logs.example/a.jsonl"})


# --- mistakes in task.yaml


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
            "judge:\n  committee:\n    - mode: embedded\n    - moed: gguf\n",
            "task.yaml:8: judge.committee[1].moed: unknown key; did you mean `mode`?",
        ),
        ("test:\n  size: 5\ntest:\n  size: 6\n", "task.yaml:7: test: stands here twice; keep one"),
        ("gates:\n  soft: [beats_bas]\n", "task.yaml:6: gates.soft[0]: 'beats_bas' is not allowed; one of: "),
    ],
)
def test_one_mistake_in_the_settings(folder: Path, text: str, expected: str) -> None:
    (folder / "task.yaml").write_text(YAML + text)
    assert only_mistake(folder).startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: lamp\n", "task.yaml:1: traces: is missing"),
        ("name: lamp\ntraces:\n", "task.yaml:2: traces: is missing"),
        ("name: lamp\ntraces: {path: x}\n", "task.yaml:2: traces.kind: is missing; one of: sql, files"),
        ("name: lamp\ntraces:\n  kind: csv\n", "task.yaml:3: traces.kind: 'csv' is not allowed"),
        (
            "name: lamp\ntraces:\n  kind: files\n",
            "task.yaml:2: traces.path: is missing: folder, file or glob",
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
    assert mistakes(folder) == ["task.yaml: name: is missing", "task.yaml: traces: is missing"]


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


# --- mistakes in job_description.json


def job(**changes: Any) -> dict[str, Any]:
    return {"task_description": "x", "tools": [{"name": "dim", **changes}]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], "job_description.json:1: must be an object"),
        ({"tools": [TOOL]}, "job_description.json:1: `task_description` must say"),
        (
            {**JOB, "task_description": 3},
            "job_description.json:2: task_description: `task_description` must say",
        ),
        ({**JOB, "tools": []}, "job_description.json:3: tools: `tools` must be a list of at least one"),
        ({**JOB, "tools": ["dim"]}, "job_description.json:4: tools[0]: a tool must be an object, found text"),
        ({"task_description": "x", "tool": [TOOL]}, "job_description.json:1: `tools` must be a list"),
        (job(name=None), "job_description.json:4: tools[0]: `name` is missing"),
        (job(name="dim lights"), "job_description.json:5: tools[0].name: 'dim lights' is no tool name"),
        (job(type="tool"), "job_description.json:6: tools[0].type: 'tool' is not allowed; one of: function"),
        (job(function=3), "job_description.json:6: tools[0].function: must be an object"),
        (job(description=[]), "job_description.json:6: tools[0].description: must be text, found a list"),
        (job(parameters=[1]), "job_description.json:6: tools[0].parameters: must be a JSON Schema object"),
        (
            job(parameters={"type": "array"}),
            "job_description.json:7: tools[0].parameters.type: `type` is 'array'",
        ),
        (job(parameters={"properties": {}}), "job_description.json:6: tools[0].parameters: `type` is None"),
    ],
)
def test_one_mistake_in_the_job_description(folder: Path, value: Any, expected: str) -> None:
    (folder / "job_description.json").write_text(json.dumps(value, indent=1))
    assert expected in "\n".join(mistakes(folder))


@pytest.mark.parametrize(
    ("schema", "where", "said"),
    [
        (
            {"properties": {"a": {"type": "strin"}}},
            "properties.a.type",
            "'strin' is no type; one of: array, boolean",
        ),
        (
            {"properties": {"a": {"pattern": "("}}},
            "properties.a.pattern",
            "is no valid JSON Schema: '(' is not a",
        ),
        ({"properties": {"a": 3}}, "properties.a", "is no valid JSON Schema"),
        ({"required": ["b"], "properties": {"a": {}}}, "required[0]", "requires 'b', which is not among"),
        (
            {"properties": {"a": {"type": "integer", "default": "x"}}},
            "properties.a.default",
            "does not fit its own",
        ),
        (
            {"properties": {"a": {"$ref": "https://example.com/s"}}},
            "properties.a.$ref",
            "leads out of the file",
        ),
        ({"properties": {"a": {"$ref": "#/$defs/x"}}}, "properties.a.$ref", "leads nowhere"),
        ({"$ref": "#"}, "", "refers to itself without end"),
    ],
)
def test_one_mistake_in_a_schema(folder: Path, schema: dict[str, Any], where: str, said: str) -> None:
    value = job(parameters={"type": "object", **schema})
    (folder / "job_description.json").write_text(json.dumps(value))
    path = "tools[0].parameters" + (f".{where}" if where else "")
    assert only_mistake(folder).startswith(f"job_description.json:1: {path}: ")
    assert said in only_mistake(folder)


@pytest.mark.parametrize("indent", [1, "\t"])
def test_two_tools_of_one_name(folder: Path, indent: int | str) -> None:
    text = json.dumps({**JOB, "tools": [TOOL, TOOL]}, indent=indent)
    (folder / "job_description.json").write_text(text)
    second = len(text[: text.rindex('"type": "function"')].splitlines()) - 1
    assert only_mistake(folder) == (
        f"job_description.json:{second}: tools[1]: the name 'dim' is taken by tools[0]; names must differ"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{\n "tools": [,]\n}', "job_description.json:2: is not JSON: Expecting value (column 12)"),
        ("[" * 100_000, "job_description.json: is nested too deeply"),
        ("", "job_description.json:1: is not JSON"),
    ],
)
def test_a_job_description_that_is_no_json(folder: Path, text: str, expected: str) -> None:
    (folder / "job_description.json").write_text(text)
    assert only_mistake(folder).startswith(expected)


def test_keys_of_others_are_named_and_passed_over(folder: Path) -> None:
    value = {**JOB, "llm_as_a_judge_instructions": "be kind", "owner": "me"}
    (folder / "job_description.json").write_text(json.dumps(value))
    assert read_task(folder).warnings == (
        "job_description.json: not used here: llm_as_a_judge_instructions, owner",
    )


# --- mistakes in test.jsonl and labels.jsonl


def test_every_bad_line_of_the_test_is_named(folder: Path) -> None:
    lines = [
        json.dumps({"question": "dim to 3", "answer": CALL}),
        "{broken",
        "",
        "[1]",
        json.dumps({"question": "dim", "answer": '{"name": "dim", "parameters": {"level": "low"}}'}),
        json.dumps({"question": "dim", "answer": '{"name": "dimm", "parameters": {}}'}),
        json.dumps({"nothing": 1}),
        json.dumps({"question": "a line\u2028separator", "answer": ""}),
        "{again",
    ]
    (folder / "test.jsonl").write_text("\n".join(lines), encoding="utf-8")
    found = mistakes(folder)
    assert [text.split(":")[:2] for text in found] == [["test.jsonl", str(n)] for n in (2, 4, 5, 6, 7, 9)]
    assert "'low' is not of type 'integer'" in found[2]
    assert "unknown tool 'dimm'" in found[3]


def test_a_test_without_a_case(folder: Path) -> None:
    (folder / "test.jsonl").write_text("\n\n")
    assert only_mistake(folder).startswith("test.jsonl: holds no case")


def test_a_test_beside_broken_tools_is_still_looked_at(folder: Path) -> None:
    (folder / "job_description.json").write_text("{}")
    (folder / "test.jsonl").write_text("{broken")
    assert [text.split(":")[0] for text in mistakes(folder)] == ["job_description.json"] * 2 + ["test.jsonl"]


@pytest.mark.parametrize(
    "row",
    [
        '{"id": "a"}',
        '{"id": "a", "right": "yes"}',
        '{"id": null, "right": true}',
        "[]",
        '"a"',
        "{",
        '{"id": true, "right": true}',
    ],
)
def test_a_label_that_is_none(folder: Path, row: str) -> None:
    (folder / "labels.jsonl").write_text(f'{{"id": "b", "right": true}}\n{row}\n')
    assert only_mistake(folder).startswith("labels.jsonl:2: ")


def test_labels_that_contradict_each_other(folder: Path) -> None:
    (folder / "labels.jsonl").write_text(
        '{"id": "b", "right": true}\n{"id": "b", "right": true}\n{"id": "b", "right": false}\n'
    )
    assert only_mistake(folder) == "labels.jsonl:3: contradicts an earlier label of 'b'"


def test_csv_is_refused_with_a_way_out(folder: Path) -> None:
    (folder / "test.csv").write_text("question,answer\n")
    assert only_mistake(folder) == "test.csv: CSV is not read; write the rows as JSON lines in test.jsonl"


# --- all at once


def test_mistakes_of_all_files_come_together_settings_first(folder: Path) -> None:
    (folder / "task.yaml").write_text(YAML + "training:\n  method: loraa\n  epoch: 1\n")
    (folder / "job_description.json").write_text(json.dumps(job(name="a b")))
    (folder / "test.jsonl").write_text("{\n{\n")
    (folder / "labels.jsonl").write_text("{}\n")
    found = mistakes(folder, {"judge.seeds": "no"})
    assert [text.split(": ")[0] for text in found] == [
        "task.yaml:6",
        "task.yaml:7",
        "override judge.seeds=no",
        "job_description.json:1",
        "labels.jsonl:1",
        "test.jsonl:1",
        "test.jsonl:2",
    ]


# --- Distil Labs


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
