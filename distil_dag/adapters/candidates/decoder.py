"""A student's GGUF file by this project's own decoder: valid calls in few passes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from distil_dag.adapters.candidates.gguf import GgufCandidate
from distil_dag.adapters.serving.student import NotDecodable, Student
from distil_dag.adapters.system.versions import versions
from distil_dag.core.case import Case
from distil_dag.stages.evaluating.answers import Answered
from distil_dag.stages.ports import Progress, quiet


@dataclass
class DecoderCandidate:
    """A student restricted to valid calls of its tools; each case is asked alone and timed.

    A file that the decoder can't handle is asked as `plain` asks it.

    Attributes:
        plain: The same file by plain llama.cpp.
        name: Name in the report; that of `plain` by default.
        model: The model's identity, known after it has answered.
        note: Why the decoder can't handle the file; empty where it can.
    """

    plain: GgufCandidate
    name: str = ""
    model: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        self.name = self.name or self.plain.name

    @property
    def bytes(self) -> int:
        """Size of the file in bytes."""
        return self.plain.bytes

    @property
    def software(self) -> str:
        """Versions of this project and of llama-cpp-python."""
        return versions("distil_dag", "llama-cpp-python")

    def answer(self, cases: Sequence[Case], progress: Progress = quiet) -> list[Answered | None]:
        """One answer for each case, in order.

        Args:
            cases: What to ask.
            progress: Called after each answer.

        Raises:
            FileNotFoundError: The file is missing.
            ValueError: The file is no chat model.
        """
        tools = self.plain.toolset if self.plain.toolset.tools else None
        try:
            # The same context as that of `plain`. Otherwise a case that only one can read would decide.
            student = Student(self.plain.path, tools, context=None)
        except NotDecodable as error:
            self.note = str(error)
            found = self.plain.answer(cases, progress)
            self.model = self.plain.model
            return found
        with student:
            self.model = student.identity
            answers: list[Answered | None] = []
            for case in cases:
                answers.append(self._one(student, case))
                progress(len(answers), len(cases), "")
            return answers

    def _one(self, student: Student, case: Case) -> Answered:
        try:
            answer = student.answer(case.messages, self.plain.max_tokens)
        except ValueError as error:  # the template or the context refuses this conversation
            return Answered("", error=str(error))
        return Answered(
            answer.text,
            answer.milliseconds,
            # An answer that is cut off is never right, however probable its beginning.
            logprob=answer.decoded.logprob if answer.complete else -math.inf,
            score=answer.score if answer.complete else -math.inf,
            drafted=answer.drafted,
            confidence=answer.confidence,
            confident=answer.confident,
            asked=tuple(student.prompt(case.messages)),
            cut=not answer.complete,
        )
