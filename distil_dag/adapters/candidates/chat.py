"""Any chat model as a candidate: the base before training, the teacher, an endpoint."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from distil_dag.adapters.candidates.asking import BATCH, answered, one_by_one
from distil_dag.core.case import Case, Example, Message
from distil_dag.core.context import NOTHING, ContextRule
from distil_dag.core.tool_call import CLOSE_TAG, render_calls
from distil_dag.core.toolset import Toolset
from distil_dag.stages.evaluating.answers import Answered
from distil_dag.stages.ports import ChatModel, Progress, Prompt, quiet
from distil_dag.stages.prompting.tool_signatures import instructions
from distil_dag.stages.student.prompt import student_messages


@dataclass(frozen=True)
class Exemplars:
    """Solved cases that a prompt shows before the question, the same ones for every case.

    Attributes:
        turns: Alternating user and assistant messages.
    """

    turns: tuple[Message, ...] = ()

    @classmethod
    def choose(
        cls, seeds: Sequence[Example], count: int, toolset: Toolset, context: ContextRule = NOTHING
    ) -> Exemplars:
        """Choose seeds of one turn, taken in turn from every tool, the most frequent tool first.

        Args:
            seeds: The examples to choose from.
            count: Number of exemplars.
            toolset: Gives the calls their canonical form.
            context: What is kept of production's system turns; it stands before the words of an exemplar.
        """
        groups: dict[tuple[str, ...], list[Example]] = defaultdict(list)
        for seed in sorted(seeds, key=lambda seed: seed.id):
            if [message.role for message in seed.messages if message.role != "system"] == ["user"]:
                groups[tuple(sorted(call.name for call in seed.calls))].append(seed)
        ranked = sorted(groups.values(), key=lambda group: (-len(group), group[0].id))
        depth = max(map(len, ranked), default=0)
        rounds = [group[place] for place in range(depth) for group in ranked if place < len(group)]
        turns = []
        for seed in rounds[:count]:
            words = "\n\n".join(filter(None, (context.of(seed.messages), seed.request)))
            turns.append(Message(role="user", content=words))
            said = render_calls([toolset.canonical(call) for call in seed.calls])
            turns.append(Message(role="assistant", content=said))
        return cls(tuple(turns))


@dataclass
class ChatCandidate:
    """A chat model that reads the tools in its prompt: base student, teacher, any endpoint.

    The prompt is the task's description, the tools, exemplars if any, and the case. Of production's own
    system prompt it has what the student reads of it.

    Attributes:
        name: Name in the report.
        open: Opens the model.
        toolset: The tools in the prompt.
        max_tokens: Greatest length of an answer, in tokens.
        description: The task's description.
        exemplars: Solved cases in the prompt.
        signatures: Whether tools are written as one line each, for small models without a tool format of
            their own; otherwise the model's own format is used.
        alone: Whether requests are sent one at a time and timed; otherwise in batches, whose latencies would
            say nothing about one answer.
        bytes: Size of the weights, 0 where they are elsewhere.
        model: The model's identity, known after it has answered.
        context: What prompts keep of production's system turns.
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
    context: ContextRule = NOTHING

    def answer(self, cases: Sequence[Case], progress: Progress = quiet) -> list[Answered | None]:
        """One answer for each case, in order."""
        # Small models go on after their call. Where no case wants a second call, the rest is cut off,
        # which helps their score and saves most of the time. Where the prompt asks for nothing but the
        # call, what follows a blank line is cut off too.
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
            for start in range(0, len(prompts), BATCH):
                found += [answered(reply) for reply in chat.generate(prompts[start : start + BATCH])]
                progress(len(found), len(prompts), "")
            return found

    def _messages(self, case: Case) -> tuple[Message, ...]:
        prompt = instructions(self.toolset, self.description) if self.signatures else self.description
        turns = student_messages(case, prompt, self.context)
        system = 1 if turns and turns[0].role == "system" else 0
        return (*turns[:system], *self.exemplars.turns, *turns[system:])
