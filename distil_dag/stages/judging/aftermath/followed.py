"""What followed each answer of a log: errors of its tools, users who take it back, low scores.

A request carries its history, so what came after an answer stands in a later record of the same conversation.
The two are matched by what was said, since few logs name their conversations.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime

from distil_dag.core.case import Message, Trace
from distil_dag.core.conversation import answered_calls
from distil_dag.core.normalise import Phrases, words
from distil_dag.core.tool_call import Calls, calls_key
from distil_dag.stages.judging.aftermath.tool_errors import blames_the_call

TOOL_ERROR = "its tool answered with an error"
TAKEN_BACK = "the user took it back"
LOW_SCORE = "a score speaks against it"

_FIRST_WORDS, _SHOWN = 8, 200


@dataclass(frozen=True)
class Aftermath:
    """What speaks against an answer.

    Attributes:
        reason: a short category, which reports count.
        said: the words of the tool or of the user.
    """

    reason: str
    said: str


@dataclass(frozen=True)
class _Turn:
    """An answer with calls in the history of a record, and what stands behind it there.

    Attributes:
        key: of the conversation up to the answer, with its calls.
        results: key of a call, and the words of its result.
        said: the last words of the assistant before the user's.
        reply: the user's next turn; empty where there is none.
    """

    key: bytes
    results: tuple[tuple[str, str], ...]
    said: str
    reply: str


def aftermaths(traces: Sequence[Trace], corrections: Sequence[str]) -> dict[str, Aftermath]:
    """What speaks against the answers of a log.

    An error of a tool counts unless the tool itself failed, or took the same call at another time. A user
    takes an answer back by one of `corrections` among the first words of the next turn, unless the assistant
    had asked something. A score counts where its name says that it is one of the answer.

    Args:
        traces: the log, in any order.
        corrections: phrases by which a user takes an answer back.

    Returns:
        Trace id -> what speaks against it. Where several conversations began alike, it is the one of the same
        record, or the latest one before; nothing where neither is known.
    """
    phrases = Phrases(corrections)
    went_well = {
        call
        for trace in traces
        for turn in _turns(trace.messages)
        for call, said in turn.results
        if not blames_the_call(said)
    }
    answers: dict[bytes, list[Trace]] = defaultdict(list)
    for trace in traces:
        if trace.calls:
            answers[_with(_digest(trace.messages), trace.calls)].append(trace)
    found = {
        trace.id: Aftermath(LOW_SCORE, ", ".join(map(str, bad)))
        for trace in traces
        if (bad := [one for one in trace.feedback if one.is_bad])
    }
    known: set[_Turn] = set()
    # Later records repeat what the first one shows, which is the nearest to the answer.
    for trace in sorted(traces, key=lambda one: (_moment(one), one.step, one.id)):
        for turn in _turns(trace.messages):
            against = None if turn in known else _against(turn, phrases, went_well)
            known.add(turn)
            answer = _answer(answers.get(turn.key, ()), trace) if against else None
            if against and answer:
                found.setdefault(answer.id, against)
    return found


def _turns(messages: Sequence[Message]) -> Iterator[_Turn]:
    """The answers with calls in a history, each with its results and the words of the user behind it."""
    places = [place for place, message in enumerate(messages) if message.tool_calls]
    if not places:
        return
    calls = [call for message in messages for call in message.tool_calls]
    answered = answered_calls(messages)
    for place, end in zip(places, [*places[1:], len(messages)], strict=True):
        behind = range(place + 1, end)
        asked = next((at for at in behind if messages[at].role == "user"), end)
        between = [messages[at].content for at in range(place + 1, asked) if messages[at].role == "assistant"]
        yield _Turn(
            key=_with(_digest(messages[:place]), messages[place].tool_calls),
            results=tuple(
                (calls[answered[at] - 1].key(), messages[at].content)
                for at in behind
                if messages[at].role == "tool" and answered[at]
            ),
            said=between[-1] if between else "",
            reply=messages[asked].content if asked < end else "",
        )


def _against(turn: _Turn, phrases: Phrases, went_well: Set[str]) -> Aftermath | None:
    if turn.reply and "?" not in turn.said:
        first = words(turn.reply)[:_FIRST_WORDS]
        if any(phrases.length_at(first, place) for place in range(len(first))):
            return Aftermath(TAKEN_BACK, turn.reply[:_SHOWN])
    for call, said in turn.results:
        if call not in went_well and blames_the_call(said):
            return Aftermath(TOOL_ERROR, said[:_SHOWN])
    return None


def _answer(alike: Sequence[Trace], later: Trace) -> Trace | None:
    """Which of the answers that were given alike a later record follows; None where that is left open."""
    record = later.id.partition("#")[0]
    for trace in alike:
        if trace.id.partition("#")[0] == record:
            return trace
    before = [trace for trace in alike if trace.time and later.time and _moment(trace) <= _moment(later)]
    if before:
        return max(before, key=lambda trace: (_moment(trace), trace.id))
    return alike[0] if len(alike) == 1 else None


def _moment(trace: Trace) -> datetime:
    if trace.time is None:
        return datetime.min.replace(tzinfo=UTC)
    return trace.time if trace.time.tzinfo else trace.time.replace(tzinfo=UTC)


def _digest(messages: Sequence[Message]) -> bytes:
    """What was said, without system prompts, which may tell the hour."""
    said = [
        (message.role, calls_key(message.tool_calls) or message.content.strip())
        for message in messages
        if message.role != "system"
    ]
    return hashlib.blake2b(repr(said).encode(errors="surrogatepass"), digest_size=16).digest()


def _with(before: bytes, calls: Calls) -> bytes:
    return hashlib.blake2b(before + calls_key(calls).encode(errors="surrogatepass"), digest_size=16).digest()
