"""Mistakes in job_description.json, test.jsonl and labels.jsonl."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from distil_dag.adapters.tasks.folder import read_task
from distil_dag_tests.adapters.tasks.lamp_folder import CALL, JOB, TOOL, job, mistakes, only_mistake


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
        (
            {"$defs": {"x": {"$ref": "#/$defs/x"}}, "properties": {"a": {"$ref": "#/$defs/x", "default": 1}}},
            "properties.a",
            "refers to itself without end",
        ),
        (
            {
                "definitions": {"x": {"type": "string"}},
                "properties": {"a": {"$ref": "#/definitions/x", "default": 1}},
            },
            "properties.a.default",
            "1 is not of type 'string'",
        ),
        (
            {"properties": {"a": True}},
            "properties.a",
            "is only `true`: write the schema of the argument, such as",
        ),
    ],
)
def test_one_mistake_in_a_schema(folder: Path, schema: dict[str, Any], where: str, said: str) -> None:
    value = job(parameters={"type": "object", **schema})
    (folder / "job_description.json").write_text(json.dumps(value))
    path = "tools[0].parameters" + (f".{where}" if where else "")
    assert only_mistake(folder).startswith(f"job_description.json:1: {path}: ")
    assert said in only_mistake(folder)


def test_a_default_may_be_described_elsewhere_in_its_schema(folder: Path) -> None:
    """As Pydantic writes enumerations; `definitions` is how older drafts call `$defs`."""
    for name in ("$defs", "definitions"):
        unit = {"$ref": f"#/{name}/Unit", "default": "c"}
        schema = {"type": "object", name: {"Unit": {"enum": ["c", "f"]}}, "properties": {"unit": unit}}
        (folder / "job_description.json").write_text(json.dumps(job(parameters=schema)))
        assert read_task(folder).toolset.tools[0].defaults == {"unit": "c"}


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
