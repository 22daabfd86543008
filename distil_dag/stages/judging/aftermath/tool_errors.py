"""Whether a tool's result says that the call was wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_FAILED = frozenset({"error", "failed", "failure", "fail", "invalid"})
_SAYS_ERROR = re.compile(
    r"\W*(?:error\b|exception\b|traceback \(most recent|\w*(?:error|exception):|failed to\b|invalid \w)", re.I
)
# Of these the tool is to blame, or the hour, and not the call.
_TOOLS_OWN = re.compile(
    r"time[d ]*[- ]?out|rate.?limit|too many requests|unavailable|overloaded|connection|try again later"
    r"|\b(?:429|50[0234])\b|internal server error",
    re.I,
)
_LONGEST = 2000


def blames_the_call(result: str) -> bool:
    """Whether a result is an error that another call might have avoided.

    Args:
        result: the words of the result, or its JSON.
    """
    said = result[:_LONGEST]
    try:
        value = json.loads(result)
    except (ValueError, RecursionError):
        value = None
    is_text = value is None or isinstance(value, str)
    is_error = _is_error(value) if isinstance(value, Mapping) else is_text and _SAYS_ERROR.match(said)
    return bool(is_error) and not _TOOLS_OWN.search(said)


def _is_error(result: Mapping[str, Any]) -> bool:
    if any(result.get(name) is True for name in ("isError", "is_error", "failed")):
        return True
    if any(result.get(name) is False for name in ("success", "ok", "succeeded")):
        return True
    if any(result.get(name) for name in ("error", "errors", "exception")):
        return True
    status = result.get("status")
    return isinstance(status, str) and status.lower() in _FAILED
