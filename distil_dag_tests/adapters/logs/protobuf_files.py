"""OTLP/JSON as the collector's exporters write it in protobuf."""

import base64
import struct

import pyarrow as pa
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

_IDS = ("traceId", "spanId", "parentSpanId")
_KINDS = {"resourceSpans": TracesData, "resourceLogs": LogsData, "resourceMetrics": MetricsData}


def message(value):
    """The bytes of one request, from an object of OTLP/JSON."""
    kind = next(_KINDS[name] for name in _KINDS if name in value)
    return ParseDict(_with_base64(value), kind()).SerializeToString()


def frames(*messages):
    """As the file exporter writes `format: proto`."""
    return b"".join(struct.pack(">I", len(one)) + one for one in messages)


def delimited(*messages):
    """As the specification of OTLP's file exporter says."""
    return b"".join(_varint(len(one)) + one for one in messages)


def zstd(content):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(content)
    return sink.getvalue().to_pybytes()


def _varint(number):
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def _with_base64(value):
    """Ids as JSON of protobuf has them; OTLP/JSON has them in hex."""
    if isinstance(value, list):
        return [_with_base64(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64encode(bytes.fromhex(held)).decode() if name in _IDS else _with_base64(held)
        for name, held in value.items()
    }
