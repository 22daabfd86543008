"""The values that a schema allows, as a language, and a word on each keyword that is not held to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from typing import Any, TypeVar

from distil_dag.core.control_tokens import escape_in_json
from distil_dag.core.json_schema import RESTRICTING, Schema, forbids_all, referred, resolution
from distil_dag.core.schema_options import disjoint, types_of
from distil_dag.core.toolset import Tool
from distil_dag.stages.decoding.any_json import AnyValue, member
from distil_dag.stages.decoding.byte_languages import (
    NOTHING,
    Further,
    Language,
    Literal,
    Members,
    Repeated,
    Text,
    choice,
    sequence,
)
from distil_dag.stages.decoding.numbers import number

Part = TypeVar("Part")
Place = tuple[str, ...]
"""A tool's name, an argument's, and the way further in."""

# What the grammar does not see to: of any value, and of values of a type.
_BEYOND = frozenset({"allOf", "not", "if", "$dynamicRef"})
_BEYOND_OF = {
    "string": frozenset({"pattern"}),
    "array": frozenset({"contains", "uniqueItems", "unevaluatedItems"}),
    "object": frozenset({
        "patternProperties", "propertyNames", "minProperties", "maxProperties", "dependentRequired",
        "dependentSchemas",
    }),
}  # fmt: skip
_ANY_TYPE = ["null", "boolean", "number", "string", "array", "object"]


class Contradiction(ValueError):
    """No value at all satisfies a schema."""


def any_of(make: Callable[[Part], Language], parts: Iterable[Part]) -> Language:
    """What is made of any part, those left out that contradict themselves.

    Raises:
        Contradiction: all do.
    """
    found: list[Language] = []
    why: list[str] = []
    for part in parts:
        try:
            found.append(make(part))
        except Contradiction as error:
            why.append(str(error))
    if not found:
        raise Contradiction("; ".join(dict.fromkeys(why)))
    return choice(found)


def written(value: Any) -> bytes:
    """JSON as `render_call` writes it."""
    return escape_in_json(json.dumps(value, ensure_ascii=False, separators=(",", ":"))).encode()


class ValueGrammar:
    """The languages of one tool's schemas, which may refer to each other.

    Args:
        tool: the tool.
        texts: what is said at some places, instead of any text.
        found: takes a sentence for each place where more is allowed than the schema allows.
    """

    def __init__(self, tool: Tool, texts: Mapping[Place, Language], found: list[str]) -> None:
        self._root, self._rule, self._order = tool.meaning, tool.rule, tool.properties
        self._texts, self._found = texts, found
        self._open: frozenset[str] = frozenset()

    def language(self, schema: Any, place: Place) -> Language:
        """The values that a schema allows.

        Args:
            schema: a part of the tool's schema.
            place: named where the schema is not held to.

        Raises:
            Contradiction: it allows none.
        """
        node, followed = resolution(schema, self._root, self._open)
        if forbids_all(node):
            raise Contradiction(_said(place, "its schema takes no value"))
        if reference := node.pop("$ref", None):
            self._deviates(place, self._not_followed(reference))
        if not RESTRICTING & node.keys():
            return AnyValue()
        before, self._open = self._open, self._open | followed
        try:
            return self._node(node, place)
        finally:
            self._open = before

    def _node(self, node: Schema, place: Place) -> Language:
        if "enum" in node:
            return self._listed(node, place)
        for keyword in ("anyOf", "oneOf"):
            if keyword in node:
                return self._one_of(keyword, node, place)
        if not (kinds := types_of(node) if "type" in node else _ANY_TYPE):
            raise Contradiction(_said(place, "its schema takes values of no type"))
        beyond = _BEYOND.union(*(_BEYOND_OF.get(kind, frozenset()) for kind in kinds)) & node.keys()
        if left := sorted((beyond - {"allOf"}).union(*(part for part in node.get("allOf", ())))):
            self._deviates(place, f"{', '.join(left)} is not held to")
        return any_of(lambda kind: self._typed(kind, node, place), kinds)

    def _deviates(self, place: Place, why: str) -> None:
        self._found.append(_said(place, why))

    def _not_followed(self, reference: str) -> str:
        try:
            referred(reference, self._root)
        except LookupError as error:
            return str(error)
        return f"{reference} refers to itself and is not held to"

    def _one_of(self, keyword: str, node: Schema, place: Place) -> Language:
        beside = {key: value for key, value in node.items() if key != keyword}
        options = [{**beside, "allOf": [*beside.get("allOf", ()), option]} for option in node[keyword]]
        if keyword == "oneOf":
            each = (resolution(option, self._root, self._open).keywords for option in options)
            if not all(disjoint(left, right) for left, right in combinations(each, 2)):
                self._deviates(place, "of oneOf more than one may fit")
        return any_of(lambda option: self.language(option, place), options)

    def _listed(self, node: Schema, place: Place) -> Language:
        rule = self._rule.evolve(schema=node)
        values = [Literal(written(value)) for value in node["enum"] if rule.is_valid(value)]
        if not values:
            raise Contradiction(_said(place, "no listed value satisfies its schema"))
        return choice(values)

    def _typed(self, kind: str, node: Schema, place: Place) -> Language:
        match kind:
            case "string":
                least, most = _sizes(node, "minLength", "maxLength", place)
                text: Language = Text(least, most)
                if text == Text():
                    text = self._texts.get(place, text)
                return sequence(Literal(b'"'), text, Literal(b'"'))
            case "integer" | "number":
                return _number(kind == "integer", node, place)
            case "boolean":
                return choice([Literal(b"true"), Literal(b"false")])
            case "null":
                return Literal(b"null")
            case "array":
                return self._array(node, place)
            case "object":
                return self._object(node, place)
        self._deviates(place, f"its schema has the unknown type {kind!r}, which is not held to")
        return AnyValue() if len(place) > 1 else self._object(node, place)

    def _array(self, node: Schema, place: Place) -> Language:
        least, most = _sizes(node, "minItems", "maxItems", place)
        items: list[Language] = []
        for schema in [*(node.get("prefixItems") or ()), node.get("items", True)]:
            if most is not None and len(items) >= most:
                break
            try:
                items.append(self.language(schema, (*place, "[]")))
            except Contradiction as error:
                if least > len(items):
                    raise
                if schema is not False:
                    self._found.append(str(error))
                most = len(items)
        first = items[: len(node.get("prefixItems") or ())]
        if not first:
            every = Repeated(items[0], b",", least, most) if items else NOTHING
            return sequence(Literal(b"["), every, Literal(b"]"))
        rest: Language = NOTHING
        if len(items) > len(first):
            after = None if most is None else most - len(first)
            rest = Further(items[-1], b",", max(least - len(first), 0), after)
        for place_, item in reversed(list(enumerate(first))):
            rest = sequence(Literal(b"," * bool(place_)), item, rest)
            rest = rest if place_ < least else choice([NOTHING, rest])
        return sequence(Literal(b"["), rest, Literal(b"]"))

    def _object(self, node: Schema, place: Place) -> Language:
        properties = node.get("properties") or {}
        if len(place) == 1:  # alternatives may name the arguments in another order
            names = dict.fromkeys([*self._order, *properties])
            properties = {name: properties[name] for name in names if name in properties}
        required = set(node.get("required") or ())
        members = []
        for name, spec in properties.items():
            try:
                value = self.language(spec, (*place, name))
            except Contradiction as error:
                if name in required:
                    raise
                self._found.append(str(error))
            else:
                members.append((written(name) + b":", value, name in required))
        others = self._others(node, properties, place)
        if missing := ", ".join(sorted(required - properties.keys())):
            if others is None:
                raise Contradiction(_said(place, f"{missing} is required but not declared"))
            self._deviates(place, f"{missing} is required but not declared, so it may be missing")
        return sequence(Literal(b"{"), Members(tuple(members), others=others), Literal(b"}"))

    def _others(self, node: Schema, properties: Schema, place: Place) -> Language | None:
        """Members that the schema does not name; None if there are none.

        An answer holds arguments that are not declared only where the tool says their kind. A value holds
        them where its schema says so, or names none itself.
        """
        spec = node.get("additionalProperties", node.get("unevaluatedProperties", not properties))
        named = node.get("patternProperties") or {}
        if len(place) == 1 and not (isinstance(spec, Mapping) and RESTRICTING & spec.keys()):
            spec = False
        if named:
            spec = {"anyOf": [*named.values(), spec]}
        try:
            value = self.language(spec, (*place, "*"))
        except Contradiction:
            return None
        return member(value, frozenset(written(name)[1:-1] for name in properties))


def _said(place: Place, why: str) -> str:
    return f"{'.'.join(place).replace('.[]', '[]')}: {why}"


def _number(whole: bool, node: Schema, place: Place) -> Language:
    def bound(closed: str, opened: str, tighter: Any) -> tuple[float | None, bool]:
        found = [(node[key], key == opened) for key in (closed, opened) if key in node]
        return tighter(found) if found else (None, False)

    low, low_open = bound("minimum", "exclusiveMinimum", max)
    high, high_open = bound(
        "maximum", "exclusiveMaximum", lambda found: min(found, key=lambda b: (b[0], not b[1]))
    )
    language = number(low, high, whole, low_open, high_open, node.get("multipleOf"))
    if language is None:
        raise Contradiction(_said(place, "no number lies between the bounds of its schema"))
    return language


def _sizes(node: Schema, least: str, most: str, place: Place) -> tuple[int, int | None]:
    low, high = node.get(least, 0), node.get(most)
    if high is not None and high < low:
        raise Contradiction(_said(place, f"its {least} is greater than its {most}"))
    return low, high
