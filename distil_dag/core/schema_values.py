"""A JSON value in the form that its schema gives it, so that equal values are written the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema.protocols import Validator

from distil_dag.core.json_schema import Schema, conjunction, resolved
from distil_dag.core.schema_options import same_values, types_of, value_key

NULL_TEXT = "null"
"""How models write that an optional text has no value."""
_REWRITTEN = (float, dict, list)
_APPLYING = frozenset({"$ref", "allOf", "anyOf", "oneOf"})  # what may bring a default from elsewhere


@dataclass(frozen=True)
class Form:
    """What of a value is rewritten; its whole numbers are always.

    Attributes:
        rule: the validator of the whole schema.
        ordered: whether keys of objects take the order of the schema.
        void: whether members that say nothing are left out: null, or a default that their schema refuses.
        defaults: whether members at their default are left out.
    """

    rule: Validator
    ordered: bool = True
    void: bool = True
    defaults: bool = True

    def of(self, value: Any, schema: Any) -> Any:
        """The value in the form that a part of the schema gives it.

        A number without a fraction is an integer where the schema takes one: 3.0 is 3, and -0.0 is 0.
        """
        if not isinstance(value, _REWRITTEN):
            return value
        node = resolved(schema, self._root)
        if "enum" in node:
            return next(iter(same_values(node["enum"], [value])), value)
        for keyword in ("anyOf", "oneOf"):
            if options := node.get(keyword):
                return self._of_options(value, options, {k: v for k, v in node.items() if k != keyword})
        if isinstance(value, dict):
            return self._members(value, node)
        if isinstance(value, list):
            first = node.get("prefixItems") or []
            parts = [*first[: len(value)], *[node.get("items")] * (len(value) - len(first))]
            return [self.of(item, part) for item, part in zip(value, parts, strict=True)]
        if value.is_integer() and "integer" in types_of(node):
            return int(value)
        return value or 0.0  # no negative zero

    @property
    def _root(self) -> Schema:
        root = self.rule.schema
        return root if isinstance(root, Mapping) else {}

    def _takes(self, schema: Any, value: Any) -> bool:
        return bool(self.rule.evolve(schema=schema).is_valid(value))

    def _of_options(self, value: Any, options: list[Any], beside: Schema) -> Any:
        """The value under the first option that takes it, numbers as integers if any takes those."""
        nodes = [conjunction(beside, resolved(option, self._root)) for option in options]
        nodes.sort(key=lambda node: isinstance(value, float) and "integer" not in types_of(node))
        fitting = next((node for node in nodes if self._takes(node, value)), None)
        if fitting is not None:
            return self.of(value, fitting)
        formed = ((self.of(value, node), node) for node in nodes)
        return next((form for form, node in formed if self._takes(node, form)), value)

    def _members(self, value: dict[str, Any], node: Schema) -> dict[str, Any]:
        known: Mapping[str, Any] = node.get("properties") or {}
        names = list(value)
        if self.ordered:
            names = [
                *(name for name in known if name in value),
                *(name for name in value if name not in known),
            ]
        required = node.get("required") or ()
        found = {}
        for name in names:
            spec = known[name] if name in known else _other(name, node)
            given = value[name]
            formed = self.of(given, spec) if isinstance(given, _REWRITTEN) else given
            if name in required or name not in known or not self._unsaid(formed, spec):
                found[name] = formed
        return found

    def _unsaid(self, value: Any, schema: Any) -> bool:
        """Whether an optional member with this value is as good as none."""
        if not self.void or not isinstance(schema, Mapping):
            return False
        null = value is None or value == NULL_TEXT
        if not null and "default" not in schema and _APPLYING.isdisjoint(schema):
            return False  # most often
        node = resolved(schema, self._root)
        if null and not self._takes(node, value):
            return True
        if "default" in node:
            default = self.of(node["default"], node)
            if _same(default, value) or (null and default in (None, NULL_TEXT)):
                return self.defaults or not self._takes(node, value)
        return self.defaults and value == NULL_TEXT and types_of(node) == ["string"] and "enum" not in node


def _other(name: str, node: Schema) -> Any:
    """The schema of a member that is not declared by its name."""
    for pattern, spec in (node.get("patternProperties") or {}).items():
        if re.search(pattern, name):
            return spec
    return node.get("additionalProperties")


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, str) or isinstance(right, str):
        return bool(left == right)
    return value_key(left) == value_key(right)
