"""Settings that are given for one run, written over those of a task's file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from distil_dag.adapters.system.environment import masked
from distil_dag.adapters.tasks.located_yaml import Mistake, Step, UnreadableText, parse_yaml
from distil_dag.adapters.tasks.secret_mistakes import ADVICE, secret_mistakes
from distil_dag.adapters.tasks.settings_errors import dotted
from distil_dag.core.secret_settings import is_secret_name

_NAME = re.compile(r"[\w-]+")


def override(
    raw: dict[str, Any], overrides: Mapping[str, str]
) -> tuple[dict[tuple[Step, ...], str], list[Mistake]]:
    """Write the overrides into the content of a file.

    Args:
        raw: The content, which is changed.
        overrides: Dotted path -> YAML text.

    Returns:
        The paths written, each with its override as it may be shown, and the mistakes.
    """
    named: dict[tuple[Step, ...], str] = {}
    mistakes = []
    for dots, text in overrides.items():
        said = f"{dots}={masked(text)}"
        is_of_traces = dots.partition(".")[0] == "traces"
        if masked(text) != text:
            kept = "holds a secret, which Dagster would keep with the run"
            mistakes.append(Mistake(f"override {said}", 0, f"{kept}; {ADVICE}"))
            continue
        path = tuple(int(step) if step.isdigit() else step for step in dots.split("."))
        try:
            # As YAML these could only be an error: aliases and directives of a document that isn't there.
            value = text if text.startswith(("*", "%", "@", "`")) else parse_yaml(text).value
            if is_of_traces and any(secret_mistakes(_below(path[1:], value))):
                kept = "holds a secret, which Dagster would keep with the run"
                mistakes.append(Mistake(f"override {dots}=***", 0, f"{kept}; {ADVICE}"))
                continue
            created = _write(raw, path, value)
            named |= {created: said, path: said}
        except UnreadableText as error:
            if is_of_traces and any(map(is_secret_name, _NAME.findall(said))):
                said = f"{dots}=***"  # where in it the secret stands can't be told
            mistakes.append(Mistake(f"override {said}", 0, f"the value {error}; text may need quotes"))
        except LookupError as error:
            mistakes.append(Mistake(f"override {said}", 0, str(error.args[0])))
    return named, mistakes


def _below(path: tuple[Step, ...], value: Any) -> Any:
    """The section that holds a value at a path."""
    for step in reversed(path):
        value = {str(step): value}
    return value


def _write(raw: Any, path: tuple[Step, ...], value: Any) -> tuple[Step, ...]:
    """Set the value; returns the shortest part of the path that was not there before."""
    created = path
    for place, step in enumerate(path):
        last = place == len(path) - 1
        if isinstance(raw, list) and isinstance(step, int) and step < len(raw):
            if last:
                raw[step] = value
            raw = raw[step]
        elif isinstance(raw, dict) and step != "":
            key = str(step)
            if last:
                raw[key] = value
            elif raw.get(key) is None:
                raw[key] = {}
                created = min(created, path[: place + 1], key=len)
            raw = raw[key]
        else:
            raise LookupError(f"there is no `{dotted(path[: place + 1])}` to set")
    return created
