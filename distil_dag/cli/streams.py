"""Output streams whose reader may end first (`| head`, a terminal that is closed)."""

from __future__ import annotations

import io
import sys
from typing import Any, TextIO


class _Unread(io.FileIO):
    """A descriptor for which failed writes of the error type `lost` count as successful."""

    def __init__(self, descriptor: int, lost: type[OSError], closes: bool) -> None:
        super().__init__(descriptor, "w", closefd=closes)
        self._lost = lost

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except self._lost:
            return memoryview(data).nbytes


def own_stream(descriptor: int) -> TextIO:
    """A line-buffered text stream over a descriptor, which is closed with it; failed writes are ignored."""
    raw = _Unread(descriptor, OSError, closes=True)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", line_buffering=True)


def outlive_readers() -> None:
    """Let this process go on, and end with its own exit code, when nobody reads its output any more.

    Streams that replace the process's own are left unchanged.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream and stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, _unread(stream))


def _unread(stream: TextIO) -> TextIO:
    raw = _Unread(stream.fileno(), BrokenPipeError, closes=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), stream.encoding, stream.errors, line_buffering=bool(stream.line_buffering)
    )
