"""Plan a call, then ask the teacher for the words that a user would say for it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distil_dag.core.case import Example, Message
from distil_dag.core.normalise import Normaliser
from distil_dag.core.settings import SynthesisSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.nlu.context_values import ContextValues
from distil_dag.stages.nlu.spans import locate
from distil_dag.stages.nlu.value_catalogue import ValueCatalogue
from distil_dag.stages.ports import Prompt
from distil_dag.stages.prompting.delimiters import one_line
from distil_dag.stages.prompting.prompt_files import render
from distil_dag.stages.synthesis.coverage_plan import Cell
from distil_dag.stages.synthesis.slot_substitution import history
from distil_dag.stages.synthesis.style_directions import Mutator, choose_exemplars

# Chat turns, call in, request out: of four layouts tried with a 135M teacher this one put the planned
# values into the words most often (71 % of replies, against 49 to 64 % for lists to continue).
_MAX_TOKENS = 40
_TOP_P = 0.95


@dataclass(frozen=True)
class Ask:
    """A planned call, the turns in front of its request, and the prompt that asks for the words.

    `made_from`: ids of the case whose call was planned anew, and of those that the teacher sees.
    """

    calls: tuple[ToolCall, ...]
    history: tuple[Message, ...]
    prompt: Prompt
    made_from: tuple[str, ...] = ()


class TeacherPrompts:
    """Asks for requests of one cell; prompts made by one :meth:`asks` share all but their last turn."""

    def __init__(
        self,
        cell: Cell,
        toolset: Toolset,
        catalogue: ValueCatalogue,
        spec: SynthesisSpec,
        normaliser: Normaliser,
    ) -> None:
        self._toolset, self._catalogue, self._spec = toolset, catalogue, spec
        self._normaliser = normaliser
        # Requests that lean on earlier turns say nothing about what to say without them.
        # So do those whose label has values that nobody said: which they are, the teacher would have to look
        # up in a context that it does not see.
        self._context_values = ContextValues(cell.cases, normaliser.context, toolset)
        self._cases = [
            case
            for case in cell.cases
            if all(m.role == "system" for m in history(case)) and not self._context_values.leans(case)
        ]
        self.possible = bool(self._cases) and len(cell.tools) <= 1

    def asks(self, count: int, mutator: Mutator, rng: random.Random) -> list[Ask]:
        """`count` asks with the same exemplars and different calls."""
        exemplars = choose_exemplars(self._cases, mutator, self._spec.exemplars, rng, self._normaliser)
        shown = [Message(role="system", content=self._instruction(mutator))]
        for case in exemplars:
            shown.append(Message(role="user", content=call_line(case.calls)))
            shown.append(Message(role="assistant", content=one_line(case.request)))
        seen = tuple(case.id for case in exemplars)
        return [self._ask(shown, seen, rng) for _ in range(count)]

    def _ask(self, shown: Sequence[Message], seen: tuple[str, ...], rng: random.Random) -> Ask:
        base = rng.choice(self._cases)
        calls = tuple(self._plan(call, base, rng) for call in base.calls)
        prompt = Prompt(
            messages=(*shown, Message(role="user", content=call_line(calls))),
            max_tokens=_MAX_TOKENS,
            temperature=self._spec.temperature,
            top_p=_TOP_P,
            seed=rng.randrange(2**31),
            stop=("\n",),
        )
        return Ask(calls, history(base), prompt, tuple(dict.fromkeys((base.id, *seen))))

    def _plan(self, call: ToolCall, base: Example, rng: random.Random) -> ToolCall:
        arguments: dict[str, Any] = {}
        for name, value in call.arguments.items():
            kind = self._catalogue.kind(call.name, name)
            within = self._context_values.within(base, (call.name, name))
            said = locate(value, base.request)
            if kind is not None and said and within is not None:
                arguments[name] = kind.draw(rng, (call.name, name), within=within)
            else:
                arguments[name] = value
        return ToolCall(name=call.name, arguments=arguments)

    def _instruction(self, mutator: Mutator) -> str:
        tool = self._toolset[self._cases[0].calls[0].name] if self._cases[0].calls else None
        about = tool.description if tool else ""
        return render("call_first", about=about, direction=mutator.name)


def call_line(calls: Sequence[ToolCall]) -> str:
    """A call as plain words, which a small model reads better than JSON."""
    return "; ".join(_line(call.name, call.arguments) for call in calls) or "no tool fits"


def _line(name: str, arguments: Mapping[str, Any]) -> str:
    said = ", ".join(f"{key.replace('_', ' ')} = {one_line(str(value))}" for key, value in arguments.items())
    return name.replace("_", " ") + (f": {said}" if said else "")
