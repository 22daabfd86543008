"""Alternatives of a JSON Schema that one keyword can say: lists of values, and types."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from typing import Any

from jsonschema import Draft202012Validator

OF_TYPE = {
    "string": frozenset({"minLength", "maxLength", "pattern"}),
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}),
    "array": frozenset({
        "items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains", "minContains",
        "maxContains",
    }),
    "object": frozenset({
        "properties", "required", "additionalProperties", "patternProperties", "propertyNames",
        "minProperties", "maxProperties", "dependentRequired",
    }),
    "boolean": frozenset(),
    "null": frozenset(),
}  # fmt: skip
"""The keywords that speak of values of one type only; those of `integer` are those of `number`."""
_APPLYING = frozenset({"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if"})


def types_of(schema: Any) -> list[str]:
    """The names in `type`; none where the schema names no type."""
    kinds = schema.get("type", []) if isinstance(schema, Mapping) else []
    return [kinds] if isinstance(kinds, str) else list(kinds)


def whole(value: Any) -> Any:
    """A JSON value with its numbers without a fraction as integers: 1.0 is 1, and true stays true."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {key: whole(item) for key, item in value.items()}
    return [whole(item) for item in value] if isinstance(value, list) else value


def value_key(value: Any) -> str:
    """A text that is equal for equal JSON values: 1 and 1.0, whatever the order of keys."""
    return json.dumps(whole(value), sort_keys=True, ensure_ascii=False)


def same_values(left: Sequence[Any], right: Sequence[Any]) -> list[Any]:
    """The values of the first list that the second holds as well."""
    keys = {value_key(value) for value in right}
    return [value for value in left if value_key(value) in keys]


def listed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with `const` as a list of one value, and each listed value once, 1.0 as 1."""
    if "const" not in schema and all(isinstance(value, str) for value in schema.get("enum", ())):
        return schema
    found = {key: value for key, value in schema.items() if key not in ("const", "enum")}
    values = schema.get("enum", ())
    if "const" in schema:
        values = same_values([schema["const"]], values) if "enum" in schema else [schema["const"]]
    return {**found, "enum": list({value_key(value): whole(value) for value in values}.values())}


def as_one(
    schema: Mapping[str, Any], keyword: str, options: Sequence[Any], restricting: Set[str]
) -> dict[str, Any] | None:
    """The schema without `anyOf` or `oneOf`, if its options are lists of values or differ by type.

    Args:
        schema: the schema, lists of values as :func:`listed` has them.
        keyword: `anyOf` or `oneOf`.
        options: what it holds, each resolved.
        restricting: the keywords that can forbid a value.

    Returns:
        A schema that allows the same; None where it takes alternatives to say so.
    """
    beside = {key: value for key, value in schema.items() if key != keyword}
    if options and all(_values(option) is not None for option in options):
        found = Counter[str]()
        values: dict[str, Any] = {}
        for option in options:
            own = {value_key(value): value for value in _values(option) or ()}
            found.update(own.keys())
            values |= own
        kept = [value for key, value in values.items() if keyword == "anyOf" or found[key] == 1]
        kept = same_values(kept, beside["enum"]) if "enum" in beside else kept
        return {**_notes(beside, options, restricting), "enum": kept}
    kinds = [kind for option in options for kind in types_of(option)]
    numbers = ["number" if kind == "integer" else kind for kind in kinds]
    if (
        restricting & beside.keys()
        or len(set(numbers)) < len(numbers)
        or not all(_of_its_types(option, restricting) for option in options)
    ):
        return None
    merged: dict[str, Any] = {}
    for option in options:
        merged |= {key: value for key, value in option.items() if key in restricting}
    return {**_notes(beside, options, restricting), **merged, "type": kinds}


def _values(option: Any) -> list[Any] | None:
    """The values of an option that lists them; null is a list of one."""
    if not isinstance(option, Mapping) or _APPLYING & option.keys():
        return None
    if "enum" in option:
        rule = Draft202012Validator({key: value for key, value in option.items() if key != "enum"})
        return [value for value in option["enum"] if rule.is_valid(value)]
    return [None] if types_of(option) == ["null"] else None


def _of_its_types(option: Any, restricting: Set[str]) -> bool:
    """Whether all that an option says is about the types that it names."""
    kinds = types_of(option)
    known = frozenset({"type"}).union(*(OF_TYPE.get(_integer(kind), frozenset()) for kind in kinds))
    return (
        bool(kinds)
        and all(_integer(kind) in OF_TYPE for kind in kinds)
        and restricting & option.keys() <= known
    )


def _integer(kind: str) -> str:
    return "integer" if kind == "number" else kind


def _notes(beside: Mapping[str, Any], options: Sequence[Any], restricting: Set[str]) -> dict[str, Any]:
    """What stands beside the options, and a note that only one of them has."""
    found = dict(beside)
    others = [option for option in options if isinstance(option, Mapping) and types_of(option) != ["null"]]
    if len(others) == 1:
        found = {**{key: value for key, value in others[0].items() if key not in restricting}, **found}
    return found


def disjoint(left: Any, right: Any) -> bool:
    """Whether it is plain that no value satisfies both of two resolved schemas."""
    if not isinstance(left, Mapping) or not isinstance(right, Mapping):
        return False
    kinds, others = types_of(left), types_of(right)
    if kinds and others and not {*map(_integer, kinds)} & {*map(_integer, others)}:
        return True
    if "enum" in left and "enum" in right:
        return not same_values(left["enum"], right["enum"])
    return kinds == others == ["object"] and (_told_apart(left, right) or _told_apart(right, left))


def _told_apart(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    """Whether a member that the first requires is never that of the second."""
    known = right.get("properties", {})
    for name in left.get("required", ()):
        if name not in known:
            if right.get("additionalProperties") is False:
                return True
        elif name in right.get("required", ()):
            one, other = (side.get("properties", {}).get(name) for side in (left, right))
            if all(isinstance(spec, dict) for spec in (one, other)) and disjoint(listed(one), listed(other)):
                return True
    return False
