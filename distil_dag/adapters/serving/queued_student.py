"""A student behind a queue: requests wait for their turn in a thread of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from distil_dag.adapters.serving.student import RUN, TOOLS, Student, StudentAnswer
from distil_dag.adapters.system.closing import Closing
from distil_dag.core.case import Message
from distil_dag.core.toolset import Toolset
from distil_dag.stages.serving.proving.calibration_rows import from_key_values


class QueuedStudent(Closing):
    """A student that answers one request after the other.

    Args:
        path: the GGUF file.
        context: longest request with its answer, in tokens.
        threads: of the CPU; as :class:`Student` says by default.

    Attributes:
        identity: name and content hash of the file.
        tools: the tools that it was trained on.
        run: key of the run that made it.
        calibration: score of its answer to each row that was set aside, and whether it was right.

    Raises:
        FileNotFoundError: there is no file at `path`.
        ValueError: the file is no student.
    """

    def __init__(self, path: Path, context: int, threads: int | None = None) -> None:
        self._student = Student(path, context=context, threads=threads)
        carried = self._student.key_values
        self.tools = Toolset.from_openai(json.loads(carried[TOOLS]))
        self.run = carried[RUN]
        self.calibration = from_key_values(carried)
        self.identity = self._student.identity
        self._thread = ThreadPoolExecutor(1, "student")

    def submit(self, conversation: Sequence[Message], max_tokens: int = 256) -> Future[StudentAnswer]:
        """The answer that is to come.

        Args:
            conversation: the messages, oldest first.
            max_tokens: greatest length of the answer, in tokens.

        Returns:
            A future that fails with ValueError where the conversation is longer than the context.
        """
        return self._thread.submit(self._student.answer, tuple(conversation), max_tokens)

    def close(self) -> None:
        """Give up what waits, and free the model's memory once the last answer is done."""
        self._thread.shutdown(cancel_futures=True)
        self._student.close()
