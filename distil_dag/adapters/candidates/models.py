"""What is put to the test: the student in every form, its base, the teacher, production, a lookup."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from distil_dag.adapters.candidates.asking import Rendering, answered, one_by_one, together
from distil_dag.adapters.checkpoints.transformers_model import CheckpointModel
from distil_dag.adapters.llamacpp.chat import LlamaCppChat
from distil_dag.adapters.llamacpp.chat_template import with_tools
from distil_dag.adapters.serving.student import RUN, SYSTEM_PROMPT, TOOLS, TOOLS_IN_PROMPT
from distil_dag.adapters.system.versions import versions
from distil_dag.core.case import Case, Example, HeldOut, Message
from distil_dag.core.tool_call import CLOSE_TAG, render_calls
from distil_dag.core.toolset import Toolset
from distil_dag.stages.evaluating import evaluate as evaluation
from distil_dag.stages.evaluating.answers import Answered
from distil_dag.stages.evaluating.nearest_neighbour import SIMILARITY, nearest_calls
from distil_dag.stages.ports import ChatModel, Progress, Prompt, quiet
from distil_dag.stages.prompting.tool_signatures import instructions
from distil_dag.stages.student.prompt import render_prompt, student_messages

# Prompts that go to a batching model in one call: a cache keeps the replies of a call together,
# so this is also what an interrupted evaluation repeats.
_BATCH = 128
# Cases that a GGUF file answers alone: enough for a median and a 95th percentile of its latency.
TIMED = 40


@dataclass(frozen=True)
class Exemplars:
    """Solved cases that a prompt shows before the question: the same ones for every case."""

    turns: tuple[Message, ...] = ()

    @classmethod
    def choose(cls, seeds: Sequence[Example], count: int, toolset: Toolset) -> Exemplars:
        """`count` seeds of one turn, taken in turn from every tool, the most frequent tool first."""
        groups: dict[tuple[str, ...], list[Example]] = defaultdict(list)
        for seed in sorted(seeds, key=lambda seed: seed.id):
            if [message.role for message in seed.messages if message.role != "system"] == ["user"]:
                groups[tuple(sorted(call.name for call in seed.calls))].append(seed)
        ranked = sorted(groups.values(), key=lambda group: (-len(group), group[0].id))
        depth = max(map(len, ranked), default=0)
        rounds = [group[place] for place in range(depth) for group in ranked if place < len(group)]
        turns = []
        for seed in rounds[:count]:
            turns.append(Message(role="user", content=seed.request))
            said = render_calls([toolset.canonical(call) for call in seed.calls])
            turns.append(Message(role="assistant", content=said))
        return cls(tuple(turns))


@dataclass
class ChatCandidate:
    """A chat model that reads the tools in its prompt: base student, teacher, any endpoint.

    Its prompt is the task's description, the tools, exemplars if any, and the case without
    production's own system prompt. Tools go in the model's own form, or with `signatures` as a
    line each, for small models that were never taught a form. With `alone`, one request is made
    at a time and timed; otherwise batches go out, whose latencies would say nothing about one
    answer.
    """

    name: str
    open: Callable[[], AbstractContextManager[ChatModel]]
    toolset: Toolset
    max_tokens: int
    description: str = ""
    exemplars: Exemplars = field(default_factory=Exemplars)
    signatures: bool = False
    alone: bool = False
    bytes: int = 0
    model: str = ""

    def answer(self, cases: Sequence[Case], progress: Progress = quiet) -> list[Answered | None]:
        """One answer a case."""
        # Small models go on after their call; where no case wants a second one, that is cut off
        # in their favour and saves most of the time. So is what follows a blank line, where the
        # prompt asks for nothing but the call.
        several = any(len(case.calls) > 1 for case in cases)
        stop = (() if several else (CLOSE_TAG,)) + (("\n\n",) if self.signatures else ())
        prompts = [
            Prompt(
                messages=self._messages(case),
                max_tokens=self.max_tokens,
                stop=stop,
                tools=() if self.signatures else tuple(self.toolset.openai()),
            )
            for case in cases
        ]
        with self.open() as chat:
            self.model = chat.identity
            if self.alone:
                return one_by_one(prompts, lambda prompt: answered(chat.generate([prompt])[0]), progress)
            found: list[Answered | None] = []
            for start in range(0, len(prompts), _BATCH):
                found += [answered(reply) for reply in chat.generate(prompts[start : start + _BATCH])]
                progress(len(found), len(prompts), "")
            return found

    def _messages(self, case: Case) -> tuple[Message, ...]:
        prompt = instructions(self.toolset, self.description) if self.signatures else self.description
        turns = student_messages(case, prompt)
        system = 1 if prompt else 0
        return (*turns[:system], *self.exemplars.turns, *turns[system:])


@dataclass
class GgufCandidate:
    """A GGUF file as it is served: by llama.cpp, as its own template asks.

    The first `timed` cases are asked alone, which gives the latencies; the others go out
    together, which takes a third of the time. llama.cpp adds up in another order then, so a
    near tie may fall otherwise: equal calls give equal answers, but a test cut in two need not
    give those of the whole.

    A student of this project is asked as it was trained, by the template and the system prompt that
    the file carries; if it reads tools in its prompt, by `toolset` or, where that is empty, by the
    file's own. Any other file has not seen the tools, so it finds them in its prompt, behind
    `description`.
    """

    path: Path
    toolset: Toolset
    max_tokens: int
    name: str = ""
    description: str = ""
    timed: int = TIMED
    model: str = ""

    def __post_init__(self) -> None:
        self.name = self.name or self.path.name

    @property
    def bytes(self) -> int:
        return self.path.stat().st_size

    @property
    def software(self) -> str:
        return versions("llama-cpp-python")

    def answer(self, cases: Sequence[Case], progress: Progress = quiet) -> list[Answered | None]:
        """One answer a case. Raises FileNotFoundError or ValueError for a file that is no chat model."""
        with LlamaCppChat(self.path) as chat:
            self.model = chat.identity
            carried = chat.metadata
            if RUN not in carried:
                return self._foreign(chat).answer(cases, progress)
            tools = self.toolset.openai() or json.loads(carried.get(TOOLS, "[]"))
            render = Rendering(
                chat.chat_template,
                carried.get(SYSTEM_PROMPT, ""),
                tools if carried.get(TOOLS_IN_PROMPT) == "true" else None,
            )

            def ask(case: Case) -> Answered:
                return together(chat, [case], render, self.max_tokens)[0]

            def counted(done: int, _: int, note: str = "") -> None:
                progress(done, len(cases), note)

            found = one_by_one(cases[: self.timed], ask, counted)
            for start in range(self.timed, len(cases), _BATCH):
                found += together(chat, cases[start : start + _BATCH], render, self.max_tokens)
                progress(len(found), len(cases), "")
            return found

    def _foreign(self, chat: LlamaCppChat) -> ChatCandidate:
        return ChatCandidate(
            name=self.name,
            open=lambda: nullcontext(chat),
            toolset=self.toolset,
            max_tokens=self.max_tokens,
            description=self.description,
            signatures="tools" not in chat.chat_template,
            alone=True,
        )


@dataclass
class CheckpointCandidate:
    """A checkpoint folder by transformers, in batches, whose latencies would say nothing.

    The student is asked as it was trained: its template is given the tools if it learned to read them
    there. With `tools_shown` they stand in the prompt even of a template that has no place for them, for
    a base that has never seen them.
    """

    name: str
    folder: Path
    toolset: Toolset
    max_tokens: int
    system_prompt: str = ""
    tools_in_prompt: bool = False
    tools_shown: bool = False
    model: str = ""

    @property
    def bytes(self) -> int:
        return sum(path.stat().st_size for path in self.folder.glob("*.safetensors"))

    @property
    def software(self) -> str:
        return versions("transformers", "torch")

    def answer(self, cases: Sequence[Case], progress: Progress = quiet) -> list[Answered | None]:
        """One answer a case; the weights are freed before it returns."""
        model = CheckpointModel(self.folder)
        self.model = self.model or model.identity
        render = self.rendering(model)
        found: list[Answered | None] = []
        for start in range(0, len(cases), _BATCH):
            found += together(model, cases[start : start + _BATCH], render, self.max_tokens)
            progress(len(found), len(cases), "")
        return [
            answer and replace(answer, rendered=self._rendered(model, case))
            for case, answer in zip(cases, found, strict=True)
        ]

    def _rendered(self, model: CheckpointModel, case: Case) -> tuple[int, ...]:
        return tuple(model.chat_tokens(self.messages(case), self.tools))

    @property
    def tools(self) -> list[dict[str, Any]] | None:
        """What the template is given."""
        return self.toolset.openai() if self.tools_in_prompt or self.tools_shown else None

    def messages(self, case: Case) -> tuple[Message, ...]:
        """The conversation as a client of the student sends it."""
        return student_messages(case, self.system_prompt)

    def rendering(self, model: CheckpointModel) -> Callable[[Case], str]:
        """From a case to the text of its prompt; ValueError when the template refuses the case."""
        template, special, tools = model.chat_template, model.special_tokens, self.tools
        if not (tools and self.tools_shown and "tools" not in template):
            return Rendering(template, self.system_prompt, tools, special)

        def shown(case: Case) -> str:
            return render_prompt(template, with_tools(self.messages(case), tools), special_tokens=special)

        return shown


@dataclass
class ProductionCandidate:
    """What the old agent answered, where the log knows it."""

    model: str = "production log"
    name: str = evaluation.PRODUCTION
    bytes: int = 0

    def answer(self, cases: Sequence[Case], progress: Progress = quiet) -> list[Answered | None]:
        """The logged calls; None for a case that the log does not hold."""
        return [
            Answered(render_calls(case.production))
            if isinstance(case, HeldOut) and case.production is not None
            else None
            for case in cases
        ]


@dataclass
class LookupCandidate:
    """The calls logged for the nearest request of the traces that remained after the hold-out."""

    log: Sequence[Case]
    name: str = evaluation.LOOKUP
    bytes: int = 0

    @property
    def model(self) -> str:
        return f"nearest of {len(self.log)} traces by {SIMILARITY}"

    def answer(self, cases: Sequence[Case], progress: Progress = quiet) -> list[Answered | None]:
        """The calls of the nearest trace; None for every case when the log is empty."""
        if not self.log:
            return [None] * len(cases)
        found = nearest_calls([case.request for case in cases], self.log)
        return [Answered(render_calls(calls)) for calls in found]
