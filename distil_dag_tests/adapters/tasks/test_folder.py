"""A task folder is read, with overrides, and the mistakes of all its files come together."""

from __future__ import annotations

import glob
import json
from pathlib import Path

import pytest

from distil_dag.adapters.tasks.folder import read_task
from distil_dag.core.task import Settings, Task
from distil_dag_tests.adapters.tasks.lamp_folder import CALL, JOB, YAML, job, mistakes, only_mistake


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


def test_a_task_that_was_frozen_with_a_setting_that_is_gone_is_read(folder: Path) -> None:
    task = read_task(folder)
    frozen = task.model_dump(mode="json")
    frozen["settings"]["judge"]["reader"] = True
    assert Task.model_validate_json(json.dumps(frozen)) == task.model_copy(update={"folder": ""})


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
        ("judge.reader", "true", "judge.reader: is gone, as no student was better for it: delete this line"),
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
    for given in ("[--api-key, hunter2]", "['--api-key=hunter2']"):
        found = only_mistake(folder, {"teacher.arguments": given})
        assert "holds a secret" in found
        assert "hunter2" not in found
    harmless = "[--tokenizer, t, --max-num-batched-tokens, '64', --return-tokens-as-token-ids]"
    read_task(folder, {"teacher.arguments": harmless})


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
