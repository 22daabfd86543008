"""References in JSON Schemas, looked through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

Schema = Mapping[str, Any]


def referred(reference: str, root: Schema) -> Any:
    """What `#/$defs/name` and the like lead to in a whole schema; LookupError if nowhere."""
    resolver = Registry().with_resource("", DRAFT202012.create_resource(dict(root))).resolver("")
    try:
        return resolver.lookup(reference).contents
    except Unresolvable as error:
        raise LookupError(f"{reference} is not found in the tool's parameters") from error


def resolved(schema: Schema | bool, root: Schema) -> dict[str, Any]:
    """A part of `root` as if what its `$ref` refers to stood in its place; keywords beside that prevail.

    A reference that leads nowhere, or back to itself, stays as it is. `true` and `false` have no keywords.
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
