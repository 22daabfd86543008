"""A student's GGUF file in this process: a request in, tool calls out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from distil_dag.adapters.llamacpp.engine import LlamaCppEngine
from distil_dag.adapters.serving.answering import Answering, NotDecodable, StudentAnswer, identity_of
from distil_dag.adapters.serving.decoder import CallDecoder
from distil_dag.adapters.system.closing import Closing
from distil_dag.core.case import Message
from distil_dag.core.confidence import Confidence
from distil_dag.core.ranking import Ranking
from distil_dag.core.toolset import Toolset

__all__ = ["NotDecodable", "Student", "StudentAnswer"]

# Most tokens of the answers on which a decoder measures its margin.
TRIAL_ROOM = 64


class Student(Closing):
    """A student in this process, held to calls of its tools.

    An answer is that of plain greedy decoding under the tools' grammar, which holds it to the schemas but for
    what `deviations` names. Some students have learned to copy words of the request into arguments. If such
    a student's answer has other words, it is decoded again with only the request's words allowed.

    Close the object, or use it as a context manager, to free its memory. Threads may share it; they take
    turns. `StudentServer` answers many requests at once.

    Args:
        path: The GGUF file.
        tools: Replaces the tools in the file.
        context: Longest prompt with its answer, in tokens; None for the model's training length, at most
            8,192.
        threads: CPU threads; `OMP_NUM_THREADS` or all cores by default.
        flash_attention: Compute attention as one operation, which is faster and moves fewer answers between
            shapes of passes, but sums in half precision on a CPU. Off by default, as in the test.

    Raises:
        FileNotFoundError: There is no file at `path`.
        ValueError: The file is no model.
        NotDecodable: The file is no student, or none of its tools can be called.
    """

    def __init__(
        self,
        path: str | Path,
        tools: Toolset | None = None,
        context: int | None = 2048,
        threads: int | None = None,
        flash_attention: bool = False,
    ) -> None:
        self._path = Path(path)
        self._turn = threading.Lock()
        # As in the test, wherever the student runs.
        self._engine = LlamaCppEngine(self._path, 1, context, threads, flash_attention)
        try:
            asked = self._answering = Answering(self._path, self._engine, tools)
            self._decoder = CallDecoder(self._engine, asked.head)
            self._decoder.measure_margin(asked.grammar, asked.trials, TRIAL_ROOM)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Free the model's memory."""
        self._engine.close()

    @cached_property
    def identity(self) -> str:
        """File name and content hash of the weights."""
        return identity_of(self._path)

    @property
    def calibration(self) -> Confidence | None:
        """How the student's scores are to be read; None where it is not known for these tools."""
        return self._answering.calibration

    @property
    def ranking(self) -> Ranking:
        """What makes scores of probabilities; they are the same where the file does not say."""
        return self._answering.ranking

    @property
    def deviations(self) -> list[str]:
        """Where the grammar says other calls than the schemas, as `tool.argument: why`."""
        return self._answering.deviations

    def answer(
        self, conversation: str | Sequence[Message], max_tokens: int = 256, plain: bool = False
    ) -> StudentAnswer:
        """The calls for a request, or for the last turn of a conversation.

        Args:
            conversation: What a user says, or the messages of a conversation. A system turn is production's
                own, as in the log: what the student learned by heart is left out.
            max_tokens: Greatest length of the answer, in tokens.
            plain: Use plain greedy decoding, one token a pass, which is slower; for comparison.

        Raises:
            ValueError: The conversation is longer than the context.
        """
        attempts = self._answering.attempts(conversation)
        with self._turn:
            attempt = next(attempts)
            while True:
                if plain:
                    decoded = self._decoder.plain(attempt.grammar, attempt.prompt, max_tokens)
                else:
                    decoded = self._decoder.answer(attempt.grammar, attempt.prompt, max_tokens, attempt.draft)
                try:
                    attempt = attempts.send(decoded)
                except StopIteration as end:
                    answer: StudentAnswer = end.value
                    return answer

    def prompt(self, conversation: str | Sequence[Message]) -> list[int]:
        """The token ids that the model gets for a request or a conversation."""
        return self._answering.prompt(conversation)

    def turns(self, conversation: str | Sequence[Message]) -> tuple[Message, ...]:
        """The turns that the student reads of a conversation: what a client sends to a server of its file."""
        return self._answering.turns(conversation)

    @property
    def margin(self) -> float:
        """Lead in logits below which a choice is verified by plain passes, measured on this machine."""
        return self._decoder.margin
