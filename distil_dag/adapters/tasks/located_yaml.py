"""YAML and JSON whose values still know which line they came from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 50 * 2**20
# PyYAML reads about 100 kB/s; a hand-written settings file is a hundredth of this.
MAX_YAML_BYTES = 2**20

Step = str | int


@dataclass(frozen=True, order=True)
class Mistake:
    """One thing to mend: where it stands (line 0: the file as a whole) and what is allowed."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


class UnreadableText(ValueError):
    """A file that cannot be read at all; `line` is where reading ended (0: unknown)."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Marked:
    """A parsed value, and the line of every part of it."""

    value: Any
    root: yaml.Node | None = None

    def line(self, path: Sequence[Step]) -> int:
        """The line (from 1) of the part at this path, or of its nearest parent that exists."""
        if self.root is None:
            return 0
        node, line = self.root, self.root.start_mark.line
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            line, node = found
        return line + 1

    def duplicate_keys(self) -> list[tuple[int, str]]:
        """(line, key) of every key that repeats another of its own mapping."""
        seen: set[int] = set()
        return sorted(_duplicates(self.root, seen)) if self.root is not None else []


def read_text(path: Path, limit: int = MAX_BYTES) -> str:
    """The UTF-8 text of a file; UnreadableText when it is too large, no file, not ours, or not UTF-8."""
    try:
        if not path.is_file():
            raise UnreadableText("is not a file")
        size = path.stat().st_size
        if size > limit:
            raise UnreadableText(f"has {size / 2**20:.0f} MiB; at most {limit / 2**20:.0f} MiB are read")
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableText(f"can't be read: {error.strerror or error}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableText(f"is not UTF-8 text (byte {error.start}: {error.reason})", line) from None


def parse_yaml(text: str) -> Marked:
    """The one document of a YAML text, with plain types only; UnreadableText with the line."""
    loader = yaml.SafeLoader("")
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        value = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        hint = "; indent with spaces" if "'\\t'" in str(error.problem) else ""
        raise UnreadableText(f"is not YAML: {error.problem or error.context}{hint}", _line(mark)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UnreadableText(f"holds the character {error.character!r}, which YAML forbids", line) from None
    except RecursionError:
        raise UnreadableText("is nested too deeply") from None
    except ValueError as error:  # a date or number that YAML's grammar allows and Python does not
        raise UnreadableText(f"holds a value that cannot be read: {error}") from None
    finally:
        loader.dispose()
    return Marked(value, node)


def located_json(text: str) -> Any:
    """The value of a JSON text; UnreadableText with the line."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UnreadableText(f"is not JSON: {error.msg} (column {error.colno})", error.lineno) from None
    except RecursionError:
        raise UnreadableText("is nested too deeply") from None
    except ValueError as error:
        raise UnreadableText(f"is not JSON: {error}") from None


def mark_json(text: str, value: Any) -> Marked:
    """A parsed JSON value with its lines: JSON is YAML but for tabs, which stand only between values."""
    try:
        return Marked(value, parse_yaml(text.replace("\t", " ")).root)
    except UnreadableText:
        return Marked(value)


def _child(node: yaml.Node, step: Step) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == str(step):
                return key.start_mark.line, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line, node.value[step]
    return None


def _duplicates(node: yaml.Node, seen: set[int]) -> Iterator[tuple[int, str]]:
    if id(node) in seen:  # an alias: its target was visited
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in keys and key.value != "<<":
                    yield key.start_mark.line + 1, key.value
                keys.add(key.value)
            yield from _duplicates(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _duplicates(item, seen)


def _line(mark: Any) -> int:
    return mark.line + 1 if mark is not None else 0
