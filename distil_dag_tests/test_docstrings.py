"""Public docstrings can be read quickly: no long paragraph, and errors stand in their own section.

That there is a docstring at all, and that `Args:` names every parameter, is ruff's to check (rules D).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from distil_dag_tests.paths import ROOT

MOST_WORDS = 80

SECTIONS = ("Args", "Attributes", "Example", "Examples", "Note", "Raises", "Returns", "Warns", "Yields")
HEADER = re.compile(rf"({'|'.join(SECTIONS)}):")
# An error's name behind the verb: `raises ValueError`, "Raises a `KeyError`", "raise dg.Failure".
PROSE_ERROR = re.compile(r"\b[Rr]aises?\s+(?:an?\s+)?(?::\w+:)?[`~]*(?:\w+\.)*[A-Z]\w*[a-z]\w*")

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public(node: ast.AST, name: str = "") -> Iterator[tuple[str, Documented]]:
    """The module, its public classes and functions, and their public methods, by qualified name."""
    if isinstance(node, ast.Module):
        yield "module", node
    for child in getattr(node, "body", []):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if child.name.startswith("_"):
                continue
            yield name + child.name, child
            if isinstance(child, ast.ClassDef):
                yield from public(child, f"{name}{child.name}.")


def paragraphs(lines: list[str]) -> Iterator[tuple[int, str, str]]:
    """Line number, section and text of each paragraph; entries of sections and lists count one by one.

    An entry of a section begins where a line has the indent of the section's first entry; a later line with
    a larger indent goes on with it.
    """
    section, indent, start, words = "", -1, 0, list[str]()
    for number, line in enumerate([*lines, ""]):
        text = line.strip()
        depth = len(line) - len(line.lstrip())
        header = HEADER.fullmatch(text) if depth == 0 else None
        if section and text and indent < 0:
            indent = depth
        leaves = bool(section and text and depth == 0)
        begins = not text or bool(header) or leaves or text.startswith("- ")
        begins = begins or bool(section and depth == indent and section not in ("Returns", "Yields"))
        if begins and words:
            yield start, section, " ".join(words)
            words = []
        if header or leaves:
            section, indent = (header[1] if header else ""), -1
        if text and not header:
            start = start if words else number
            words.append(text)


def violations(source: str, where: str) -> list[str]:
    """What is wrong with the docstrings of a module, each with its file and line."""
    found = []
    for name, node in public(ast.parse(source)):
        text = ast.get_docstring(node, clean=True)
        if text is None:
            continue
        first = node.body[0].lineno
        for number, section, paragraph in paragraphs(text.splitlines()):
            line = f"{where}:{first + number}: {name}"
            if (count := len(paragraph.split())) > MOST_WORDS:
                found.append(f"{line}: a paragraph of {count} words; {MOST_WORDS} at most")
            if section != "Raises" and (error := PROSE_ERROR.search(paragraph)):
                found.append(f"{line}: {error[0]!r} belongs in the section `Raises:`")
    return found


def test_public_docstrings_can_be_read_quickly() -> None:
    found = [
        violation
        for path in sorted((ROOT / "distil_dag").rglob("*.py"))
        for violation in violations(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
    ]
    assert not found, "\n".join(found)


LONG = " ".join(["word"] * (MOST_WORDS + 1))
HALF = " ".join(["word"] * (MOST_WORDS // 2 + 1))


@pytest.mark.parametrize(
    ("docstring", "line", "said"),
    [
        (f"{LONG}.", 2, "f: a paragraph of 81 words"),
        (f"Sum.\n\n    {HALF}\n    {HALF}", 4, "f: a paragraph of 82 words"),
        (f"Sum.\n\n    Args:\n        a: {LONG}.", 5, "f: a paragraph of 82 words"),
        (f"Sum.\n\n    Args:\n        a: {HALF}\n            {HALF}", 5, "f: a paragraph of 83 words"),
        (f"Sum.\n\n    Returns:\n        {HALF}\n        {HALF}", 5, "f: a paragraph of 82 words"),
        (f"Sum.\n\n    Returns:\n        It.\n\n    {LONG}", 7, "f: a paragraph of 81 words"),
        ("Sum. Raises ValueError for none.", 2, "f: 'Raises ValueError'"),
        ("Sum.\n\n    It raises :class:`KeyError` without one.", 4, "f: 'raises :class:`KeyError'"),
        ("Sum.\n\n    Returns:\n        It, or raises a dg.Failure.", 5, "f: 'raises a dg.Failure'"),
        ("Sum.\n\n    Raises:\n        KeyError: it.\n\n    It raises OSError.", 7, "f: 'raises OSError'"),
    ],
)
def test_what_is_hard_to_read_is_told(docstring: str, line: int, said: str) -> None:
    (found,) = violations(f'def f():\n    """{docstring}\n    """\n', "bad.py")
    assert found.startswith(f"bad.py:{line}: {said}")


def test_modules_classes_and_methods_are_looked_at_and_private_ones_are_not() -> None:
    bad = f'"""{LONG}"""'
    source = f"""{bad}
class A:
    {bad}
    def b(self):
        {bad}
    async def c(self):
        {bad}
    def _d(self):
        {bad}
class _E:
    {bad}
    def f(self):
        {bad}
"""
    found = [violation.split(": ")[:2] for violation in violations(source, "bad.py")]
    assert found == [["bad.py:1", "module"], ["bad.py:3", "A"], ["bad.py:5", "A.b"], ["bad.py:7", "A.c"]]


def test_entries_count_one_by_one() -> None:
    docstring = f"""Sum.

    - {HALF}
    - {HALF}

    Args:
        a: {HALF}
        b: {HALF}
            raises the bar.

    Returns:
        {HALF}

    Raises:
        ValueError: {HALF}
        KeyError: as it raises OSError.

    """
    assert violations(f'def f(a, b):\n    """{docstring}"""\n', "good.py") == []
