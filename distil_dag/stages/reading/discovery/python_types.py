"""Parameters that are described by types of Python, name by name, as xLAM's rows and Cohere have them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TYPES = {
    "str": "string", "string": "string", "int": "integer", "integer": "integer", "float": "number",
    "number": "number", "bool": "boolean", "boolean": "boolean", "list": "array", "array": "array",
    "tuple": "array", "set": "array", "dict": "object", "object": "object",
}  # fmt: skip
_OF_JSON = frozenset({"string", "integer", "number", "boolean", "array", "object", "null"})
_OPTIONAL = re.compile(r",\s*optional\b.*|\Aoptional\[(.*)\]\Z", re.IGNORECASE | re.DOTALL)
_WORD = re.compile(r"[A-Za-z]+")


def schema_of(parameters: Any) -> dict[str, Any] | None:
    """The JSON schema of parameters; None where they are described in another way.

    Args:
        parameters: name -> `type` as Python writes it, `description`, and whether it is `required` or has a
            `default`. A parameter is required unless one of these, or its type, says otherwise.
    """
    if not isinstance(parameters, Mapping) or not parameters or "type" in parameters:
        return None
    if all(isinstance(one, Mapping) and one.get("type") in _OF_JSON for one in parameters.values()):
        return None  # what a schema lacks around it may be anything
    properties, required = {}, []
    for name, about in parameters.items():
        if (
            not isinstance(name, str)
            or not isinstance(about, Mapping)
            or not isinstance(about.get("type"), str)
        ):
            return None
        said = about["type"]
        plain = _OPTIONAL.sub(lambda found: found[1] or "", said).strip()
        word = _WORD.match(plain)
        kind = _TYPES.get(word[0].lower()) if word else None
        more = {"description": text} if isinstance(text := about.get("description"), str) and text else {}
        properties[name] = {**({"type": kind} if kind else {}), **more}
        if about.get("required", "default" not in about and plain == said.strip()):
            required.append(name)
    return {"type": "object", "properties": properties, "required": required}
