"""The validator of a tool's arguments, and what it says in one sentence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import isfinite
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from distil_dag.core.schema_options import types_of

# What these hold is data, or maps names to schemas.
_DATA = frozenset({"const", "enum", "default", "example", "examples", "required", "dependentRequired"})
_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_APPLYING = frozenset({"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if"})
_APART = _APPLYING | {"then", "else"}


def validator(schema: Mapping[str, Any]) -> Validator:
    """A validator by JSON Schema 2020-12, whose steps (`multipleOf`) are exact in decimals."""
    made: Validator = _Validator(schema)
    return made


def with_nulls(schema: Any) -> Any:
    """A schema that says by JSON Schema's own keywords what OpenAPI's `nullable` says."""
    if isinstance(schema, list):
        return [with_nulls(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _MAPS and isinstance(value, Mapping):
            found[key] = {name: with_nulls(part) for name, part in value.items()}
        elif key != "nullable":
            found[key] = value if key in _DATA else with_nulls(value)
    if "nullable" not in schema:
        return found
    if schema["nullable"] is not True:
        return found | ({} if isinstance(schema["nullable"], bool) else {"nullable": schema["nullable"]})
    if _APPLYING & found.keys() or "const" in found:
        apart = {
            key: value
            for key, value in found.items()
            if key in _APART | Draft202012Validator.VALIDATORS.keys()
        }
        notes = {key: value for key, value in found.items() if key not in apart}
        return {**notes, "anyOf": [apart, {"type": "null"}]}
    if "type" in found:
        found["type"] = list(dict.fromkeys([*types_of(found), "null"]))
    if "enum" in found and None not in found["enum"]:
        found["enum"] = [*found["enum"], None]
    return found


def sentence(error: ValidationError) -> str:
    """What is wrong, in a few words; of several forms of a call, what is wrong with the nearest."""
    if error.validator not in ("anyOf", "oneOf") or error.absolute_path:
        return error.message
    ways = _ways(error)
    if not ways:
        return "its arguments fit several of the forms that the tool takes, and may fit only one"
    nearest = min(
        ways.values(), key=lambda errors: (any(e.validator in ("const", "enum") for e in errors), len(errors))
    )
    said = "; ".join(part.message for part in nearest)
    return f"its arguments fit none of the {len(ways)} forms that the tool takes; nearest: {said}"


def alternatives(error: ValidationError) -> Iterator[list[ValidationError]]:
    """What is wrong with each of several schemas of which one would do."""
    yield from _ways(error).values()


def _ways(error: ValidationError) -> dict[Any, list[ValidationError]]:
    ways: dict[Any, list[ValidationError]] = defaultdict(list)
    for part in error.context or ():
        ways[part.schema_path[0]].append(part)
    return ways


def _multiple_of(rule: Validator, step: float, value: Any, _: Any) -> Iterator[ValidationError]:
    """As decimals, since 19.99 is a multiple of 0.01 and its float is not."""
    if rule.is_type(value, "number") and not (
        isfinite(value) and (Fraction(str(value)) / Fraction(str(step))).denominator == 1
    ):
        yield ValidationError(f"{value!r} is not a multiple of {step}")


_Validator: Any = extend(Draft202012Validator, {"multipleOf": _multiple_of})  # type: ignore[no-untyped-call]
