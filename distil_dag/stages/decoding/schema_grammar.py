"""All valid answers under a toolset, as a language: JSON Schema in, canonical Hermes text out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from jsonschema import Draft202012Validator

from distil_dag.core.control_tokens import escape_in_json
from distil_dag.core.json_schema import Schema, referred
from distil_dag.core.tool_call import CLOSE_TAG, NO_CALL_TEXT, OPEN_TAG
from distil_dag.core.toolset import Tool, Toolset
from distil_dag.stages.decoding.any_json import AnyValue, member
from distil_dag.stages.decoding.byte_languages import (
    Copied,
    Language,
    Literal,
    Members,
    Repeated,
    Text,
    choice,
    sequence,
)
from distil_dag.stages.decoding.numbers import number
from distil_dag.stages.nlu.spans import tokens

Part = TypeVar("Part")
Place = tuple[str, ...]
"""A tool's name, an argument's, and the way further in."""

# What the grammar does not see to: of any value, and of values of a type.
_BEYOND = frozenset({"allOf", "not", "if", "$dynamicRef"})
_BEYOND_OF = {
    "string": frozenset({"pattern"}),
    "integer": frozenset({"multipleOf"}),
    "number": frozenset({"multipleOf"}),
    "array": frozenset({"prefixItems", "contains", "uniqueItems", "unevaluatedItems"}),
    "object": frozenset({
        "patternProperties", "propertyNames", "minProperties", "maxProperties", "dependentRequired",
        "dependentSchemas", "unevaluatedProperties",
    }),
}  # fmt: skip
# No validator knows other keywords, so they forbid nothing; these restrict a value each by itself.
_DESCRIBING = frozenset(Draft202012Validator.VALIDATORS) - {"format"}
_RESTRICTING = _DESCRIBING - {"type", "additionalProperties", "$ref"}
_ANY_TYPE = ["null", "boolean", "number", "string", "array", "object"]


class _Contradiction(ValueError):
    """No value at all satisfies a schema."""


def answers(
    toolset: Toolset,
    most_calls: int | None = None,
    may_decline: bool = True,
    copied: Iterable[tuple[str, str]] = (),
    words: str = "",
) -> Language:
    """Every valid answer, in the canonical form that students are trained on.

    That is compact JSON with arguments in the order of the schema. What a grammar can't hold a model to is
    not held, and a tool that no call can satisfy is left out: :func:`deviations` names both.

    Args:
        toolset: the tools.
        most_calls: calls of an answer at most; None for any number.
        may_decline: whether an answer may hold no call.
        copied: tool and name of the arguments whose texts are whole words of `words`, as they stand there,
            one after the other. They are any text if there are none, or if JSON would write them otherwise.
        words: the request.

    Raises:
        ValueError: no tool is left.
    """
    ways: list[Language] = [Literal(NO_CALL_TEXT.encode())] if may_decline or not toolset.tools else []
    if toolset.tools and most_calls != 0:
        copy = _copied(words)
        texts: dict[Place, Language] = dict.fromkeys(copied, copy) if copy else {}
        call = _any_of(lambda tool: _call(tool, texts, []), toolset.tools)
        ways.append(Repeated(call, b"\n", 1, most_calls))
    return choice(ways)


def deviations(toolset: Toolset) -> list[str]:
    """Where the grammar says other calls than the schemas, as `tool.argument[].name: why`.

    More, where a keyword is beyond a grammar. Fewer, where no value satisfies the schema of an optional
    argument, which is then never said, or of a required one, whose tool is then never called.
    """
    found: list[str] = []
    for tool in toolset.tools:
        try:
            _call(tool, {}, found)
        except _Contradiction as error:
            found.append(str(error))
    return list(dict.fromkeys(found))


def _copied(words: str) -> Language | None:
    spans = tokens(words)
    if not spans or _written(words) != f'"{words}"'.encode(errors="replace"):
        return None
    starts, ends = (
        frozenset(len(words[:place].encode()) for place in places)
        for places in ([start for _, start, _ in spans], [end for *_, end in spans])
    )
    return Copied(words.encode(), starts, ends)


def _said(place: Place, why: str) -> str:
    return f"{'.'.join(place).replace('.[]', '[]')}: {why}"


def _any_of(make: Callable[[Part], Language], parts: Iterable[Part]) -> Language:
    """What is made of any part, those left out that contradict themselves."""
    found: list[Language] = []
    why: list[str] = []
    for part in parts:
        try:
            found.append(make(part))
        except _Contradiction as error:
            why.append(str(error))
    if not found:
        raise _Contradiction("; ".join(dict.fromkeys(why)))
    return choice(found)


def _call(tool: Tool, texts: Mapping[Place, Language], found: list[str]) -> Language:
    """Calls of a tool; deviations are added to `found`."""
    return sequence(
        Literal(f'{OPEN_TAG}{{"name":'.encode() + _written(tool.name) + b',"arguments":'),
        _Schemas(tool, texts, found).language({"type": "object", **tool.parameters}, (tool.name,)),
        Literal(f"}}{CLOSE_TAG}".encode()),
    )


def _written(value: Any) -> bytes:
    """JSON as `render_call` writes it."""
    return escape_in_json(json.dumps(value, ensure_ascii=False, separators=(",", ":"))).encode()


class _Schemas:
    """The schemas of one tool, which may refer to each other; `texts` are said at their places."""

    def __init__(self, tool: Tool, texts: Mapping[Place, Language], found: list[str]) -> None:
        self._root, self._texts, self._found = tool.parameters, texts, found
        self._rule = Draft202012Validator(tool.parameters)
        self._open: list[str] = []

    def language(self, schema: Schema | bool, place: Place) -> Language:
        """The values that a schema allows; `place` is named where it is not held to."""
        if schema is False:
            raise _Contradiction(_said(place, "its schema takes no value"))
        if schema is True or (not _RESTRICTING & schema.keys() and not schema.keys() & {"type", "$ref"}):
            return AnyValue()
        if "$ref" in schema:
            return self._referred(schema, place)
        if "const" in schema or "enum" in schema:
            return self._listed(schema, place)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return self._one_of(keyword, schema, place)
        if not (kinds := _types(schema) if "type" in schema else _ANY_TYPE):
            raise _Contradiction(_said(place, "its schema takes values of no type"))
        beyond = _BEYOND.union(*(_BEYOND_OF.get(kind, frozenset()) for kind in kinds))
        if left := sorted(beyond & schema.keys()):
            self._deviates(place, f"{', '.join(left)} is not held to")
        return _any_of(lambda kind: self._typed(kind, schema, place), kinds)

    def _deviates(self, place: Place, why: str) -> None:
        self._found.append(_said(place, why))

    def _referred(self, schema: Schema, place: Place) -> Language:
        reference = str(schema["$ref"])
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        if reference in self._open:
            self._deviates(place, f"{reference} refers to itself and is not held to")
            return self.language(beside, place)
        try:
            target = referred(reference, self._root)
        except LookupError as error:
            self._deviates(place, str(error))
            return self.language(beside, place)
        self._open.append(reference)
        try:
            return self.language(self._both(schema, "$ref", target, place), place)
        finally:
            self._open.pop()

    def _one_of(self, keyword: str, schema: Schema, place: Place) -> Language:
        options = schema[keyword]
        if keyword == "oneOf" and not all(isinstance(one, Mapping) and "const" in one for one in options):
            self._deviates(place, "of oneOf more than one may fit")
        return _any_of(
            lambda option: self.language(self._both(schema, keyword, option, place), place), options
        )

    def _listed(self, schema: Schema, place: Place) -> Language:
        rule = self._rule.evolve(schema=schema)
        values = [schema["const"]] if "const" in schema else schema["enum"]
        written = [Literal(_written(value)) for value in values if rule.is_valid(value)]
        if not written:
            raise _Contradiction(_said(place, "no listed value satisfies its schema"))
        return choice(written)

    def _typed(self, kind: str, schema: Schema, place: Place) -> Language:
        match kind:
            case "string":
                least, most = _sizes(schema, "minLength", "maxLength", place)
                text: Language = Text(least, most)
                if text == Text():
                    text = self._texts.get(place, text)
                return sequence(Literal(b'"'), text, Literal(b'"'))
            case "integer" | "number":
                return _number(kind == "integer", schema, place)
            case "boolean":
                return choice([Literal(b"true"), Literal(b"false")])
            case "null":
                return Literal(b"null")
            case "array":
                return self._array(schema, place)
            case "object":
                return self._object(schema, place)
        self._deviates(place, f"its schema has the unknown type {kind!r}, which is not held to")
        return AnyValue() if len(place) > 1 else self._object(schema, place)

    def _array(self, schema: Schema, place: Place) -> Language:
        least, most = _sizes(schema, "minItems", "maxItems", place)
        item: Language = Literal(b"")
        if most != 0:
            try:
                item = self.language(schema.get("items", True), (*place, "[]"))
            except _Contradiction as error:
                if least:
                    raise
                self._found.append(str(error))
                most = 0
        return sequence(Literal(b"["), Repeated(item, b",", least, most), Literal(b"]"))

    def _object(self, schema: Schema, place: Place) -> Language:
        properties = schema.get("properties") or {}
        required = set(schema.get("required") or ())
        members = []
        for name, spec in properties.items():
            try:
                value = self.language(spec, (*place, name))
            except _Contradiction as error:
                if name in required:
                    raise
                self._found.append(str(error))
            else:
                members.append((_written(name) + b":", value, name in required))
        others = self._others(schema, place)
        if missing := ", ".join(sorted(required - properties.keys())):
            if others is None:
                raise _Contradiction(_said(place, f"{missing} is required but not declared"))
            self._deviates(place, f"{missing} is required but not declared, so it may be missing")
        return sequence(Literal(b"{"), Members(tuple(members), others=others), Literal(b"}"))

    def _others(self, schema: Schema, place: Place) -> Language | None:
        """Members that the schema does not name; None if there are none.

        No answer holds an argument that is not declared, whatever the tool says. A value holds them where
        its schema says so, or names none itself.
        """
        properties = schema.get("properties") or {}
        spec = schema.get("additionalProperties", not properties) if len(place) > 1 else False
        try:
            value = self.language(spec, (*place, "*"))
        except _Contradiction:
            return None
        return member(value, frozenset(_written(name)[1:-1] for name in properties))

    def _both(self, outer: Schema, keyword: str, inner: Any, place: Place) -> Any:
        """One schema for a value that has to satisfy two: what a keyword leads to, and what is beside it.

        Where both restrict the same, what is beside it is held to.
        """
        if inner is False:
            return False
        inner = inner if isinstance(inner, Mapping) else {}
        rest = {key: value for key, value in outer.items() if key != keyword}
        clash = {key for key in rest.keys() & inner.keys() & _RESTRICTING if rest[key] != inner[key]}
        merged = {**inner, **rest}
        if "properties" in clash:
            named, more = rest["properties"], inner["properties"]
            clash -= set() if any(named[key] != more[key] for key in named.keys() & more) else {"properties"}
            merged["properties"] = {**named, **{key: more[key] for key in more if key not in named}}
        if "required" in clash:
            clash.remove("required")
            merged["required"] = [*rest["required"], *inner["required"]]
        if "type" in rest and "type" in inner:
            merged["type"] = _types_of_both(_types(rest), _types(inner))
            if not merged["type"]:
                raise _Contradiction(_said(place, f"type stands beside {keyword} and contradicts it"))
        # It speaks of the properties beside it, and forbids all others.
        for one, other in ((rest, inner), (inner, rest)):
            clash |= (
                {"additionalProperties"} if "additionalProperties" in one and "properties" in other else set()
            )
        if clash:
            names = ", ".join(sorted(clash))
            self._deviates(place, f"{names} stands beside {keyword} and inside it, and only one is held to")
        return merged


def _types(schema: Schema) -> list[str]:
    kinds = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _types_of_both(left: list[str], right: list[str]) -> list[str]:
    def allows(kinds: list[str], kind: str) -> bool:
        return kind in kinds or (kind == "integer" and "number" in kinds)

    return [kind for kind in dict.fromkeys(left + right) if allows(left, kind) and allows(right, kind)]


def _number(whole: bool, schema: Schema, place: Place) -> Language:
    def bound(closed: str, opened: str, tighter: Any) -> tuple[float | None, bool]:
        found = [(schema[key], key == opened) for key in (closed, opened) if key in schema]
        return tighter(found) if found else (None, False)

    low, low_open = bound("minimum", "exclusiveMinimum", max)
    high, high_open = bound(
        "maximum", "exclusiveMaximum", lambda found: min(found, key=lambda b: (b[0], not b[1]))
    )
    language = number(low, high, whole, low_open, high_open)
    if language is None:
        raise _Contradiction(_said(place, "no number lies between the bounds of its schema"))
    return language


def _sizes(schema: Schema, least: str, most: str, place: Place) -> tuple[int, int | None]:
    low, high = schema.get(least, 0), schema.get(most)
    if high is not None and high < low:
        raise _Contradiction(_said(place, f"its {least} is greater than its {most}"))
    return low, high
