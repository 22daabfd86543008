"""The key of a run: the one partition key that a model carries through the whole chain.

A key is `TASK.WINDOW`, `TASK.WINDOW_LABEL` or `TASK.LABEL`. WINDOW is `UNTIL_SINCE` in UTC
(`20261124T110000Z_20261117T110000Z`); a key without one takes the whole log. A key needs no manifest when it
is typed in the Dagster UI. Keys of one task sort by time, and variants of one window (another LABEL) stand
side by side.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

_FORMAT = "%Y%m%dT%H%M%SZ"
_WINDOW = re.compile(r"^(\d{8}T\d{6}Z)_(\d{8}T\d{6}Z)(?:_(.+))?$")
# What begins with a day and goes on to another: a window with a sign too few or too many.
_DAY = r"(?:19|20)\d\d-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])"
_MEANT_AS_WINDOW = re.compile(rf"^\d{{4}}-?\d\d-?\d\d.*{_DAY}")
_EXAMPLE = "20261124T110000Z_20261117T110000Z"
_LABEL = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
_TASK = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]*$")


@dataclass(frozen=True)
class RunKey:
    """A parsed key.

    Attributes:
        task: name of the task.
        since: start of the window, inclusive; None for the whole log.
        until: end of the window, exclusive; None for the whole log.
        label: name of a variant.
    """

    task: str
    since: datetime | None = None
    until: datetime | None = None
    label: str = ""

    def __str__(self) -> str:
        parts = []
        if self.until and self.since:
            parts += [self.until.strftime(_FORMAT), self.since.strftime(_FORMAT)]
        if self.label:
            parts.append(self.label)
        return f"{self.task}." + "_".join(parts)

    @classmethod
    def parse(cls, text: str, default_task: str | None = None) -> RunKey:
        """Read a key.

        Args:
            text: the key.
            default_task: the task of a key without a task part.

        Raises:
            ValueError: for what is no key; the message says what a key looks like.
        """
        task, dot, rest = text.partition(".")
        if not dot:
            task, rest = default_task or "", text
        window = _WINDOW.match(rest)
        try:
            until = _moment(window[1]) if window else None
            since = _moment(window[2]) if window else None
        except ValueError:
            raise ValueError(_explain(text, "a date in it does not exist")) from None
        label = (window[3] or "") if window else rest
        if not _TASK.match(task):
            raise ValueError(_explain(text, "it names no task"))
        if (label or not window) and not _LABEL.match(label):
            raise ValueError(_explain(text, "the label may hold letters, digits, `_` and `-`"))
        # It would take the whole log, and say nothing of it.
        if not window and _MEANT_AS_WINDOW.match(label):
            raise ValueError(_explain(text, "it has two dates, as a window has, and is none"))
        if since and until and since >= until:
            raise ValueError(_explain(text, "the window ends before it starts (UNTIL comes first)"))
        return cls(task=task, since=since, until=until, label=label)

    def cut_by(self, has_times: bool) -> RunKey:
        """The key itself, if a log can be cut by it.

        Args:
            has_times: whether a window of the log can be asked for.

        Raises:
            ValueError: when the key asks for a window of a log without times.
        """
        if self.since and not has_times:
            raise ValueError(
                f"{str(self)!r} asks for a window, and traces.time_column is not set: name the column of the "
                f"log's times in task.yaml, or take the whole log by a label, such as {self.task}.first"
            )
        return self

    def contains(self, time: datetime | None) -> bool:
        """Whether a trace of this time belongs to the run; a trace without time always does."""
        if time is None or self.since is None or self.until is None:
            return True
        return self.since <= _utc(time) < self.until


def key_format(tasks: Sequence[str]) -> str:
    """What a key looks like, as Markdown for whoever has to type one.

    Args:
        tasks: names of the known tasks; the first one is the example.
    """
    task = tasks[0] if tasks else "smart_home"
    known = ", ".join(f"`{name}`" for name in tasks)
    return (
        f"**Partition key:** `TASK.LABEL`, such as `{task}.first`. It takes the whole log of the task; the "
        "label is any name of yours for this run (letters, digits, `_`, `-`). For a window of the log: "
        f"`TASK.UNTIL_SINCE` with UTC times, such as `{task}.{_EXAMPLE}`; add `_LABEL` for a variant. "
        f"**Known tasks:** {known or 'none yet'}."
    )


def _moment(text: str) -> datetime:
    return datetime.strptime(text, _FORMAT).replace(tzinfo=UTC)


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _explain(text: str, why: str) -> str:
    return (
        f"{text!r} is not a run key: {why}. A key is TASK.LABEL for the whole log, such as smart_home.first, "
        f"or TASK.UNTIL_SINCE[_LABEL] for a window with UTC times, such as smart_home.{_EXAMPLE}"
    )
