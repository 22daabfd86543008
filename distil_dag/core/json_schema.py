"""What validators do not tell of a JSON Schema: what its references stand for, and the order of keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

Schema = Mapping[str, Any]


def referred(reference: str, root: Schema) -> Any:
    """The part of a schema that a reference such as `#/$defs/name` leads to.

    Args:
        reference: a JSON pointer as a URI fragment.
        root: the whole schema.

    Raises:
        LookupError: where it leads nowhere.
    """
    resolver = Registry().with_resource("", DRAFT202012.create_resource(dict(root))).resolver("")
    try:
        return resolver.lookup(reference).contents
    except Unresolvable as error:
        raise LookupError(f"{reference} is not found in the tool's parameters") from error


def resolved(schema: Schema | bool, root: Schema) -> dict[str, Any]:
    """A part of a schema with the target of its `$ref` in the reference's place.

    Args:
        schema: the part; `true` and `false` have no keywords.
        root: the whole schema.

    Returns:
        The keywords. Those beside the reference prevail over those of its target. A reference that leads
        nowhere, or back to itself, stays as it is.
    """
    found, seen = dict(schema) if isinstance(schema, Mapping) else {}, set[str]()
    while isinstance(reference := found.get("$ref"), str) and reference not in seen:
        seen.add(reference)
        try:
            target = referred(reference, root)
        except LookupError:
            break
        beside = {key: value for key, value in found.items() if key != "$ref"}
        found = {**(target if isinstance(target, Mapping) else {}), **beside}
    return found


def in_order(value: Any, schema: Any, root: Schema) -> Any:
    """A JSON value with the keys of its objects in the order in which their schema declares them.

    Args:
        value: the value.
        schema: its schema, a part of `root`.
        root: the whole schema.

    Returns:
        The value; keys that the schema does not declare follow the others, in their own order.
    """
    if not isinstance(value, (dict, list)) or not isinstance(schema, Mapping):
        return value
    schema = resolved(schema, root)
    if options := schema.pop("anyOf", None):
        rule = Draft202012Validator(root)
        fitting = (option for option in options if rule.evolve(schema=option).is_valid(value))
        if isinstance(option := next(fitting, None), Mapping):
            return in_order(value, {**schema, **option}, root)
    if isinstance(value, list):
        return [in_order(item, schema.get("items"), root) for item in value]
    known = schema.get("properties", {})
    names = [*(name for name in known if name in value), *(name for name in value if name not in known)]
    return {name: in_order(value[name], known.get(name), root) for name in names}
