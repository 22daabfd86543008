"""All valid answers under a toolset, as a language: JSON Schema in, canonical Hermes text out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from distil_dag.core.tool_call import CLOSE_TAG, NO_CALL_TEXT, OPEN_TAG
from distil_dag.core.toolset import Tool, Toolset
from distil_dag.stages.decoding.byte_languages import Copied, Language, Literal, Repeated, choice, sequence
from distil_dag.stages.decoding.value_grammar import Contradiction, Place, ValueGrammar, any_of, written
from distil_dag.stages.nlu.spans import tokens


def answers(
    toolset: Toolset,
    most_calls: int | None = None,
    may_decline: bool = True,
    copied: Iterable[tuple[str, str]] = (),
    words: str = "",
) -> Language:
    """Every valid answer, in the canonical form that students are trained on.

    That is compact JSON with arguments in the order of the schema. What a grammar can't hold a model to is
    not held, and a tool that no call can satisfy is left out: :func:`deviations` names both.

    Args:
        toolset: the tools.
        most_calls: calls of an answer at most; None for any number.
        may_decline: whether an answer may hold no call.
        copied: tool and name of the arguments whose texts are whole words of `words`, as they stand there,
            one after the other. They are any text if there are none, or if JSON would write them otherwise.
        words: the request.

    Raises:
        ValueError: no tool is left.
    """
    ways: list[Language] = [Literal(NO_CALL_TEXT.encode())] if may_decline or not toolset.tools else []
    if toolset.tools and most_calls != 0:
        copy = _copied(words)
        texts: dict[Place, Language] = dict.fromkeys(copied, copy) if copy else {}
        call = any_of(lambda tool: _call(tool, texts, []), toolset.tools)
        ways.append(Repeated(call, b"\n", 1, most_calls))
    return choice(ways)


def deviations(toolset: Toolset) -> list[str]:
    """Where the grammar says other calls than the schemas, as `tool.argument[].name: why`.

    More, where a keyword is beyond a grammar. Fewer, where no value satisfies the schema of an optional
    argument, which is then never said, or of a required one, whose tool is then never called.
    """
    found: list[str] = []
    for tool in toolset.tools:
        try:
            _call(tool, {}, found)
        except Contradiction as error:
            found.append(str(error))
    return list(dict.fromkeys(found))


def _copied(words: str) -> Language | None:
    spans = tokens(words)
    if not spans or written(words) != f'"{words}"'.encode(errors="replace"):
        return None
    starts, ends = (
        frozenset(len(words[:place].encode()) for place in places)
        for places in ([start for _, start, _ in spans], [end for *_, end in spans])
    )
    return Copied(words.encode(), starts, ends)


def _call(tool: Tool, texts: Mapping[Place, Language], found: list[str]) -> Language:
    """Calls of a tool; deviations are added to `found`."""
    return sequence(
        Literal(f'{OPEN_TAG}{{"name":'.encode() + written(tool.name) + b',"arguments":'),
        ValueGrammar(tool, texts, found).language(tool.meaning, (tool.name,)),
        Literal(f"}}{CLOSE_TAG}".encode()),
    )
