"""Spans and log records of OTLP in protobuf, as collectors write them to files and objects.

A message is walked field by field down to its spans, so that one of any length is read in bounded memory and
a broken span loses only itself. Each comes out as OTLP/JSON has it.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Literal

from distil_dag.adapters.logs.compression import BrokenArchive, decompressed
from distil_dag.adapters.logs.json_files import breaks_off, lines_of
from distil_dag.adapters.logs.records.raw import RawRecord, records_of
from distil_dag.stages.reading.strict_values import MAX_RECORD_BYTES, Unreadable, too_large

Framing = Literal["frames", "delimited", "message"]
"""Messages behind their length in four bytes, behind their length as a varint, or one message."""

_SIZE = 4
_MAX_FRAME = 2**28
_ZSTD, _FIRST_FIELD = b"\x28\xb5\x2f\xfd", b"\n"
_BYTES = 2
_FIXED = {1: 8, 5: 4}
# In a list of resources, a resource and a scope: the field that holds the next level.
_INNER = (1, 2, 2)
_MAX_VARINT = 10


def framing_of(head: bytes) -> Framing | None:
    """How a file holds messages of OTLP; None where its first bytes do not show that it does."""
    if not head.strip() or head.lstrip()[:1] in (b"{", b"["):
        return None
    length, payload = int.from_bytes(head[:_SIZE], "big"), head[_SIZE:]
    if length and (payload.startswith((_ZSTD, b'{"resource')) or _begins_message(payload, length)):
        return "frames"
    if _begins_message(head, math.inf):
        return "message"
    size, start = _varint(head, 0)
    return "delimited" if size and _begins_message(head[start:], size) else None


def records_of_protobuf(file: io.BufferedReader, name: str, framing: Framing) -> Iterator[RawRecord]:
    """The spans and log records of a file.

    Args:
        file: the open file.
        name: the file's name.
        framing: how it holds messages.
    """
    stream, number = _Stream(file), 0
    try:
        if framing == "message":
            yield from _records(stream, math.inf, name, "")
            return
        while not stream.is_at_end():
            number, stream.limit = number + 1, math.inf
            length = int.from_bytes(stream.take(_SIZE), "big") if framing == "frames" else stream.varint()
            stop, place = stream.at + length, f"message {number}, "
            if framing == "frames" and stream.starts_with(_ZSTD, b"{"):
                yield from _framed(stream, length, name, place)
            else:
                yield from _records(stream, stop, name, place)
            stream.limit = stop
            stream.skip_to(stop)
    except (BrokenArchive, _Ended, _Broken) as error:
        yield breaks_off(name, f"after message {max(number - 1, 0)}", error)


class _Broken(Exception):
    """Bytes that are no message."""


class _Ended(Exception):
    """The file ends in a message."""


class _Stream:
    """A file that is read once, the place in it, and how far may be read."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self._ahead = b""
        self.at = 0
        self.limit = math.inf

    def is_at_end(self) -> bool:
        return not self._next(1)

    def starts_with(self, *signs: bytes) -> bool:
        return self._next(_SIZE).startswith(signs)

    def take(self, length: int) -> bytes:
        if self.at + length > self.limit:
            raise _Broken("a field is longer than what it stands in")
        taken, self._ahead = self._ahead[:length], self._ahead[length:]
        if len(taken) < length:
            taken += self._file.read(length - len(taken))
        self.at += len(taken)
        if len(taken) < length:
            raise _Ended("it ends in a message")
        return taken

    def _next(self, length: int) -> bytes:
        # The file's own `peek` copies all that it has read ahead.
        self._ahead += self._file.read(max(0, length - len(self._ahead)))
        return self._ahead

    def skip_to(self, stop: int) -> None:
        while self.at < stop:
            self.take(min(stop - self.at, 2**18))

    def varint(self) -> int:
        value = 0
        for place in range(_MAX_VARINT):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                return value
        raise _Broken("a number has no end")


def _framed(stream: _Stream, length: int, name: str, place: str) -> Iterator[RawRecord]:
    """The records of a message that is compressed by itself, or is JSON."""
    if length > _MAX_FRAME:
        yield RawRecord(name, place.rstrip(", "), None, b"", too_large())
        return
    content, _ = decompressed(io.BufferedReader(io.BytesIO(stream.take(length))))  # type: ignore[arg-type]
    try:
        if content.peek(1)[:1] == b"{":
            for record in records_of(lines_of(content, name)):
                yield record._replace(position=f"{place}{record.position}")
        else:
            yield from _records(_Stream(content), math.inf, name, place)
    except (BrokenArchive, _Ended) as error:
        yield RawRecord(name, place.rstrip(", "), None, b"", Unreadable("broken protobuf", str(error)))


def _records(stream: _Stream, stop: float, name: str, place: str) -> Iterator[RawRecord]:
    for number, (leaf, scope) in enumerate(_leaves(stream, stop), start=1):
        position = f"{place}record {number}"
        try:
            if isinstance(leaf, Unreadable):
                raise leaf
            value = _value(leaf)
        except Unreadable as problem:
            yield RawRecord(name, position, None, leaf if isinstance(leaf, bytes) else b"", problem)
            continue
        if scope:
            value["scope"] = scope
        yield RawRecord(name, position, value, json.dumps(value).encode())


def _leaves(stream: _Stream, stop: float, level: int = 0) -> Iterator[tuple[bytes | Unreadable, Any]]:
    """Each span or log record with the scope around it, or why a part of the message can't be read."""
    scope = None
    try:
        for number, end in _parts(stream, stop):
            if level == len(_INNER) - 1 and number == 1:
                scope = _scope(stream.take(end - stream.at)) if end - stream.at <= MAX_RECORD_BYTES else None
            elif number == _INNER[level]:
                if level < len(_INNER) - 1:
                    yield from _leaves(stream, end, level + 1)
                elif end - stream.at > MAX_RECORD_BYTES:
                    yield too_large(), scope
                else:
                    yield stream.take(end - stream.at), scope
    except _Broken as error:
        yield Unreadable("broken protobuf", str(error)), scope
        if stop < math.inf:
            stream.limit = stop
            stream.skip_to(int(stop))


def _parts(stream: _Stream, stop: float) -> Iterator[tuple[int, int]]:
    """(number, end) of each field of bytes, with the stream at its start."""
    while stream.at < stop and not (stop == math.inf and stream.is_at_end()):
        stream.limit = stop
        tag = stream.varint()
        number, kind = tag >> 3, tag & 7
        if kind == _BYTES:
            length = stream.varint()
            end = stream.at + length
            if end > stop:
                raise _Broken("a field is longer than what it stands in")
            yield number, end
            stream.limit = stop
            stream.skip_to(end)
        elif kind == 0:
            stream.varint()
        elif kind in _FIXED:
            stream.skip_to(stream.at + _FIXED[kind])
        else:
            raise _Broken(f"there is no field of type {kind}")


def _value(leaf: bytes) -> dict[str, Any]:
    """A span or a log record as OTLP/JSON has it; what is a metric, as one."""
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    # The levels around them are alike, so only the fields of the record itself tell its kind.
    span = _parsed(Span, leaf)
    if span and len(span.trace_id) == 16 and len(span.span_id) == 8 and span.start_time_unix_nano:
        value = _as_json(span)
        _with_hex(value, span, "trace_id", "span_id", "parent_span_id")
        for link, held in zip(value.get("links", ()), span.links, strict=False):
            _with_hex(link, held, "trace_id", "span_id")
        return value
    record = _parsed(LogRecord, leaf)
    if record and (record.time_unix_nano or record.observed_time_unix_nano):
        value = _as_json(record)
        _with_hex(value, record, "trace_id", "span_id")
        return value
    metric = _parsed(Metric, leaf)
    if metric and metric.name and metric.WhichOneof("data"):
        return {"resourceMetrics": metric.name}
    raise Unreadable("broken protobuf", "it is no span and no log record")


@lru_cache(maxsize=64)
def _scope(content: bytes) -> dict[str, Any] | None:
    from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope

    scope = _parsed(InstrumentationScope, content)
    return _as_json(scope) if scope else None


def _parsed(kind: Any, content: bytes) -> Any:
    from google.protobuf.message import DecodeError

    try:
        return kind.FromString(content)
    except DecodeError:
        return None


def _as_json(message: Any) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    return dict(MessageToDict(message, use_integers_for_enums=True))


def _with_hex(value: dict[str, Any], message: Any, *names: str) -> None:
    """Write ids in hex, as OTLP/JSON does and JSON of protobuf does not."""
    for name in names:
        if held := getattr(message, name):
            first, *rest = name.split("_")
            value[first + "".join(map(str.title, rest))] = held.hex()


def _begins_message(data: bytes, length: float, level: int = 0) -> bool:
    """Whether bytes begin with a list of resources, as far as their nesting shows."""
    signs = (_FIRST_FIELD,) if level == 0 else (_FIRST_FIELD, b"\x12")
    size, start = _varint(data, 1)
    if not data.startswith(signs) or not start or start + size > length:
        return False
    return level == 2 or (level == 1 and not size) or _begins_message(data[start:], size, level + 1)


def _varint(data: bytes, start: int) -> tuple[int, int]:
    """A number, and where it ends; 0 twice if it has no end."""
    value = 0
    for place, byte in enumerate(data[start : start + _MAX_VARINT]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, start + place + 1
    return 0, 0
