"""What changed in a definition, in words."""

from __future__ import annotations

from typing import Any

import pytest

from distil_dag.stages.reading.discovery.changes import change_in_words

ROOM = {"type": "string", "enum": ["den", "hall"]}


def tool(required: tuple[str, ...] = (), description: str = "Set it.", **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return {
        "type": "function",
        "function": {"name": "light", "description": description, "parameters": parameters},
    }


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (tool(room=ROOM), tool(room=ROOM), ""),
        (tool(room=ROOM), tool(room=ROOM, level={"type": "integer"}), "adds level"),
        (tool(room=ROOM, level={}), tool(room=ROOM), "drops level"),
        (tool(room=ROOM), tool(("room",), room=ROOM), "requires room"),
        (tool(("room",), room=ROOM), tool(room=ROOM), "no longer requires room"),
        (tool(x={"type": "integer"}), tool(x={"type": ["number", "null"]}),
         "x is number or null, was integer"),
        (tool(room=ROOM), tool(room={**ROOM, "enum": ["den", "attic"]}),
         "room allows attic; room no longer allows hall"),
        (tool(room=ROOM), tool(room={"type": "string"}), "room allows any value"),
        (tool(x={"minimum": 0}), tool(x={"minimum": 1}), "changes minimum of x"),
        (tool(x={"description": "a"}), tool("", "Put it.", x={"description": "b"}),
         "describes x in other words; is described in other words"),
        (tool(at={"properties": {"x": {}}}), tool(at={"properties": {"y": {}}}), "adds at.y; drops at.x"),
        (tool(at={"items": {"type": "string"}}), tool(at={"items": {"type": "integer"}}),
         "items of at is integer, was string"),
        (tool(), tool(**{f"x{n}": {} for n in range(9)}),
         "adds x0; adds x1; adds x2; adds x3; adds x4; adds x5; 3 more"),
    ],
)  # fmt: skip
def test_a_change_in_words(old: Any, new: Any, said: str) -> None:
    assert change_in_words(old, new) == said


def test_personal_data_in_a_definition_is_not_quoted() -> None:
    new = tool(room={**ROOM, "enum": ["den", "hall", "anna@example.com"]})
    assert change_in_words(tool(room=ROOM), new) == "room allows <EMAIL_1>"
