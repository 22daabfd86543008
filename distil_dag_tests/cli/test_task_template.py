from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from distil_dag.adapters.tasks.folder import read_task
from distil_dag.cli.task_template import task_template
from distil_dag.core.sources import FileSource
from distil_dag.core.task import Settings

# A long list goes on in the next line.
_SETTING = re.compile(r"^  # (?=[a-z_]+: |  )", re.MULTILINE)


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_new_folder_is_a_valid_task(tmp_path: Path) -> None:
    task = read_task(write(tmp_path / "lamp", task_template("lamp")))
    assert task.name == "lamp"
    assert task.settings.traces.path == str(tmp_path / "lamp" / "traces.jsonl")
    assert task.toolset.names == ("lights_on", "lights_off", "dim_lights")
    assert task.test is None
    assert task.warnings == ()


def uncommented() -> dict[str, object]:
    settings: dict[str, object] = yaml.safe_load(_SETTING.sub("  ", task_template("lamp")["task.yaml"]))
    return settings


def test_every_setting_stands_in_the_template_with_its_default() -> None:
    shown = uncommented()
    defaults = Settings.model_validate(
        {
            "name": "lamp",
            "description": shown["description"],
            "traces": {"kind": "files", "path": "traces.jsonl"},
        }
    )
    # They are no part of what a run freezes.
    besides = {name: getattr(defaults, name).model_dump(mode="json") for name in ("serving", "promotion")}
    assert shown == defaults.model_dump(mode="json") | besides


def test_an_uncommented_template_is_valid(tmp_path: Path) -> None:
    files = task_template("lamp")
    files["task.yaml"] = _SETTING.sub("  ", files["task.yaml"])
    assert read_task(write(tmp_path / "lamp", files)).settings.gates.soft == ("judge_agrees",)


def test_every_setting_is_explained() -> None:
    lines = task_template("lamp")["task.yaml"].splitlines()
    settings = [line for line in lines if _SETTING.match(line)]
    assert len(settings) > 60
    assert [line for line in settings if not re.search(r",$| # \S.{5,}", line)] == []
    assert [line for line in lines if len(line) > 130] == []


def test_every_setting_is_described_in_the_schema_that_editors_read() -> None:
    schema = Settings.model_json_schema()
    sections = [schema, *schema["$defs"].values()]
    assert [section["title"] for section in sections if not section.get("description")] == []
    # A section is described where it is defined, and the kind of a log by the log's own section.
    bare = [
        f"{section['title']}.{name}"
        for section in sections
        for name, setting in section.get("properties", {}).items()
        if not {"description", "$ref", "const"} & setting.keys()
    ]
    assert bare == []


@pytest.mark.parametrize("section", ["test", "teacher", "judge", "gates", "automation"])
def test_a_section_begins_with_what_it_is_for(section: str) -> None:
    lines = task_template("lamp")["task.yaml"].splitlines()
    assert re.fullmatch(r"# [A-Z].{10,}\.", lines[lines.index(f"{section}:") - 1])


def test_the_sample_log_is_long_enough_for_the_gate(tmp_path: Path) -> None:
    rows = task_template("lamp")["traces.jsonl"].splitlines()
    task = read_task(write(tmp_path / "lamp", task_template("lamp")))
    assert len(set(rows)) == len(rows) >= task.settings.gates.min_traces


@pytest.mark.parametrize("name", ["lamp", "a-b_9"])
def test_the_name_stands_in_the_files(name: str) -> None:
    files = task_template(name)
    assert f"name: {name}\n" in files["task.yaml"]
    assert f"# {name}\n" in files["README.md"]


def test_file_source_settings_are_the_ones_shown() -> None:
    shown = uncommented()["traces"]
    assert isinstance(shown, dict)
    assert list(shown) == ["kind", "path", *[n for n in FileSource.model_fields if n not in ("kind", "path")]]
