"""Lengths of time for people to read."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Seconds as one or two figures in fitting units: `4.2 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02} min"
