"""What a recorder's record may turn out to be besides an answer of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.strict_values import Unreadable

TOOL_RUN = "the run of a tool"
AROUND = "a span around calls of a model"
OTHER = "a span of something else"
PART = "part of another record"
COPY = "a copy of an answer"
STREAMED = "the request of a streamed answer"
LINE = "a line that is no record of a call"
_OFF = "content is not logged"


class NoAnswer(Exception):
    """A record that is no answer of a model, and holds nothing that others do not.

    Attributes:
        kind: what it is, by one of few fixed phrases.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def content_off(setting: str) -> Unreadable:
    """The error for a record without content; the setting of the recorder turns content on."""
    return Unreadable(f"{_OFF}; {setting}")


def is_content_off(problem: Unreadable) -> bool:
    """Whether an error says that a recorder's record has no content."""
    return problem.reason.startswith(_OFF)


def refuse_continued(request: Mapping[str, Any]) -> None:
    """Check that a request does not go on from an answer that its service keeps.

    Args:
        request: the request, or its parameters.

    Raises:
        Unreadable: it does, so its history is not in the record.
    """
    if request.get("previous_response_id"):
        raise Unreadable("the history is kept elsewhere", "previous_response_id names it")


def head_lost(detail: str) -> Unreadable:
    """The error for a chat whose oldest messages are not in its span."""
    return Unreadable(
        "the head of the chat is lost; set OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=10000 where spans are recorded",
        detail,
    )
