"""The forms of OpenAI's API that a server speaks, each brought into that of chat completions and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from distil_dag.stages.reading.strict_values import Unreadable, parse_json
from distil_dag.stages.serving.completions import assembled, events
from distil_dag.stages.serving.refusals import ApiError


class Dialect(Protocol):
    """One of the API's forms.

    Attributes:
        path: where the teacher has it.
    """

    path: str

    def chat(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The body of a chat completion that a request stands for.

        Raises:
            ApiError: it is no request.
        """
        ...

    def whole(self, completion: Mapping[str, Any], body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer that says the same as a chat completion; `body` is that of its request."""
        ...

    def stream(self, completion: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[bytes]:
        """The same as server-sent events."""
        ...

    def completion(self, answer: bytes, streamed: bool) -> Mapping[str, Any] | None:
        """The chat completion that a teacher's answer stands for; None where it is not whole."""
        ...


class Chat:
    """`/v1/chat/completions`."""

    path = "/chat/completions"

    def chat(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The body, if it has messages; see :class:`Dialect`."""
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise ApiError(400, "messages must be a list with one message at least", param="messages")
        if not all(isinstance(message, Mapping) for message in messages):
            raise ApiError(400, "each message must be an object", param="messages")
        return body

    def whole(self, completion: Mapping[str, Any], body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The completion itself."""
        return completion

    def stream(self, completion: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[bytes]:
        """Chunks, with the tokens at the end where `stream_options` asks for them."""
        options = body.get("stream_options")
        asked = isinstance(options, Mapping) and options.get("include_usage") is True
        return events(completion, asked)

    def completion(self, answer: bytes, streamed: bool) -> Mapping[str, Any] | None:
        """The completion itself; see :class:`Dialect`."""
        return assembled(answer) if streamed else json_object(answer)


def json_object(answer: bytes) -> dict[str, Any] | None:
    """The JSON object that a body holds; None where it holds none."""
    try:
        found = parse_json(answer)
    except Unreadable:
        return None
    return found if isinstance(found, dict) else None
