"""All valid answers under a toolset, as a language: JSON Schema in, canonical Hermes text out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from distil_dag.core.control_tokens import escape_in_json
from distil_dag.core.json_schema import Schema, referred
from distil_dag.core.tool_call import CLOSE_TAG, NO_CALL_TEXT, OPEN_TAG
from distil_dag.core.toolset import Tool, Toolset
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

Place = tuple[str, ...]
"""A tool's name, an argument's, and the way further in."""

# They say something about a value and forbid none, or are seen to where they count.
_ANNOTATIONS = frozenset({
    "type", "title", "description", "default", "examples", "deprecated", "format", "readOnly", "writeOnly",
    "$comment", "$schema", "$id", "$defs", "definitions", "additionalProperties",
})  # fmt: skip
_KEYWORDS: dict[str, frozenset[str]] = {
    "string": frozenset({"minLength", "maxLength"}),
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "object": frozenset({"properties", "required"}),
    "boolean": frozenset(),
    "null": frozenset(),
}


def answers(
    toolset: Toolset,
    most_calls: int | None = None,
    may_decline: bool = True,
    copied: Iterable[tuple[str, str]] = (),
    words: str = "",
) -> Language:
    """Every valid answer: one to `most_calls` calls (None: any number), or none if it `may_decline`.

    Calls stand in the canonical form that students are trained on: compact JSON, arguments in the
    order of the schema. The texts of `copied` arguments, by tool and name, are whole `words` as they
    stand there, one after the other; any text if there are none, or if JSON would write them otherwise.
    Raises ValueError that names the tool and the argument whose schema says what a grammar can't hold a
    model to.
    """
    ways: list[Language] = [Literal(NO_CALL_TEXT.encode())] if may_decline or not toolset.tools else []
    if toolset.tools and most_calls != 0:
        copy = _copied(words)
        texts: dict[Place, Language] = dict.fromkeys(copied, copy) if copy else {}
        call = choice(_call(tool, texts) for tool in toolset.tools)
        ways.append(Repeated(call, b"\n", 1, most_calls))
    return choice(ways)


def _copied(words: str) -> Language | None:
    spans = tokens(words)
    if not spans or _written(words) != f'"{words}"'.encode(errors="replace"):
        return None
    starts, ends = (
        frozenset(len(words[:place].encode()) for place in places)
        for places in ([start for _, start, _ in spans], [end for *_, end in spans])
    )
    return Copied(words.encode(), starts, ends)


def _refused(place: Place, why: str) -> ValueError:
    """The error that names a place: `tool.argument[].name: why`."""
    return ValueError(f"{'.'.join(place).replace('.[]', '[]')}: {why}")


def _call(tool: Tool, texts: Mapping[Place, Language]) -> Language:
    return sequence(
        Literal(f'{OPEN_TAG}{{"name":'.encode() + _written(tool.name) + b',"arguments":'),
        _Schemas(tool, texts).language({"type": "object", **tool.parameters}, (tool.name,)),
        Literal(f"}}{CLOSE_TAG}".encode()),
    )


def _written(value: Any) -> bytes:
    """JSON as `render_call` writes it."""
    return escape_in_json(json.dumps(value, ensure_ascii=False, separators=(",", ":"))).encode()


class _Schemas:
    """The schemas of one tool, which may refer to each other; `texts` are said at their places."""

    def __init__(self, tool: Tool, texts: Mapping[Place, Language]) -> None:
        self._root, self._texts = tool.parameters, texts
        self._rule = Draft202012Validator(tool.parameters)
        self._open: list[str] = []

    def language(self, schema: Schema, place: Place) -> Language:
        """The values that a schema allows; `place` is named in errors."""
        if not isinstance(schema, Mapping):
            raise _refused(place, f"a schema must be an object, found {schema!r}; declare its type")
        if "$ref" in schema:
            return self._referred(schema, place)
        if "const" in schema or "enum" in schema:
            return self._listed(schema, place)
        if "anyOf" in schema:
            return choice(
                self.language(_both(schema, "anyOf", option, place), place) for option in schema["anyOf"]
            )
        kinds = _types(schema)
        if not kinds:
            raise _refused(place, "its schema has no type, so no grammar can be made of it")
        known = _ANNOTATIONS.union(*(_KEYWORDS.get(kind, frozenset()) for kind in kinds))
        if unknown := sorted(set(schema) - known):
            raise _refused(place, f"no grammar can be made of {', '.join(unknown)} in its schema")
        return choice(self._typed(kind, schema, place) for kind in kinds)

    def _referred(self, schema: Schema, place: Place) -> Language:
        reference = str(schema["$ref"])
        if reference in self._open:
            raise _refused(place, f"{reference} refers to itself, so no grammar can be made of it")
        try:
            target = referred(reference, self._root)
        except LookupError as error:
            raise _refused(place, str(error)) from error
        self._open.append(reference)
        try:
            return self.language(_both(schema, "$ref", target, place), place)
        finally:
            self._open.pop()

    def _listed(self, schema: Schema, place: Place) -> Language:
        rule = self._rule.evolve(schema=schema)
        values = [schema["const"]] if "const" in schema else schema["enum"]
        written = [Literal(_written(value)) for value in values if rule.is_valid(value)]
        if not written:
            raise _refused(place, "no listed value satisfies its schema")
        return choice(written)

    def _typed(self, kind: str, schema: Schema, place: Place) -> Language:
        match kind:
            case "string":
                text: Language = Text(schema.get("minLength", 0), schema.get("maxLength"))
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
                least, most = schema.get("minItems", 0), schema.get("maxItems")
                item = self.language(schema.get("items", {}), (*place, "[]")) if most != 0 else Literal(b"")
                return sequence(Literal(b"["), Repeated(item, b",", least, most), Literal(b"]"))
            case "object":
                return self._object(schema, place)
        raise _refused(place, f"its schema has the unknown type {kind!r}")

    def _object(self, schema: Schema, place: Place) -> Language:
        properties = schema.get("properties") or {}
        required = set(schema.get("required") or ())
        if missing := sorted(required - set(properties)):
            raise _refused(place, f"{', '.join(missing)} is required but not declared")
        # No answer holds an argument that is not declared, whatever the tool says; a value may hold anything.
        if len(place) > 1 and schema.get("additionalProperties", not properties) is not False:
            advice = "declare them as `properties`, without `additionalProperties`"
            raise _refused(place, f"no grammar can be made of keys that its schema does not name; {advice}")
        members = tuple(
            (_written(name) + b":", self.language(spec, (*place, name)), name in required)
            for name, spec in properties.items()
        )
        return sequence(Literal(b"{"), Members(members), Literal(b"}"))


def _both(outer: Schema, keyword: str, inner: Any, place: Place) -> Any:
    """One schema for a value that has to satisfy two: what a keyword of the outer one leads to, and the rest.

    Raises ValueError where both restrict the same.
    """
    if not isinstance(inner, Mapping):
        return inner
    rest = {key: value for key, value in outer.items() if key != keyword}
    clash = {key for key in rest.keys() & inner.keys() - _ANNOTATIONS if rest[key] != inner[key]}
    merged = {**inner, **rest}
    if "type" in rest and "type" in inner:
        merged["type"] = _types_of_both(_types(rest), _types(inner))
        clash |= set() if merged["type"] else {"type"}
    # It speaks of the properties beside it, and forbids all others.
    for one, other in ((rest, inner), (inner, rest)):
        clash |= (
            {"additionalProperties"} if "additionalProperties" in one and "properties" in other else set()
        )
    if clash:
        raise _refused(place, f"{', '.join(sorted(clash))} stands beside {keyword} and inside it")
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
        raise _refused(place, "no number lies between the bounds of its schema")
    return language
