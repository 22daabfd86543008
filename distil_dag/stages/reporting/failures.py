"""Failures as the page shows them: their kinds, the most telling ones, and calls with what differs marked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from distil_dag.core.tool_call import same_value

# What the page shows of one request or answer; the JSON report holds all of it.
_LONGEST = 400


@dataclass(frozen=True)
class Part:
    """A piece of a call as it is shown.

    Attributes:
        text: the piece.
        marked: whether the two sides differ in it.
    """

    text: str
    marked: bool = False


def cut(text: str) -> str:
    """The beginning of a long text, with the number of characters that are left out."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text) - _LONGEST} more characters)"


def kinds(failures: Sequence[dict[str, Any]]) -> list[tuple[str, int]]:
    """How often each kind of mistake occurs, most frequent first.

    Args:
        failures: rows of the report.
    """
    return Counter(kind for row in failures for kind in _kinds(row)).most_common()


def most_telling(failures: Sequence[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """A few failures that stand for all: one of each kind, the most frequent kinds first.

    Of one kind, those come first that the student was confident of, then those that most others got right.

    Args:
        failures: rows of the report.
        number: how many to take.
    """
    left = sorted(failures, key=lambda row: (not row.get("confident"), -len(row["right"])))
    chosen: list[dict[str, Any]] = []
    while left and len(chosen) < number:
        for kind, _ in kinds(failures):
            row = next((row for row in left if kind in _kinds(row)), None)
            if row is not None and len(chosen) < number:
                chosen.append(row)
                left.remove(row)
    return chosen


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A failure with its calls in pieces.

    Args:
        row: a row of the report.
    """
    return {
        "command": "",
        **row,
        "expected": call_parts(row["expected"], row["got"]),
        "got": call_parts(row["got"], row["expected"]),
    }


def call_parts(calls: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]]) -> list[list[Part]]:
    """Calls as `name(argument=value, …)`, in pieces.

    Args:
        calls: calls of one side, each with `name` and `arguments`.
        others: calls of the other side; pieces that agree with none of them are marked.

    Returns:
        The pieces of each call.
    """
    found = []
    for call in calls:
        rivals = [other["arguments"] for other in others if other["name"] == call["name"]]
        parts = [Part(call["name"], marked=not rivals), Part("(")]
        for place, (name, value) in enumerate(call["arguments"].items()):
            agrees = any(name in rival and same_value(value, rival[name]) for rival in rivals)
            parts.append(Part(", " if place else ""))
            parts.append(Part(f"{name}={cut(json.dumps(value, ensure_ascii=False))}", marked=not agrees))
        found.append([*parts, Part(")")])
    return found


def _kinds(row: dict[str, Any]) -> list[str]:
    return [
        reason if reason.startswith(("missing", "wrong value", "extra")) else reason.partition(":")[0]
        for reason in row["why"].split("; ")
    ]
