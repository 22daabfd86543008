"""A student's GGUF file in this process, for many requests at once: those that come together share passes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from distil_dag.adapters.llamacpp.engine import LlamaCppEngine
from distil_dag.adapters.serving.answering import Answering, Attempt, StudentAnswer, identity_of
from distil_dag.adapters.serving.batch_decoder import BatchDecoder
from distil_dag.adapters.serving.decoder import CallDecoder, head_of
from distil_dag.adapters.serving.decoding import Decoded, Decoding
from distil_dag.adapters.serving.student import TRIAL_ROOM
from distil_dag.adapters.system.closing import Closing
from distil_dag.core.case import Message
from distil_dag.core.toolset import Toolset
from distil_dag.stages.serving.proving.calibration_rows import ScoredRow

# Cells of the cache for each further answer that goes on at the same time.
_CELLS = 128
# Most tokens in a shared pass. A token costs hardly less in a longer one, and all wait for it. From 64 tokens
# on, llama.cpp's flash attention on a CPU also sums in another order.
_PASS = 63


class Busy(RuntimeError):
    """As many requests wait as may wait."""


@dataclass(eq=False)
class _Request:
    future: Future[StudentAnswer]
    attempts: Generator[Attempt, Decoded, StudentAnswer]
    attempt: Attempt
    max_tokens: int


class StudentServer(Closing):
    """A student that answers many requests at once, each as `Student` answers it alone.

    A request joins the next pass, and its answer leaves when it is whole. One thread of this object runs the
    passes. Close the object, or use it as a context manager, to end it.

    Args:
        path: The GGUF file.
        tools: Replaces the tools in the file.
        context: Longest prompt with its answer, in tokens; None for the model's training length, at most
            8,192.
        threads: CPU threads; `OMP_NUM_THREADS` or all cores by default.
        flash_attention: Compute attention as one operation, which is faster and moves fewer answers between
            shapes of passes, but sums in half precision on a CPU. Off by default, as in the test.
        parallel: Number of answers that go on at once.
        waiting: Number of requests that may wait for one of these to end.

    Attributes:
        identity: File name and content hash of the weights.

    Raises:
        FileNotFoundError: There is no file at `path`.
        ValueError: The file is no model, or the memory does not suffice.
        NotDecodable: The file is no student, or none of its tools can be called.
    """

    def __init__(
        self,
        path: str | Path,
        tools: Toolset | None = None,
        context: int | None = 2048,
        threads: int | None = None,
        parallel: int = 8,
        waiting: int = 1024,
        flash_attention: bool = False,
    ) -> None:
        self._path, self._limit = Path(path), waiting
        self._waiting: deque[_Request] = deque()
        self._requests: dict[Decoding, _Request] = {}
        self._closed = False
        self._preparing = 0  # threads that use the model's vocabulary now
        self._changed = threading.Condition()
        self._engine = LlamaCppEngine(self._path, 1, context, threads, flash_attention)
        # At once: another file may take its place at this path.
        self.identity = identity_of(self._path)
        self._shared: LlamaCppEngine | None = None
        try:
            asked = self._answering = Answering(self._path, self._engine, tools)
            cells = self._engine.cache_size + (parallel - 1) * _CELLS
            self._shared = self._engine.sibling(parallel, cells, _PASS)
            self._alone = CallDecoder(self._engine, asked.head)
            self._decoder = BatchDecoder(self._shared, self._alone, asked.head)
            self._decoder.measure_margin(asked.grammar, asked.trials, TRIAL_ROOM)
        except BaseException:
            self._free()
            raise
        self._worker = threading.Thread(target=self._work, name="student", daemon=True)
        self._worker.start()

    def submit(self, conversation: str | Sequence[Message], max_tokens: int = 256) -> Future[StudentAnswer]:
        """Ask for the calls for a request, or for the last turn of a conversation; from any thread.

        Args:
            conversation: As for :meth:`Student.answer`.
            max_tokens: Greatest length of the answer, in tokens.

        Returns:
            The answer to come. A cancelled one takes no further part in any pass. It fails with ValueError
            where the conversation is longer than the context, and with RuntimeError where llama.cpp fails or
            the student is closed meanwhile. Its callbacks run between passes, so they should be short.

        Raises:
            Busy: Too many requests wait.
            RuntimeError: The student is closed.
        """
        future: Future[StudentAnswer] = Future()
        with self._open():
            attempts = self._answering.attempts(conversation)
            try:
                request = _Request(future, attempts, next(attempts), max_tokens)
            except ValueError as error:
                future.set_exception(error)
                return future
            with self._changed:
                self._require_open()
                if len(self._waiting) >= self._limit:
                    raise Busy(f"{self._limit} requests wait for the student already; ask again later")
                self._waiting.append(request)
                self._changed.notify_all()
        return future

    def close(self) -> None:
        """Let the answers under way end, refuse the requests that wait, and free the model's memory."""
        with self._changed:
            self._closed = True
            refused = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        for request in refused:
            _fail(request, RuntimeError("the student was closed before it answered"))
        self._worker.join()
        with self._changed:
            self._changed.wait_for(lambda: not self._preparing)
        self._free()

    @property
    def tools(self) -> Toolset:
        """The tools that an answer may call."""
        return self._answering.tools

    @property
    def run(self) -> str:
        """Key of the run that made the file."""
        return self._answering.run

    @property
    def calibration(self) -> Sequence[ScoredRow]:
        """Score of its answer to each row that was set aside, and whether it was right."""
        return self._answering.set_aside

    @property
    def margin(self) -> float:
        """Lead in logits below which a choice is verified by plain passes, measured on this machine."""
        return self._decoder.margin

    @contextmanager
    def _open(self) -> Iterator[None]:
        """Keep the model open meanwhile."""
        with self._changed:
            self._require_open()
            self._preparing += 1
        try:
            yield
        finally:
            with self._changed:
                self._preparing -= 1
                self._changed.notify_all()

    def _require_open(self) -> None:
        if self._closed:
            raise RuntimeError("the student is closed")

    def _work(self) -> None:
        while self._take_in():
            try:
                ended = self._decoder.step()
            except Exception as error:  # the batch fails, the next one goes on
                failed, self._requests = list(self._requests.values()), {}
                self._decoder.clear()
                for request in failed:
                    _fail(request, error)
                continue
            for decoding, outcome in ended:
                self._go_on(self._requests.pop(decoding), outcome)

    def _take_in(self) -> bool:
        """Begin what waits, as far as there is room; False when nothing is left to do for ever."""
        for decoding in [one for one, request in self._requests.items() if request.future.cancelled()]:
            del self._requests[decoding]
            self._decoder.drop(decoding)
        while True:
            with self._changed:
                while not (self._waiting or self._requests or self._closed):
                    self._changed.wait()
                room = len(self._requests) < self._decoder.parallel
                request = self._waiting.popleft() if self._waiting and room else None
            if request is None:
                return bool(self._requests)
            if not request.future.cancelled():
                self._begin(request)

    def _begin(self, request: _Request) -> None:
        """Let a request's next attempt join the passes; what goes wrong with it is its own."""
        attempt = request.attempt
        try:
            room = self._alone.room_behind(attempt.prompt, request.max_tokens)
            head = len(head_of(attempt.prompt, self._answering.head))
            decoding = Decoding(attempt.grammar, attempt.prompt, room, head, attempt.draft)
            goes_on = decoding.goes_on()
        except Exception as error:
            _fail(request, error)
            return
        if goes_on:
            self._requests[decoding] = request
            self._decoder.add(decoding)
        else:
            self._go_on(request, decoding.decoded)

    def _go_on(self, request: _Request, outcome: Decoded | ValueError) -> None:
        """Answer a request, or begin its next attempt."""
        if isinstance(outcome, ValueError):
            _fail(request, outcome)
            return
        try:
            request.attempt = request.attempts.send(outcome)
        except StopIteration as end:
            if request.future.set_running_or_notify_cancel():
                request.future.set_result(end.value)
        except Exception as error:
            _fail(request, error)
        else:
            self._begin(request)

    def _free(self) -> None:
        if self._shared:
            self._shared.close()
        self._engine.close()


def _fail(request: _Request, error: Exception) -> None:
    if request.future.set_running_or_notify_cancel():
        request.future.set_exception(error)
