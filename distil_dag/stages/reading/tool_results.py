"""Tool results of a log, put behind their calls in the order of the calls.

An id decides which call a result answers. Without one, or with one that no call has, the tool's name decides,
and then the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from distil_dag.stages.reading.turns import Turn


@dataclass
class _Call:
    """A call of the conversation; `number` counts from 1."""

    number: int
    id: str
    tool: str
    answered: bool = False


def in_call_order(turns: Sequence[Turn]) -> tuple[list[Turn], int]:
    """The turns with the results of each run of tool turns in the order of their calls.

    Where this order is not that of the calls, as when a result is missing, `result_of` of a turn says which
    call it answers.

    Returns:
        The turns, and the number of results that more than one call could have asked for.
    """
    if all(turn.role != "tool" for turn in turns):
        return list(turns), 0
    ordered: list[Turn] = []
    calls: list[_Call] = []
    latest: list[_Call] = []
    guessed = place = 0
    for is_run, group in groupby(turns, key=lambda turn: turn.role == "tool"):
        run = list(group)
        if not is_run:
            for turn in run:
                ordered.append(turn)
                if turn.calls:
                    first = len(calls) + 1
                    named = enumerate(zip(_padded(turn.ids, len(turn.calls)), turn.calls, strict=True), first)
                    latest = [_Call(number, id, call.name) for number, (id, call) in named]
                    calls += latest
                    place = 0
            continue
        numbers, doubtful = _matched(run, calls, latest)
        guessed += doubtful
        for at in sorted(range(len(run)), key=lambda at: numbers[at] or len(calls) + 1):
            expected = latest[place].number if place < len(latest) else 0
            place += 1
            ordered.append(run[at]._replace(result_of=None if numbers[at] == expected else numbers[at]))
    return ordered, guessed


def _matched(run: Sequence[Turn], calls: Sequence[_Call], latest: Sequence[_Call]) -> tuple[list[int], int]:
    """The number of the call that each result of a run answers, 0 for none; and how many were in doubt."""
    numbers = [0] * len(run)
    guessed = 0
    left = []
    for at, turn in enumerate(run):
        same = [call for call in calls if turn.id and call.id == turn.id]
        # Services that count their ids anew in each turn use one twice.
        same = [call for call in same if call in latest] or same[-1:]
        if not same:
            left.append(at)
            continue
        guessed += len(same) > 1
        numbers[at] = _answer(next((call for call in same if not call.answered), same[-1]))
    for at in left:
        free = [call for call in latest if not call.answered]
        free = [call for call in free if run[at].tool and call.tool == run[at].tool] or free
        if free:
            guessed += len(free) > 1
            numbers[at] = _answer(free[0])
    return numbers, guessed


def _answer(call: _Call) -> int:
    call.answered = True
    return call.number


def _padded(ids: Sequence[str], count: int) -> Sequence[str]:
    return ids if len(ids) == count else [""] * count
