"""A GGUF file as a candidate, served by llama.cpp."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from distil_dag.adapters.candidates.asking import BATCH, Rendering, one_by_one, together
from distil_dag.adapters.candidates.chat import ChatCandidate
from distil_dag.adapters.llamacpp.chat import LlamaCppChat
from distil_dag.adapters.serving.answering import RUN, SYSTEM_PROMPT, TOOLS, TOOLS_IN_PROMPT, context_of
from distil_dag.adapters.system.versions import versions
from distil_dag.core.case import Case
from distil_dag.core.context import NOTHING, ContextRule
from distil_dag.core.toolset import Toolset
from distil_dag.stages.evaluating.answers import Answered
from distil_dag.stages.ports import Progress, quiet

# Cases that a GGUF file answers alone, enough for a median and a 95th percentile of its latency.
TIMED = 40


@dataclass
class GgufCandidate:
    """A GGUF file as it is served: by llama.cpp without flash attention, with its own chat template.

    The first `timed` cases are asked alone, which gives the latencies. The others are asked together, which
    takes a third of the time. llama.cpp adds up in another order then, so a near tie may fall otherwise.
    Equal calls give equal answers, but a test in two parts need not give the answers of the whole.

    A student of this project is prompted as in its training, with the template and the system prompt in the
    file. If it reads tools in its prompt, it gets `toolset` or, where that is empty, the file's own. Any
    other file has not seen the tools, so its prompt has them after `description`.

    Attributes:
        path: The GGUF file.
        toolset: The tools; empty for those in the file.
        max_tokens: Greatest length of an answer, in tokens.
        name: Name in the report; the file's name by default.
        description: The task's description, for files that are no student.
        context: What files that are no student read of production's system turns.
        timed: Number of cases that are asked alone.
        model: The model's identity, known after it has answered.
    """

    path: Path
    toolset: Toolset
    max_tokens: int
    name: str = ""
    description: str = ""
    context: ContextRule = NOTHING
    timed: int = TIMED
    model: str = ""

    def __post_init__(self) -> None:
        self.name = self.name or self.path.name

    @property
    def bytes(self) -> int:
        """Size of the file in bytes."""
        return self.path.stat().st_size

    @property
    def software(self) -> str:
        """Version of llama-cpp-python."""
        return versions("llama-cpp-python")

    def answer(self, cases: Sequence[Case], progress: Progress = quiet) -> list[Answered | None]:
        """One answer for each case, in order.

        Args:
            cases: What to ask.
            progress: Called after each answer, or after each batch.

        Raises:
            FileNotFoundError: The file is missing.
            ValueError: The file is no model, or has no chat template.
        """
        with LlamaCppChat(self.path, flash_attention=False) as chat:
            chat.require_template()
            self.model = chat.identity
            carried = chat.metadata
            if RUN not in carried:
                return self._foreign(chat).answer(cases, progress)
            tools = self.toolset.openai() or json.loads(carried.get(TOOLS, "[]"))
            render = Rendering(
                chat.chat_template,
                carried.get(SYSTEM_PROMPT, ""),
                tools if carried.get(TOOLS_IN_PROMPT) == "true" else None,
                chat.special_tokens,
                context_of(carried),
            )

            def ask(case: Case) -> Answered:
                return together(chat, [case], render, self.max_tokens)[0]

            def counted(done: int, _: int, note: str = "") -> None:
                progress(done, len(cases), note)

            found = one_by_one(cases[: self.timed], ask, counted)
            for start in range(self.timed, len(cases), BATCH):
                found += together(chat, cases[start : start + BATCH], render, self.max_tokens)
                progress(len(found), len(cases), "")
            return found

    def _foreign(self, chat: LlamaCppChat) -> ChatCandidate:
        return ChatCandidate(
            name=self.name,
            open=lambda: nullcontext(chat),
            toolset=self.toolset,
            max_tokens=self.max_tokens,
            description=self.description,
            context=self.context,
            signatures="tools" not in chat.chat_template,
            alone=True,
        )
