"""Schemas of tools as people write them, drawn at random together with the arguments that they take."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import strategies as st

from distil_dag.core.toolset import Toolset

Schema = dict[str, Any]
TEXTS = st.text(max_size=6).filter(lambda text: "tool_call>" not in text and text != "null")
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, -2.5]) | TEXTS
NOTES = st.sampled_from(
    [
        {},
        {},
        {"description": "what it is"},
        {"example": "rose", "x-order": 1},
        {"title": "T", "deprecated": True},
    ]
)


class Made(NamedTuple):
    """A schema, the values that it takes, and whether null is one of them."""

    schema: Schema
    values: st.SearchStrategy[Any]
    null: bool = False


def whole_numbers(values: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    """Integers as services write them: 3, or 3.0."""
    return values | values.map(float)


@st.composite
def leaves(draw: st.DrawFn) -> Made:
    match draw(st.sampled_from(["string", "integer", "number", "boolean", "enum", "const", "oneOf", "ref"])):
        case "string":
            least = draw(st.integers(0, 2))
            return Made(
                {"type": "string"} | ({"minLength": least, "maxLength": least + 4} if least else {}),
                st.text(min_size=least, max_size=least + 4).filter(
                    lambda t: "tool_call>" not in t and t != "null"
                ),
            )
        case "integer":
            step = draw(st.sampled_from([1, 1, 5]))
            bounds = {"minimum": -10, "maximum": 60} | ({"multipleOf": step} if step > 1 else {})
            return Made(
                {"type": "integer", **bounds}, whole_numbers(st.integers(-2, 12).map(lambda n: n * step))
            )
        case "number":
            cents = st.integers(-500, 4000).map(lambda n: float(Decimal(n) / 100) or 0.0)
            return Made({"type": "number", "multipleOf": 0.01, "minimum": -5}, cents)
        case "boolean":
            return Made({"type": "boolean"}, st.booleans())
        case "enum":
            listed = draw(st.lists(SCALARS.filter(lambda v: v is not None), min_size=1, max_size=4))
            return Made({"enum": listed}, st.sampled_from(listed))
        case "const":
            value = draw(st.sampled_from([1.0, 2, "eco", True]))
            return Made({"const": value}, st.just(value))
        case "oneOf":
            words = draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3, unique=True))
            return Made({"oneOf": [{"const": w, "title": w} for w in words]}, st.sampled_from(words))
    return Made({"$ref": "#/$defs/Room"}, st.sampled_from(["hall", "attic"]))


@st.composite
def wrapped(draw: st.DrawFn, inner: st.SearchStrategy[Made]) -> Made:
    made = draw(inner)
    match draw(st.sampled_from(["nullable", "anyOf", "oneOf", "array", "tuple", "object", "allOf", "any2"])):
        case "nullable":
            return Made({**made.schema, "nullable": True}, made.values | st.none(), null=True)
        case "anyOf":
            return Made({"anyOf": [made.schema, {"type": "null"}]}, made.values | st.none(), null=True)
        case "oneOf" if not made.null:
            return Made({"oneOf": [made.schema, {"type": "null"}]}, made.values | st.none(), null=True)
        case "array":
            sizes = draw(st.sampled_from([{}, {"minItems": 1, "maxItems": 3}]))
            return Made(
                {"type": "array", "items": made.schema, **sizes},
                st.lists(made.values, min_size=1, max_size=3),
            )
        case "tuple":
            other = draw(inner)
            spec = {"type": "array", "prefixItems": [made.schema, other.schema], "items": False}
            return Made(spec, st.tuples(made.values, other.values).map(list))
        case "object":
            return draw(objects(inner))
        case "allOf":
            return Made({"allOf": [made.schema, {"description": "both"}]}, made.values, made.null)
        case "any2":
            other = draw(inner)
            return Made(
                {"anyOf": [made.schema, other.schema]}, made.values | other.values, made.null or other.null
            )
    return made


@st.composite
def objects(
    draw: st.DrawFn, inner: st.SearchStrategy[Made], names: str = "abc", closed: bool = False
) -> Made:
    parts = {name: draw(inner) for name in draw(st.lists(st.sampled_from(names), min_size=1, unique=True))}
    required = [name for name in parts if draw(st.booleans())]
    properties = {}
    for name, part in parts.items():
        default = {"default": draw(part.values)} if name not in required and draw(st.booleans()) else {}
        properties[name] = {**part.schema, **draw(NOTES), **default}
    others = {} if not closed else {"additionalProperties": False}
    others = others or draw(
        st.sampled_from([{}, {"additionalProperties": False}, {"additionalProperties": {"type": "integer"}}])
    )
    free = {
        name: part.values if part.null else part.values | st.none()  # null where it has no place: left out
        for name, part in parts.items()
        if name not in required
    }
    if isinstance(others.get("additionalProperties"), dict):
        free["zz"] = whole_numbers(st.integers(0, 9))
    values = st.fixed_dictionaries({name: parts[name].values for name in required}, optional=free)
    return Made({"type": "object", "properties": properties, "required": required, **others}, values)


ANY = st.recursive(leaves(), lambda inner: wrapped(inner), max_leaves=3)


@st.composite
def roots(draw: st.DrawFn) -> Made:
    kind = draw(st.sampled_from(["plain", "plain", "oneOf", "ref", "allOf"]))
    if kind == "oneOf":
        options = [draw(objects(ANY, "abc" + tag, closed=True)) for tag in "uv"]
        for tag, option in zip("uv", options, strict=True):
            option.schema["properties"] = {"kind": {"const": tag}, **option.schema["properties"]}
            option.schema["required"] = ["kind", *option.schema["required"]]
        values = [
            o.values.map(lambda v, tag=t: {"kind": tag, **v}) for t, o in zip("uv", options, strict=True)
        ]
        return Made({"oneOf": [option.schema for option in options]}, values[0] | values[1])
    made = draw(objects(ANY))
    if kind == "ref":
        return Made({"$ref": "#/$defs/Args", "$defs": {"Args": made.schema}}, made.values)
    if kind == "allOf" and "additionalProperties" not in made.schema:
        more = draw(objects(ANY, "def"))
        if "additionalProperties" not in more.schema:
            both = st.tuples(made.values, more.values).map(lambda pair: {**pair[0], **pair[1]})
            return Made({"type": "object", "allOf": [made.schema, more.schema]}, both)
    return made


@st.composite
def tool_calls(draw: st.DrawFn) -> tuple[Toolset, dict[str, Any]]:
    """A toolset of one tool `act`, and arguments that it takes, keys in any order."""
    made = draw(roots())
    room = {"type": "string", "enum": ["hall", "attic"]}
    schema = {**made.schema, "$defs": {**made.schema.get("$defs", {}), "Room": room}}
    arguments = draw(made.values)
    names = draw(st.permutations(list(arguments)))
    return Toolset.from_openai([{"name": "act", "parameters": schema}]), {n: arguments[n] for n in names}


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """The value with a leaf, or a member, that is another."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        name = draw(st.sampled_from(sorted(value)))
        rest = {key: item for key, item in value.items() if key != name}
        return rest if draw(st.booleans()) else {**value, name: draw(mutated(value[name]))}
    if isinstance(value, list) and value and draw(st.booleans()):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], draw(mutated(value[place])), *value[place + 1 :]]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return draw(st.sampled_from([value + 1, value + 0.001, value * 1000, str(value)]))
    return draw(SCALARS)
