"""Scores of one answer against the calls that were expected.

`tool_call_equivalence`, `binary_tool_call` and `staged_tool_call` follow the definitions of Distil Labs'
evaluation metrics (distil-labs/distil-cli-skill, `references/evaluation-metrics.md`), so that numbers
compare; `function_name` is the share of answers that choose the right tools.

Beyond those definitions, which know one call a side:

- Parallel calls may come in any order.
- A case without expected calls is right when the answer holds no call, on every metric.
- An answer that cannot be parsed, or that never came, scores zero on every metric, so it is
  wrong on a no-call case too.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from distil_dag.core.tool_call import NO_CALL, Answer, ToolCall, same_calls, same_value
from distil_dag.core.toolset import Toolset

EXACT = "tool_call_equivalence"
BINARY = "binary_tool_call"
STAGED = "staged_tool_call"
NAME = "function_name"
METRICS = (EXACT, BINARY, STAGED, NAME)

_LONGEST_REASON = 200

# When two calls belong together, from the strictest rule to none.
_RULES: tuple[Callable[[ToolCall], Hashable], ...] = (
    lambda call: call.key(),
    lambda call: (call.name, frozenset(call.arguments)),
    lambda call: call.name,
    lambda call: None,
)


@dataclass(frozen=True)
class CaseScore:
    """Every metric of one answer.

    Attributes:
        metrics: name -> from 0 to 1.
        why: why the answer is wrong; empty when it is exact.
    """

    metrics: dict[str, float]
    why: str = ""

    @property
    def exact(self) -> bool:
        """Whether the answer is exactly right."""
        return self.metrics[EXACT] == 1.0


@dataclass(frozen=True)
class Difference:
    """One way in which an answer is not what was expected.

    Attributes:
        kind: which way.
        tool: the expected tool; of an extra call, its own.
        argument: name of the argument; empty where calls or tools differ.
        expected: the expected value of the argument, or name of the tool.
        given: the given value of the argument, or name of the tool.
    """

    kind: Literal[
        "missing call", "extra call", "wrong tool", "missing argument", "extra argument", "wrong value"
    ]
    tool: str
    argument: str = ""
    expected: Any = None
    given: Any = None

    @property
    def words(self) -> str:
        """The difference in words."""
        if self.kind == "wrong tool":
            return f"{self.kind}: {self.given} instead of {self.tool}"
        return f"{self.kind}: {self.argument or self.tool}"


def score(expected: Sequence[ToolCall], answer: Answer, toolset: Toolset) -> CaseScore:
    """Score one parsed answer.

    Args:
        expected: the expected calls; empty where no tool should be called.
        answer: the parsed answer.
        toolset: the tools, for canonical forms.
    """
    if answer.error is not None:
        reason = " ".join(answer.error.split())[:_LONGEST_REASON]
        return CaseScore(dict.fromkeys(METRICS, 0.0), f"unparseable: {reason}")
    canonical = [toolset.canonical(call) for call in expected]
    given = [toolset.canonical(call) for call in answer.calls]
    exact = same_calls(canonical, given)
    metrics = {
        EXACT: float(exact),
        BINARY: float(same_calls(expected, answer.calls)),
        STAGED: staged(expected, answer.calls),
        NAME: float(Counter(call.name for call in expected) == Counter(call.name for call in answer.calls)),
    }
    return CaseScore(metrics, "" if exact else why_wrong(canonical, given))


def staged(expected: Sequence[ToolCall], given: Sequence[ToolCall]) -> float:
    """0.25 for each stage reached: a readable call, its name, its argument names, its values.

    Arguments are compared as they stand: the definition takes defaults into account in
    `tool_call_equivalence` only.

    Returns:
        From 0 to 1; of several parallel calls, the mean over the best assignment. 0 when one side holds more
        calls than the other.
    """
    if len(expected) != len(given):
        return 0.0
    if not expected:
        return 1.0
    return sum(_stages(left, right) for left, right in pair_calls(expected, given)) / len(expected)


def pair_calls(
    expected: Sequence[ToolCall], given: Sequence[ToolCall]
) -> list[tuple[ToolCall | None, ToolCall | None]]:
    """Assign the calls of two sides to each other.

    Equal calls are paired first, then those with the same name and argument names, then those with the same
    name, then the rest as they stand. Each rule only coarsens the one before it, so no other assignment
    reaches more stages.

    Returns:
        Every call of both sides once, beside its match on the other side or None.
    """
    partners: dict[int, int] = {}
    rest = list(range(len(given)))
    for rule in _RULES:
        waiting: dict[Hashable, deque[int]] = defaultdict(deque)
        for column in rest:
            waiting[rule(given[column])].append(column)
        for row in range(len(expected)):
            queue = waiting[rule(expected[row])] if row not in partners else None
            if queue:
                partners[row] = queue.popleft()
        taken = set(partners.values())
        rest = [column for column in rest if column not in taken]
    pairs: list[tuple[ToolCall | None, ToolCall | None]] = [
        (call, given[partners[row]] if row in partners else None) for row, call in enumerate(expected)
    ]
    return pairs + [(None, given[column]) for column in rest]


def why_wrong(expected: Sequence[ToolCall], given: Sequence[ToolCall]) -> str:
    """Why the given calls are not the expected ones, in words; both in canonical form."""
    if not expected:
        return f"called when none fits: {', '.join(call.name for call in given)}"
    if not given:
        return NO_CALL
    return "; ".join(found.words for found in call_differences(expected, given))


def call_differences(expected: Sequence[ToolCall], given: Sequence[ToolCall]) -> list[Difference]:
    """Every difference between two sides in canonical form, call by call; none when they are the same."""
    return [found for pair in pair_calls(expected, given) for found in _differences(*pair)]


def _differences(expected: ToolCall | None, given: ToolCall | None) -> list[Difference]:
    if expected is None:
        return [Difference("extra call", given.name, given=given.name)] if given else []
    if given is None:
        return [Difference("missing call", expected.name, expected=expected.name)]
    tool = expected.name
    if tool != given.name:
        return [Difference("wrong tool", tool, "", tool, given.name)]
    found = []
    for name, value in expected.arguments.items():
        if name not in given.arguments:
            found.append(Difference("missing argument", tool, name, expected=value))
        elif not same_value(value, given.arguments[name]):
            found.append(Difference("wrong value", tool, name, value, given.arguments[name]))
    extra = (name for name in given.arguments if name not in expected.arguments)
    return found + [Difference("extra argument", tool, name, given=given.arguments[name]) for name in extra]


def _stages(expected: ToolCall | None, given: ToolCall | None) -> float:
    if expected is None or given is None:
        return 0.0
    if expected.name != given.name:
        return 0.25
    if expected.arguments.keys() != given.arguments.keys():
        return 0.5
    return 1.0 if expected.key() == given.key() else 0.75
