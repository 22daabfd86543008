"""Parameters described by types of Python."""

import pytest

from distil_dag.stages.reading.discovery.python_types import schema_of


@pytest.mark.parametrize(
    ("about", "schema", "is_required"),
    [
        ({"type": "str"}, {"type": "string"}, True),
        ({"type": "int", "default": 3}, {"type": "integer"}, False),
        ({"type": "str, optional"}, {"type": "string"}, False),
        ({"type": "Optional[float]"}, {"type": "number"}, False),
        ({"type": "List[int]"}, {"type": "array"}, True),
        ({"type": "bool", "required": False, "description": "Or not."},
            {"type": "boolean", "description": "Or not."}, False),
        ({"type": "Union[str, int]"}, {}, True),
    ],
)  # fmt: skip
def test_a_type_becomes_a_schema(about, schema, is_required):
    found = schema_of({"x": about})
    assert found == {"type": "object", "properties": {"x": schema}, "required": ["x"] if is_required else []}


@pytest.mark.parametrize(
    "other",
    [None, {}, [], {"type": "object"}, {"room": "str"}, {"room": {"type": "string"}}, {"room": {"type": 1}}],
)
def test_what_is_described_in_another_way_is_left_alone(other):
    assert schema_of(other) is None
