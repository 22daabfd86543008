"""What a JSON Schema says at one place, whole: references, `allOf` and alternatives put together.

A schema says one thing in many ways: by a reference, by parts that all hold, by alternatives that only list
values or types. All who use the schema of a tool read it through :func:`resolution`, so it means the same to
the validator, the canonical form, the list of arguments, the grammar and the prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import gcd, lcm
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from distil_dag.core.schema_options import as_one, listed, same_values, types_of

Schema = Mapping[str, Any]

RESTRICTING = frozenset(Draft202012Validator.VALIDATORS) - {"format"}
"""The keywords that can forbid a value. Validators know no others, so others are notes."""
NO_VALUE: dict[str, Any] = {"not": {}}
"""The schema that takes no value, as keywords."""

_UNEVALUATED = frozenset({"unevaluatedItems", "unevaluatedProperties"})
_NAMED = frozenset({"properties", "additionalProperties"})
# Keywords that say something together: one without the others would say something else.
_GROUPS = (
    _NAMED | {"patternProperties", "unevaluatedProperties"},
    frozenset({"items", "prefixItems", "unevaluatedItems"}),
    frozenset({"contains", "minContains", "maxContains"}),
    frozenset({"if", "then", "else"}),
)
_GREATEST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_LEAST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


class Resolution(NamedTuple):
    """The keywords that hold at one place, and the references that were followed to find them.

    A `$ref` among the keywords leads nowhere or back to itself; `allOf` holds what can't be said without it.
    """

    keywords: dict[str, Any]
    followed: frozenset[str] = frozenset()


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
    """The keywords of :func:`resolution`."""
    return resolution(schema, root).keywords


def resolution(schema: Any, root: Schema, barred: frozenset[str] = frozenset()) -> Resolution:
    """All that a part of a schema says about a value, as keywords of one schema.

    Args:
        schema: the part; of what its children say nothing is looked at.
        root: the whole schema.
        barred: references that are not followed, since they are being looked at.

    Returns:
        Keywords that allow the same values. Notes, such as `default`, prevail over those of a reference's
        target. Listed values stand in `enum`, alternatives that differ by type in `type`.
    """
    if not isinstance(schema, Mapping):
        return Resolution(dict(NO_VALUE) if schema is False else {})
    if not schema.keys() & {"$ref", "allOf", "anyOf", "oneOf", "const", "enum"}:
        return Resolution(dict(schema))
    followed: set[str] = set()

    def inside(part: Any, but: frozenset[str] = barred) -> dict[str, Any]:
        keywords, refs = resolution(part, root, but)
        followed.update(refs)
        return keywords

    found = listed({key: value for key, value in schema.items() if key not in ("$ref", "allOf")})
    for keyword in ("anyOf", "oneOf"):
        if isinstance(options := found.get(keyword), list):
            before = set(followed)
            merged = as_one(found, keyword, [inside(option) for option in options], RESTRICTING)
            if merged is None:
                followed.clear()
                followed.update(before)
            found = merged or found
    if isinstance(reference := schema.get("$ref"), str):
        target = _target(reference, root) if reference not in barred else None
        if target is None:
            found["$ref"] = reference
        else:
            followed.add(reference)
            found = conjunction(found, inside(target, barred | {reference}))
    for part in schema.get("allOf") or ():
        found = conjunction(found, inside(part))
    return Resolution(found, frozenset(followed))


def conjunction(outer: Schema, inner: Schema) -> dict[str, Any]:
    """One schema for the values that satisfy two.

    Args:
        outer: one, whose notes prevail.
        inner: the other.

    Returns:
        Its keywords. What two keywords of one name say can't always be said by one; then the inner one
        stands in `allOf`. Children that have to satisfy both are left as an `allOf` of the two.
    """
    if _UNEVALUATED & inner.keys():  # they speak of their own neighbours only
        return {**outer, "allOf": [*outer.get("allOf", ()), dict(inner)]}
    found: dict[str, Any] = {**inner, **outer}
    apart: dict[str, Any] = {}
    for key in (outer.keys() & inner.keys() & RESTRICTING) - frozenset({"allOf"}).union(*_GROUPS):
        if merge := _MERGED.get(key):
            found[key] = merge(outer[key], inner[key])
        elif outer[key] != inner[key]:
            apart[key] = inner[key]
    for group in _GROUPS:
        one, other = ({key: side[key] for key in group & side.keys()} for side in (outer, inner))
        if not one or not other or one == other:
            continue
        keys = one.keys() | other.keys()
        if keys - {"unevaluatedProperties"} <= _NAMED:  # which outside speaks of all that is put together
            found |= _named_in_both(one, other)
        elif keys == {"items"}:
            found["items"] = _both(one["items"], other["items"])
        else:
            apart |= other
            for key in other.keys() - one.keys():
                del found[key]
    if rest := [*outer.get("allOf", ()), *inner.get("allOf", ()), *([apart] if apart else ())]:
        found["allOf"] = rest
    return found


def forbids_all(schema: Any) -> bool:
    """Whether a resolved schema says that no value will do."""
    return schema is False or (isinstance(schema, Mapping) and schema.get("not") in ({}, True))


def _target(reference: str, root: Schema) -> Any:
    try:
        return referred(reference, root)
    except LookupError:
        return None


def _both(left: Any, right: Any) -> Any:
    """A child that has to satisfy two schemas."""
    if left is False or right is False:
        return False
    if left in (True, {}) or left == right:
        return right
    return left if right in (True, {}) else {"allOf": [left, right]}


def _named_in_both(outer: Schema, inner: Schema) -> dict[str, Any]:
    def part(side: Schema, name: str) -> Any:
        return side.get("properties", {}).get(name, side.get("additionalProperties", True))

    others = _both(outer.get("additionalProperties", True), inner.get("additionalProperties", True))
    names = dict.fromkeys([*outer.get("properties", ()), *inner.get("properties", ())])
    members = {name: _both(part(outer, name), part(inner, name)) for name in names}
    found: dict[str, Any] = {"properties": {n: s for n, s in members.items() if s is not False or others}}
    limited = "additionalProperties" in outer or "additionalProperties" in inner
    return {**found, "additionalProperties": others} if limited else found


def _types(left: Any, right: Any) -> list[str]:
    one, other = types_of({"type": left}), types_of({"type": right})

    def allows(kinds: list[str], kind: str) -> bool:
        return kind in kinds or (kind == "integer" and "number" in kinds)

    return [kind for kind in dict.fromkeys(one + other) if allows(one, kind) and allows(other, kind)]


def _steps(left: float, right: float) -> float:
    """The least number that is a multiple of both."""
    one, other = Fraction(str(left)), Fraction(str(right))
    step = Fraction(lcm(one.numerator, other.numerator), gcd(one.denominator, other.denominator))
    return int(step) if step.denominator == 1 else float(step)


_MERGED: dict[str, Callable[[Any, Any], Any]] = {
    "type": _types,
    "enum": same_values,
    "required": lambda one, other: list(dict.fromkeys([*one, *other])),
    "uniqueItems": lambda one, other: one or other,
    "multipleOf": _steps,
    **dict.fromkeys(_GREATEST, max),
    **dict.fromkeys(_LEAST, min),
}
