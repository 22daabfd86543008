"""What a record that cannot be read began with."""

from __future__ import annotations

import json
import re
from typing import Any

from distil_dag.stages.reading.redaction.redactor import redact_text

SOURCE_OF_EXCERPT = 1500
"""What is looked at of a record, in characters or bytes."""
_LENGTH = 200
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def excerpt(raw: Any, length: int = _LENGTH, source: int = SOURCE_OF_EXCERPT) -> str:
    """What a record began with: a few words, redacted, fit for a table.

    Args:
        raw: the record, as bytes, text or a value.
        length: most characters of the excerpt.
        source: most characters that are looked at.
    """
    if isinstance(raw, (bytes, bytearray)):
        raw = bytes(raw[:source]).decode(errors="replace")
    if not isinstance(raw, str):
        try:
            raw = json.dumps(raw, ensure_ascii=False, default=str)
        except (ValueError, TypeError, RecursionError):
            raw = f"<{type(raw).__name__}>"
    # Escapes would hide an address; the text is redacted before it is cut, so that no half of one stays.
    text = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), raw[:source])
    text = redact_text(_UNPRINTABLE.sub("\ufffd", text))
    return text if len(text) <= length else text[:length] + "…"
