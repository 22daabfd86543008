"""The arguments that a tool's schema declares, wherever it declares them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from distil_dag.core.json_schema import RESTRICTING, Schema, forbids_all, resolution
from distil_dag.core.schema_options import types_of, value_key


class Members(NamedTuple):
    """Name -> schema of each member, the names of those that are required, the schemas of any other."""

    properties: dict[str, Any]
    required: tuple[str, ...]
    others: tuple[Any, ...] = ()


def members(schema: Any, root: Schema, barred: frozenset[str] = frozenset()) -> Members:
    """The members of an object, through references, parts that all hold, and alternatives.

    Args:
        schema: the object's schema.
        root: the whole schema.
        barred: references that are not followed, since they are being looked at.

    Returns:
        All members of all alternatives. Those are required that every alternative requires. Others are known
        where the schema says of what kind they are.
    """
    node, followed = resolution(schema, root, barred)
    properties = {name: spec for name, spec in (node.get("properties") or {}).items() if spec is not False}
    required = list(node.get("required") or ())
    others = [node["additionalProperties"]] if _says_a_kind(node.get("additionalProperties")) else []
    others += (node.get("patternProperties") or {}).values()
    barred |= followed
    for keyword in ("anyOf", "oneOf"):
        options = [part for option in node.get(keyword) or () if (part := _object(option, root, barred))]
        if options:
            required += [name for name in options[0].required if all(name in o.required for o in options)]
            others += [other for option in options for other in option.others]
            _add(properties, options)
    for part in node.get("allOf") or ():
        more = members(part, root, barred)
        required += more.required
        others += more.others
        _add(properties, [more])
    return Members(properties, tuple(dict.fromkeys(required)), tuple(others))


def _says_a_kind(schema: Any) -> bool:
    return isinstance(schema, dict) and bool(RESTRICTING & schema.keys())


def _object(option: Any, root: Schema, barred: frozenset[str]) -> Members | None:
    """The members of an alternative; None if no object satisfies it."""
    node = resolution(option, root, barred).keywords
    kinds = types_of(node)
    if forbids_all(node) or (kinds and "object" not in kinds):
        return None
    return members(option, root, barred)


def _add(properties: dict[str, Any], options: Sequence[Members]) -> None:
    """Add what alternatives declare; what all of them declare narrows what is declared beside them."""
    names = dict.fromkeys(name for option in options for name in option.properties)
    for name in names:
        found = [option.properties[name] for option in options if name in option.properties]
        several = list({value_key(spec): spec for spec in found}.values())
        spec = several[0] if len(several) == 1 else {**_notes(several), "anyOf": several}
        if name not in properties:
            properties[name] = spec
        elif len(found) == len(options):
            properties[name] = {"allOf": [properties[name], spec]}


def _notes(specs: Sequence[Any]) -> dict[str, Any]:
    """The notes that all have alike."""
    first = specs[0] if isinstance(specs[0], dict) else {}
    alike = first.items() if all(isinstance(spec, dict) for spec in specs) else ()
    return {
        key: value
        for key, value in alike
        if key not in RESTRICTING and all(s.get(key) == value for s in specs)
    }
