"""What a word of a request and its context say about the argument that it belongs to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from distil_dag.core.case import Case
from distil_dag.core.tool_call import ToolCall
from distil_dag.stages.nlu.spans import grams, tokens

Features = dict[str, float]
"""Name of a feature -> its value."""

# Words of the longest value that is looked up.
_LONGEST_VALUE = 5
# Words on either side that say what the talk is of: all others in a request of sixty. If a word knew all of a
# long one, features would grow with the square of its length.
_AROUND = 59
# A word weighs more than the request it stands in, which only says what the talk is of.
_NEAR, _SHAPE, _FAR = 1.0, 0.5, 0.25


class Lexicon:
    """The values that cases give to their arguments; none of no cases."""

    def __init__(self, cases: Iterable[Case] = ()) -> None:
        self._counts: dict[str, Counter[str]] = {}
        for case in cases:
            for call in case.calls:
                for name, value in call.arguments.items():
                    self._counts.setdefault(_plain(value), Counter())[name] += 1

    def known(self, words: Sequence[str], call: ToolCall | None = None) -> list[set[str]]:
        """For each word the arguments that have a known value covering it.

        Values of `call`, the one of the case whose words these are, count once less: what only this case
        shows will be unknown where another like it is read.
        """
        own = {(_plain(value), name) for name, value in call.arguments.items()} if call else set()
        found: list[set[str]] = [set() for _ in words]
        for gram, start, end in grams(words, _LONGEST_VALUE) if self._counts else ():
            for name, count in self._counts.get(gram, {}).items():
                if count > ((gram, name) in own):
                    for place in range(start, end):
                        found[place].add(name)
        return found


def under_tool(words: Sequence[str], n: int, tool: str, before: str, known: Iterable[str]) -> Features:
    """The n-th word under a tool, behind a word of the argument `before`.

    `known` are the arguments that have a known value here.
    """
    near = _near(words, n, ("<", ">"), "|")
    word, left, right = near["w"], near["l"], near["r"]
    found = [
        *_names(near), f"e={word[-3:]}",
        f"t={tool}", f"tw={tool}|{word}", f"tl={tool}|{left}", f"tb={tool}|{before}",
        f"b={before}", f"bw={before}|{word}", f"br={before}|{right}",
    ]  # fmt: skip
    for name in sorted(known):
        found += [f"in={name}", f"tin={tool}|{name}"]
    return dict.fromkeys(found if known else [*found, "in="], 1.0)


def in_context(words: Sequence[str], n: int) -> Features:
    """The n-th word whatever the tool: itself, its neighbours, its shape and the talk around it."""
    word = words[n]
    shape = (f"end={word[-3:]}", f"begin={word[:3]}", f"digit={any(c.isdigit() for c in word)}")
    around = words[max(0, n - _AROUND) : n + _AROUND + 1]
    near = _names(_near(words, n, ("#", "#"), " "))
    found = {f"c={word}": _FAR for word in around}
    return found | dict.fromkeys(shape, _SHAPE) | dict.fromkeys(near, _NEAR)


def _near(words: Sequence[str], n: int, edges: tuple[str, str], joint: str) -> dict[str, str]:
    """A word and its neighbours, alone and in pairs. The ends of the request count as the words `edges`."""
    before, behind = edges
    padded = [before, before, *words[max(0, n - 2) : n + 3], behind, behind]
    place = min(n, 2) + 2
    farther_left, left, word, right, farther_right = padded[place - 2 : place + 3]
    return {
        "w": word, "l": left, "r": right, "lw": f"{left}{joint}{word}", "wr": f"{word}{joint}{right}",
        "lr": f"{left}{joint}{right}", "ll": farther_left, "rr": farther_right,
    }  # fmt: skip


def _names(features: dict[str, str]) -> list[str]:
    return [f"{kind}={words}" for kind, words in features.items()]


def _plain(value: Any) -> str:
    return " ".join(word for word, _, _ in tokens(str(value)))
