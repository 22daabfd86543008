"""What an argument's name and schema say about a number in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from distil_dag.stages.reading.redaction import vocabulary as words
from distil_dag.stages.reading.redaction.vocabulary import Evidence

_PHONE_FORMATS = {"phone", "tel", "telephone", "phone-number", "phone_number", "phonenumber", "e164"}
_OTHER_FORMATS = {"uuid", "date", "date-time", "time", "duration", "ipv4", "ipv6", "uri"}
_GENERIC = words.NUMBER | {"value", "raw", "string", "str", "e", "e164", "full", "formatted"}


class Held(NamedTuple):
    """A text or whole number in an argument.

    Attributes:
        text: the value as text.
        phone: what the argument says of it as a telephone number.
        may_be_card: False where the argument names something that no card's number stands for.
    """

    text: str
    phone: Evidence
    may_be_card: bool


def numbers_in(value: Any, schema: Mapping[str, Any], names: tuple[str, ...] = ()) -> Iterator[Held]:
    """Every text and whole number in a value of an argument, with what its name and schema say.

    Args:
        value: the value, as parsed JSON.
        schema: its JSON Schema, empty where there is none.
        names: names of the arguments that hold it, outermost first.
    """
    if isinstance(value, dict):
        properties = _mapping(schema.get("properties"))
        for name, item in value.items():
            inner = properties.get(name, schema.get("additionalProperties"))
            yield from numbers_in(item, _mapping(inner), (*names, name))
    elif isinstance(value, list):
        for item in value:
            yield from numbers_in(item, _mapping(schema.get("items")), names)
    elif isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        text = str(value)
        if 7 <= len(text) <= 40:
            said = _said_by(names, schema, whole=isinstance(value, int))
            pays = any(part in words.PAYMENT for name in names for part in _parts(name))
            yield Held(text, said, pays or said is not Evidence.AGAINST)


def _said_by(names: Sequence[str], schema: Mapping[str, Any], whole: bool) -> Evidence:
    for name in reversed(names):
        parts = _parts(name)
        if found := _said_by_name(parts, whole):
            return found
        if not set(parts) <= _GENERIC:
            break
    return _said_by_schema(schema)


def _said_by_name(parts: Sequence[str], whole: bool) -> Evidence:
    """The last word that decides: `order_phone` is a telephone number, `phone_order_id` is none."""
    if list(parts[-2:]) == ["caller", "id"]:
        return Evidence.CERTAIN
    numbered = False
    for part in reversed(parts):
        if words.is_phone(part) or (numbered and part in words.OWNER - words.CONTENT):
            return Evidence.CERTAIN
        if part in words.TIME or (words.is_other(part) and part not in words.CONTENT):
            return Evidence.AGAINST
        if (
            whole and numbered and part not in words.CONTENT | words.NUMBER
        ):  # `voucher_number`, a whole number
            return Evidence.AGAINST
        numbered = numbered or part in words.NUMBER
    return Evidence.NONE


def _said_by_schema(schema: Mapping[str, Any]) -> Evidence:
    form = schema.get("format")
    if isinstance(form, str) and form.lower() in _PHONE_FORMATS:
        return Evidence.CERTAIN
    if form in _OTHER_FORMATS or "enum" in schema or "const" in schema:
        return Evidence.AGAINST
    described = _parts(" ".join(str(schema[key]) for key in ("title", "description") if schema.get(key)))
    if any(map(words.is_phone, described)):
        return Evidence.CERTAIN
    whole = schema.get("type") == "integer" and any(map(words.is_other, described))
    return Evidence.AGAINST if whole else Evidence.NONE


def _parts(name: str) -> list[str]:
    return [part.casefold() for part in words.TOKEN.findall(words.spaced(name.replace("_", " ")))]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
