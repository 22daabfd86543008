"""How a student answers: what it never does, and what it will probably say, guessed from the request.

An intent and slot model learned from the student's own training rows and travels in the model's file. A
draft is only ever checked, so a wrong one costs time and changes no answer; it goes on from wherever the
student has turned another way.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Self

from distil_dag.core.case import Case
from distil_dag.core.schema_options import types_of
from distil_dag.core.tool_call import CLOSE_TAG, NO_CALL_TEXT, OPEN_TAG, ToolCall, render_call
from distil_dag.core.toolset import Toolset
from distil_dag.stages.nlu.intent_slots import CompactModel
from distil_dag.stages.nlu.spans import number_words, stands_in, surfaces, tokens

# Key-value of a student's GGUF file, and file beside its checkpoint, that hold the habits.
KEY, FILE = "distil_dag.habits", "habits.json"
_NAME, _ARGUMENTS = '{"name":', ',"arguments":{'
# An argument that was never anything but words of the request in so many rows is one that is copied. All
# texts are if none of so many, of whatever argument, was anything else.
_ENOUGH = 20
# Of a draft of a whole answer.
_MOST_CALLS = 16
# What makes a text a code that nobody says.
_CODED = frozenset({"enum", "const", "format", "pattern"})


class DraftModel:
    """How a student answers: calls in one answer, whether it declines, and drafts of its answers.

    `most_calls` is None where nobody knows. `copied` are the arguments, by tool and name, whose texts
    are always words of the request.
    """

    def __init__(
        self,
        toolset: Toolset,
        most_calls: int | None,
        declines: bool,
        copied: Iterable[tuple[str, str]],
        model: CompactModel,
    ) -> None:
        self.most_calls, self.declines, self.copied = most_calls, declines, sorted(copied)
        self._toolset, self._model = toolset, model

    @classmethod
    def fit(cls, cases: Sequence[Case], toolset: Toolset) -> Self:
        """Learn from cases whose calls are what the student is trained to answer."""
        cases = [
            case.model_copy(update={"calls": tuple(toolset.canonical(call) for call in case.calls)})
            for case in cases
        ]
        return cls(
            toolset,
            most_calls=max((len(case.calls) for case in cases), default=0),
            declines=any(not case.calls for case in cases),
            copied=_always_copied(cases, toolset),
            model=CompactModel.fit(cases, [_key(case.calls) for case in cases]),
        )

    @classmethod
    def unknown(cls, toolset: Toolset) -> Self:
        """Of a student whose training rows nobody kept: any number of calls; drafts are copies only."""
        return cls(toolset, None, True, [], CompactModel.fit([], []))

    def dumps(self) -> str:
        """The habits as JSON."""
        found = [self.most_calls, self.declines, self.copied, *self._model.state()]
        return json.dumps(found, separators=(",", ":"))

    @classmethod
    def loads(cls, text: str, toolset: Toolset) -> Self:
        """From what `dumps` gave; ValueError if it is something else."""
        try:
            most_calls, declines, copied, *state = json.loads(text)
            known = [(str(tool), str(argument)) for tool, argument in copied]
            most = most_calls if most_calls is None else int(most_calls)
            return cls(toolset, most, bool(declines), known, CompactModel.from_state(*state))
        except (ValueError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"the habits in the model's file can't be read: {error}") from error

    def draft(self, request: str) -> Callable[[bytes], bytes]:
        """For one request: what was said so far -> what probably follows."""
        chances = self._model.intents(request)
        keys = [json.loads(key) for key in sorted(chances, key=lambda key: -chances[key])]
        keys += [[name] for name in self._toolset.names]
        arguments = lru_cache(maxsize=8)(lambda tool: self._arguments(request, tool))

        def follow(said: bytes) -> bytes:
            done, _, behind = said.decode("utf-8", "ignore").rpartition(CLOSE_TAG)
            place = done.count(CLOSE_TAG) + bool(done)
            begun = behind.lstrip("\n")
            newline = b"\n" if done and not behind else b""
            likely = keys[0] if chances else None
            if not begun and likely is not None and len(likely) <= place:
                return b"" if place else NO_CALL_TEXT.encode()
            names = [key[place] for key in keys if len(key) > place and key[place] in self._toolset]
            fitting = (name for name in names if _fits(_opening(name), begun))
            name = next(fitting, None) if begun or likely is not None else None
            return b"" if name is None else newline + self._rest(request, name, arguments(name), begun)

        return follow

    def answer(self, request: str) -> str:
        """The whole answer that it would give."""
        follow, said = self.draft(request), b""
        for _ in range(_MOST_CALLS):
            more = follow(said)
            if not more:
                break
            said += more
        return said.decode()

    def _rest(self, request: str, name: str, likely: dict[str, Any], begun: str) -> bytes:
        """What follows `begun` in a call of this tool with the likely arguments, as far as they fit."""
        opening = _opening(name)
        if begun.startswith(opening):
            order = list(self._toolset[name].properties)
            given, key, value = _read(begun[len(opening) :])
            closed = not key and value.startswith("}")
            last = max((order.index(k) for k in (*given, key) if k in order), default=-1)
            if value.startswith('"'):
                given[key] = _copied(value[1:], str(likely.get(key, "")), request)
            elif key in likely:
                given[key] = likely[key]
            later = {} if closed else {k: v for k, v in likely.items() if order.index(k) > last}
            likely = given | later
        whole = f"{OPEN_TAG}{render_call(ToolCall(name=name, arguments=likely))}{CLOSE_TAG}"
        return whole[len(begun) :].encode() if whole.startswith(begun) else b""

    def _arguments(self, request: str, tool: str) -> dict[str, Any]:
        """Argument -> value, in the order of the schema, for those that seem to be in the words."""
        properties = self._toolset[tool].properties
        spans = self._model.spans(tool, request, properties)
        values = {n: _value(request[slice(*spans[n])], properties[n]) for n in properties if n in spans}
        return {name: value for name, value in values.items() if value is not None}


def _always_copied(cases: Sequence[Case], toolset: Toolset) -> set[tuple[str, str]]:
    found: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for case in cases:
        for call in case.calls:
            for name, value in call.arguments.items():
                found[call.name, name].append(isinstance(value, str) and stands_in(value, case.request))
    proven = {argument for argument, copies in found.items() if len(copies) >= _ENOUGH and all(copies)}
    texts = {
        (tool.name, name)
        for tool in toolset.tools
        for name, schema in tool.properties.items()
        if {*types_of(schema)} - {"null"} == {"string"} and not _CODED & schema.keys()
    }
    together = [copied for argument, copies in found.items() if argument in texts for copied in copies]
    return proven | texts if len(together) >= _ENOUGH and all(together) else proven


def _opening(name: str) -> str:
    return f"{OPEN_TAG}{_NAME}{json.dumps(name, ensure_ascii=False)}{_ARGUMENTS}"


def _fits(opening: str, begun: str) -> bool:
    return opening.startswith(begun) or begun.startswith(opening)


def _key(calls: Sequence[ToolCall]) -> str:
    return json.dumps([call.name for call in calls])


def _value(words: str, schema: dict[str, Any]) -> Any:
    """What the words say as a value of this schema; None if nothing that it allows."""
    plain = words.casefold()
    if "enum" in schema:
        return next((v for v in schema["enum"] if plain in (s.casefold() for s in surfaces(v))), None)
    match [kind for kind in types_of(schema) if kind != "null"]:
        case ["string"]:
            return words
        case ["integer" | "number"]:
            try:
                return json.loads(plain)
            except ValueError:
                return _numbers().get(plain.replace("-", " "))
    return None


@lru_cache(maxsize=1)
def _numbers() -> dict[str, int]:
    return {str(number_words(n)): n for n in range(-999, 1000)}


def _read(body: str) -> tuple[dict[str, Any], str, str]:
    """The whole members of an object that is still being said, the key behind them, and what follows that."""
    decoder = json.JSONDecoder()
    members: dict[str, Any] = {}
    while True:
        body = body.lstrip(",")
        try:
            key, end = decoder.raw_decode(body)
        except ValueError:
            return members, "", body
        rest = body[end + 1 :]
        try:
            value, end = decoder.raw_decode(rest)
        except ValueError:
            return members, str(key), rest
        if end == len(rest) and not rest.endswith(('"', "]", "}")):  # a number may go on
            return members, str(key), rest
        members[str(key)] = value
        body = rest[end:]


def _copied(begun: str, likely: str, request: str) -> str:
    """A value that begins like this: the likely one, or words of the request up to the end of a word."""
    if likely.startswith(begun):
        return likely
    for word, start, _ in tokens(request):
        if word and request[start:].startswith(begun):
            ends = [end for _, _, end in tokens(request) if end >= start + len(begun)]
            return request[start : ends[0]] if ends else begun
    return begun
