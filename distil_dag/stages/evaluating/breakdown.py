"""Where a candidate is right and wrong: by tool, and by argument name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from distil_dag.core.tool_call import NO_CALL, UNKNOWN_TOOL, Answer, ToolCall, same_value
from distil_dag.core.toolset import Toolset
from distil_dag.stages.evaluating.metrics import pair_calls
from distil_dag.stages.statistics import wilson

# Expected calls, and the answer given.
Pair = tuple[Sequence[ToolCall], Answer]

UNKNOWN_ARGUMENT = "(unknown argument)"


def per_tool(
    pairs: Sequence[Pair], exact: Sequence[bool], toolset: Toolset, confidence: float = 0.95
) -> dict[str, dict[str, Any]]:
    """Scores by tool, and how well each tool is chosen.

    Args:
        pairs: expected calls and answer of each case.
        exact: whether each answer is exactly right.
        toolset: the tools.
        confidence: of the Wilson interval.

    Returns:
        Tool -> figures. `n` are cases that expect it, `exact` those answered exactly (share `value` with its
        interval `low` to `high`). `expected` and `given` count calls. `precision` is the share of given calls
        that belong to it, `recall` the share of expected calls that were given; None where there are none.
        `(no call)` counts cases instead; `(unknown tool)` collects invented names.
    """
    cases: dict[str, list[bool]] = defaultdict(list)
    expected: Counter[str] = Counter()
    given: Counter[str] = Counter()
    correct: Counter[str] = Counter()
    for (calls, answer), right in zip(pairs, exact, strict=True):
        wanted = _names(calls, toolset)
        chosen = Counter() if answer.error is not None else _names(answer.calls, toolset)
        for name in wanted:
            cases[name].append(right)
        expected += wanted
        given += chosen
        correct += wanted & chosen
    del correct[UNKNOWN_TOOL]
    names = [name for name in (*toolset.names, NO_CALL, UNKNOWN_TOOL) if expected[name] or given[name]]
    return {
        name: {
            "n": len(cases[name]),
            "exact": sum(cases[name]),
            **wilson(sum(cases[name]), len(cases[name]), confidence).model_dump(),
            "expected": expected[name],
            "given": given[name],
            "precision": _share(correct[name], given[name]),
            "recall": _share(correct[name], expected[name]),
        }
        for name in names
    }


def per_argument(pairs: Sequence[Pair], toolset: Toolset) -> dict[str, dict[str, Any]]:
    """Scores by argument name, over all tools that have it.

    An argument is correct when it is given to the right tool with the right value. Arguments equal to their
    default count as left out.

    Args:
        pairs: expected calls and answer of each case.
        toolset: the tools.

    Returns:
        Argument name -> how often it was `expected`, `given`, `correct`, `missing`, `wrong_value` or `extra`
        (given where none was expected, or to the wrong tool), with `precision` and `recall`. `(unknown
        argument)` collects invented names.
    """
    known = {name: None for tool in toolset.tools for name in tool.properties}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for calls, answer in pairs:
        canonical = [toolset.canonical(call) for call in calls]
        answered = [] if answer.error is not None else [toolset.canonical(call) for call in answer.calls]
        for wanted, got in pair_calls(canonical, answered):
            same_tool = wanted is not None and got is not None and wanted.name == got.name
            expected = wanted.arguments if wanted else {}
            given = got.arguments if got else {}
            for name, value in expected.items():
                count = counts[name if name in known else UNKNOWN_ARGUMENT]
                count["expected"] += 1
                if not same_tool or name not in given:
                    count["missing"] += 1
                elif same_value(value, given[name]):
                    count["correct"] += 1
                else:
                    count["wrong_value"] += 1
            for name in given:
                count = counts[name if name in known else UNKNOWN_ARGUMENT]
                count["given"] += 1
                count["extra"] += not same_tool or name not in expected
    columns = ("expected", "given", "correct", "missing", "wrong_value", "extra")
    return {
        name: {
            **{column: counts[name][column] for column in columns},
            "precision": _share(counts[name]["correct"], counts[name]["given"]),
            "recall": _share(counts[name]["correct"], counts[name]["expected"]),
        }
        for name in (*known, UNKNOWN_ARGUMENT)
        if name in counts
    }


def _names(calls: Sequence[ToolCall], toolset: Toolset) -> Counter[str]:
    return Counter(call.name if call.name in toolset else UNKNOWN_TOOL for call in calls) or Counter(
        [NO_CALL]
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
