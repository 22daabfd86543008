"""One span or log record of OpenTelemetry, from OTLP/JSON, from a flat object, or from a row of columns."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from distil_dag.stages.reading.recorders.pairs import is_empty, parsed
from distil_dag.stages.reading.strict_values import time_or_none

_ATTRIBUTES = ("attributes", "SpanAttributes", "LogAttributes", "tags", "span_attributes")
_TRACE = ("traceId", "traceID", "trace_id", "TraceId", "context.trace_id", "trace.trace_id")
_SPAN = ("spanId", "spanID", "span_id", "SpanId", "context.span_id", "trace.span_id")
_PARENT = ("parentSpanId", "parent_span_id", "parent_id", "parentId", "ParentSpanId", "trace.parent_id")
_NAME = ("name", "span_name", "SpanName", "operationName")
_SCOPE = (
    "scope",
    "otel_scope_name",
    "ScopeName",
    "instrumentation_scope",
    "instrumentation_library",
    "otel_scope",
)
_START = (
    "startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime", "start_timestamp", "Timestamp",
    "timeUnixNano", "time_unix_nano", "observedTimeUnixNano",
)  # fmt: skip
_END = ("endTimeUnixNano", "end_time_unix_nano", "end_time", "endTime", "end_timestamp")
_EVENT = ("eventName", "event_name", "EventName", "event.name")
_BODY = ("body", "Body")
_EVENTS = ("messageEvents", "events", "otel_events")
_FAILED = (2, "2", "ERROR", "STATUS_CODE_ERROR", "Error", "error")
_IDS = frozenset((*_TRACE, *_SPAN, "context"))
_FLAT = "attributes."
# Of tables with a column for each attribute, as Honeycomb has them.
_AT_TOP = "gen_ai.operation.name"
_MAX_LEVELS = 8
# What attributes of recorders begin with.
_KNOWN = (
    "gen_ai.", "llm.", "openinference.", "langfuse.", "ai.", "mlflow.", "traceloop.", "input.value", "gen_ai",
    "llm", "request_data", "logfire.",
)  # fmt: skip

# The last record and its span: a record is asked for its span at several places, one after the other.
_last: tuple[Any, Span | None] = (None, None)


@dataclass(frozen=True)
class Span:
    """A span, or a log record.

    Attributes:
        trace: id of its trace; empty if it has none.
        id: its own id; a log record has that of the span around it.
        parent: id of the span around it.
        name: its name.
        scope: which library wrote it.
        event: name of the event that a log record is; empty for a span.
        body: of a log record.
        attributes: by their dotted names, nested ones too.
        events: (name, attributes or body) of each event in it.
        start: when it started, as it was logged.
        end: when it ended.
        failed: whether it ended in an error.
        dropped: how many attributes were dropped.
    """

    trace: str = ""
    id: str = ""
    parent: str = ""
    name: str = ""
    scope: str = ""
    event: str = ""
    body: Any = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[tuple[str, Any], ...] = ()
    start: Any = None
    end: Any = None
    failed: bool = False
    dropped: int = 0

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Span | None:
        """The span that a record is; None for any other record.

        Raises:
            Unreadable: its attributes are JSON text that is broken.
        """
        global _last
        last, found = _last
        if last is not record:
            found = cls._of(record)
            _last = record, found
        return found

    @classmethod
    def _of(cls, record: Mapping[str, Any]) -> Span | None:
        attributes = _attributes_of(record)
        if "spanID" in record:
            record = _from_jaeger(record)
        event = _text(_first(record, _EVENT))
        if attributes is None and not event:
            return None
        attributes = attributes or {}
        event = event or _text(attributes.get("event.name"))
        if not (event or _IDS.intersection(record) or any(key.startswith(_KNOWN) for key in attributes)):
            return None
        context = record.get("context")
        context = context if isinstance(context, Mapping) else {}
        return cls(
            trace=_hex(_text(_first(record, _TRACE) or context.get("trace_id"))),
            id=_hex(_text(_first(record, _SPAN) or context.get("span_id"))),
            parent=_hex(_text(_first(record, _PARENT))),
            name=_text(_first(record, _NAME)),
            scope=_scope(_first(record, _SCOPE)),
            event=event,
            body=plain(_first(record, _BODY)),
            attributes=attributes,
            events=tuple(_events(_first(record, _EVENTS))),
            start=_first(record, _START),
            end=_first(record, _END),
            failed=_failed(record),
            dropped=_number(record.get("droppedAttributesCount") or record.get("dropped_attributes_count")),
        )

    @property
    def key(self) -> str:
        """Its id in the whole log; empty if it has none."""
        return f"{self.trace}-{self.id}" if self.id else ""

    @cached_property
    def latency_ms(self) -> float | None:
        """How long it took in milliseconds."""
        return milliseconds(self.start, self.end)

    def get(self, *names: str) -> Any:
        """The first of these attributes that holds something, parsed where it is JSON text."""
        for name in names:
            value = self.attributes.get(name)
            if not is_empty(value):
                return parsed(value, name)
        return None

    def has(self, *prefixes: str) -> bool:
        """Whether an attribute begins so."""
        return any(key.startswith(prefixes) for key in self.attributes)

    def tree(self, prefix: str) -> Any:
        """What stands under a prefix as nested objects, whose keys are texts; None where nothing does."""
        whole = self.get(prefix)
        if isinstance(whole, (list, Mapping)):
            return whole
        found: dict[str, Any] = {}
        start = f"{prefix}."
        for name, value in self.attributes.items():
            if name.startswith(start):
                *path, last = name[len(start) :].split(".")
                place = found
                for part in path:
                    inner = place.setdefault(part, {})
                    if not isinstance(inner, dict):
                        inner = place[part] = {}
                    place = inner
                place[last] = value
        return found or None


def items_of(tree: Any) -> tuple[list[Any], bool]:
    """The elements of a list, or of an object whose keys are places in one; and whether none is missing."""
    if isinstance(tree, list):
        return tree, True
    if not isinstance(tree, Mapping):
        return [], True
    places = sorted((int(key), value) for key, value in tree.items() if str(key).isdecimal())
    return [value for _, value in places], [place for place, _ in places] == list(range(len(places)))


def plain(value: Any) -> Any:
    """The value that an OTLP value wraps; any other as it is."""
    if not isinstance(value, Mapping):
        return value
    if not value:
        return None
    if len(value) == 1:
        ((kind, held),) = value.items()
        if kind in (
            "stringValue",
            "boolValue",
            "doubleValue",
            "bytesValue",
            "string_value",
            "bool_value",
            "double_value",
        ):
            return held
        if kind in ("intValue", "int_value"):
            return _number(held)
        if kind in ("arrayValue", "array_value"):
            return [plain(one) for one in _values(held)]
        if kind in ("kvlistValue", "kvlist_value"):
            return _pairs(_values(held))
    return value


def milliseconds(start: Any, end: Any) -> float | None:
    """The time between two moments as they were logged."""
    first, last = time_or_none(start), time_or_none(end)
    if first is None or last is None or last < first:
        return None
    if str(start).isdecimal() and str(end).isdecimal() and len(str(start)) == len(str(end)) > 17:
        return (int(end) - int(start)) / 1e6
    return (last - first).total_seconds() * 1000


def _attributes_of(record: Mapping[str, Any]) -> dict[str, Any] | None:
    for name in _ATTRIBUTES:
        value = parsed(record.get(name), name)
        if isinstance(value, list) and all(isinstance(one, Mapping) and "key" in one for one in value):
            return _flattened(_pairs(value))
        if isinstance(value, list) and all(isinstance(one, (list, tuple)) and len(one) == 2 for one in value):
            value = {str(key): held for key, held in value}  # a map of a table of columns
        if isinstance(value, Mapping):
            return _flattened(value)
    if _AT_TOP in record:
        return {str(key): value for key, value in record.items() if str(key).startswith(_KNOWN)}
    columns = {key[len(_FLAT) :]: value for key, value in record.items() if str(key).startswith(_FLAT)}
    return (
        _flattened({key: value for key, value in columns.items() if value is not None}) if columns else None
    )


def _pairs(values: Iterable[Any]) -> dict[str, Any]:
    return {
        str(one["key"]): plain(one.get("value"))
        for one in values
        if isinstance(one, Mapping) and "key" in one
    }


def _values(held: Any) -> Iterable[Any]:
    values = held.get("values") if isinstance(held, Mapping) else None
    return values if isinstance(values, list) else ()


def _flattened(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes by their dotted names; what is nested stands under its own name too."""
    if not any(isinstance(value, Mapping) for value in attributes.values()):
        return dict(attributes)
    found: dict[str, Any] = {}

    def put(value: Mapping[str, Any], prefix: str, level: int) -> None:
        for key, item in value.items():
            name = f"{prefix}{key}"
            found[name] = item = plain(item)
            if isinstance(item, Mapping) and level < _MAX_LEVELS:
                put(item, f"{name}.", level + 1)

    put(attributes, "", 0)
    return found


def _events(value: Any) -> Iterable[tuple[str, Any]]:
    value = parsed(value, "events")
    for event in value if isinstance(value, list) else ():
        if isinstance(event, Mapping):
            name = _text(event.get("name") or event.get("event_name") or event.get("event.name"))
            held = event["attributes"] if "attributes" in event else event.get("body", event)
            is_otlp = isinstance(held, list) and "attributes" in event
            yield name, _pairs(held) if is_otlp else plain(held)


def _from_jaeger(record: Mapping[str, Any]) -> dict[str, Any]:
    """A span as Jaeger and Tempo export it, with the names of the others."""
    start, lasted = record.get("startTime"), record.get("duration")
    end = start + lasted if isinstance(start, int) and isinstance(lasted, int) else None
    parents = record.get("references")
    first = parents[0] if isinstance(parents, list) and parents else None
    parent = first.get("spanID") if isinstance(first, Mapping) else None
    events = []
    logs = record.get("logs")
    for log in logs if isinstance(logs, list) else ():
        fields = log.get("fields") if isinstance(log, Mapping) else None
        held = _pairs(fields if isinstance(fields, list) else ())
        events.append({"name": held.pop("event", ""), "attributes": held})
    return {**record, "endTime": end, "parentSpanId": parent, "events": events}


def _first(record: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((record[name] for name in names if not is_empty(record.get(name))), None)


def _text(value: Any) -> str:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def _hex(identity: str) -> str:
    """An id in hex, as OTLP/JSON has it; JSON that is made of protobuf by others has base64."""
    if not identity.endswith("=") or len(identity) not in (12, 24):
        return identity.lower().removeprefix("0x")
    try:
        return base64.b64decode(identity, validate=True).hex()
    except ValueError:
        return identity


def _number(value: Any) -> Any:
    try:
        return int(value)
    except (TypeError, ValueError):
        return value or 0


def _scope(value: Any) -> str:
    value = parsed(value, "scope")
    return _text(value.get("name")) if isinstance(value, Mapping) else _text(value)


def _failed(record: Mapping[str, Any]) -> bool:
    status = parsed(record.get("status"), "status")
    code = (status.get("code") or status.get("status_code")) if isinstance(status, Mapping) else status
    return (
        code or record.get("status_code") or record.get("StatusCode") or record.get("otel_status_code")
    ) in _FAILED
