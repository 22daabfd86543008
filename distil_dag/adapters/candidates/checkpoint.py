"""A checkpoint as a candidate, by transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distil_dag.adapters.candidates.asking import BATCH, Rendering, together
from distil_dag.adapters.checkpoints.transformers_model import CheckpointModel
from distil_dag.adapters.llamacpp.chat_template import with_tools
from distil_dag.adapters.system.versions import versions
from distil_dag.core.case import Case, Message
from distil_dag.core.context import NOTHING, ContextRule
from distil_dag.core.toolset import Toolset
from distil_dag.stages.evaluating.answers import Answered
from distil_dag.stages.ports import Progress, quiet
from distil_dag.stages.student.prompt import render_prompt, student_messages


@dataclass
class CheckpointCandidate:
    """A checkpoint folder by transformers, in batches, without latencies.

    A student is prompted as in its training: its template gets the tools if it learned to read them there.

    Attributes:
        name: Name in the report.
        folder: Folder of the checkpoint.
        toolset: The tools.
        max_tokens: Greatest length of an answer, in tokens.
        system_prompt: The task's system prompt.
        tools_in_prompt: Whether the student was trained with the tools in its prompt.
        tools_shown: Whether the prompt has the tools even where the template has no place for them; for a
            base that has never seen them.
        model: The model's identity; the checkpoint's own by default.
        context: What prompts keep of production's system turns.
    """

    name: str
    folder: Path
    toolset: Toolset
    max_tokens: int
    system_prompt: str = ""
    tools_in_prompt: bool = False
    tools_shown: bool = False
    model: str = ""
    context: ContextRule = NOTHING

    @property
    def bytes(self) -> int:
        """Size of the weights in bytes."""
        return sum(path.stat().st_size for path in self.folder.glob("*.safetensors"))

    @property
    def software(self) -> str:
        """Versions of transformers and torch."""
        return versions("transformers", "torch")

    def answer(self, cases: Sequence[Case], progress: Progress = quiet) -> list[Answered | None]:
        """One answer for each case, in order; the weights are freed before it returns."""
        model = CheckpointModel(self.folder)
        self.model = self.model or model.identity
        render = self.rendering(model)
        found: list[Answered | None] = []
        for start in range(0, len(cases), BATCH):
            found += together(model, cases[start : start + BATCH], render, self.max_tokens)
            progress(len(found), len(cases), "")
        return [
            answer and replace(answer, rendered=self._rendered(model, case))
            for case, answer in zip(cases, found, strict=True)
        ]

    def _rendered(self, model: CheckpointModel, case: Case) -> tuple[int, ...]:
        return tuple(model.chat_tokens(self.messages(case), self.tools))

    @property
    def tools(self) -> list[dict[str, Any]] | None:
        """The tool definitions that the template gets; None for none."""
        return self.toolset.openai() if self.tools_in_prompt or self.tools_shown else None

    def messages(self, case: Case) -> tuple[Message, ...]:
        """The conversation as a client of the student sends it."""
        return student_messages(case, self.system_prompt, self.context)

    def rendering(self, model: CheckpointModel) -> Callable[[Case], str]:
        """A function from a case to the text of its prompt.

        Args:
            model: The loaded checkpoint, for its template and special tokens.

        Returns:
            A function from a case to the text of its prompt.

        Raises:
            ValueError: From that function, when the template refuses the case.
        """
        template, special, tools = model.chat_template, model.special_tokens, self.tools
        if not (tools and self.tools_shown and "tools" not in template):
            return Rendering(template, self.system_prompt, tools, special, self.context)

        def shown(case: Case) -> str:
            return render_prompt(template, with_tools(self.messages(case), tools), special_tokens=special)

        return shown
