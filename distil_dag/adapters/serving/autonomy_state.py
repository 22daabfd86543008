"""What a student has proved, kept in a file: a killed server goes on where it was."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from pathlib import Path

from distil_dag.adapters.system.closing import Closing
from distil_dag.adapters.system.locks import locked
from distil_dag.core.files import write_whole
from distil_dag.stages.serving.autonomy import Autonomy
from distil_dag.stages.serving.standing import Decision, Standing

log = logging.getLogger(__name__)

# Compared answers between two writes, unless the threshold changes before.
_EVERY = 32


def state_file(home: Path, task: str, is_candidate: bool = False) -> Path:
    """Where the evidence about a task's student is kept, or that about a candidate for its place.

    Args:
        home: of the installation.
        task: the name under which it is served.
        is_candidate: whether it is the candidate's.
    """
    folder = home / "serving"
    return (folder / "candidates" if is_candidate else folder) / f"{task}.json"


class KeptAutonomy(Closing):
    """Earned autonomy whose state lies in a file, written whole under a temporary name and renamed.

    It is written at once when the student is given more or less, after every 32nd answer that both gave, and
    on closing. A process that is killed loses the evidence of 31 answers at most, never a decision to give
    back.

    What was lost was not chosen by what it said, so the promise holds as before. A machine that loses
    power may lose more, or leave a damaged file. Such a file is moved aside, and evidence begins anew.

    For one thread at a time, as `Autonomy` itself. Close it, or use it as a context manager.

    Args:
        autonomy: a fresh one, with the identity of today's student.
        path: the file; its folder is made.

    Raises:
        BlockingIOError: Another process keeps its evidence in this file.
    """

    def __init__(self, autonomy: Autonomy, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._held = ExitStack()
        try:
            self._held.enter_context(locked(path.with_name(f"{path.name}.lock"), wait=False))
        except BlockingIOError:
            raise BlockingIOError(
                f"another process keeps the student's evidence in {path}: end it, or name another file"
            ) from None
        self._autonomy, self._path, self._waiting = autonomy, path, 0
        self._is_closed = False
        try:
            self._resume()
        except BaseException:
            self._held.close()
            raise

    @property
    def may_answer(self) -> bool:
        """Whether any score suffices now."""
        return self._autonomy.may_answer

    @property
    def standing(self) -> Standing:
        """What the student may answer alone by now, and on what evidence."""
        return self._autonomy.standing

    def decide(self, score: float) -> Decision:
        """What is done with an answer of this score."""
        return self._autonomy.decide(score)

    def learn(self, score: float, agreed: bool, audited: bool, weight: float | None = None) -> None:
        """Take note of an answer that the teacher was asked about too; as :meth:`Autonomy.learn`.

        After the end nothing is learned.

        Raises:
            OSError: The state can't be written. The answer is learned nevertheless.
        """
        if self._is_closed:
            return  # the file may be another's by now
        before = self._autonomy.threshold
        self._autonomy.learn(score, agreed, audited, weight)
        self._waiting += 1
        if self._autonomy.threshold != before:
            change = self._autonomy.standing.history[-1]
            log.info("%s: %s: %.1f %% of requests", self._path.stem, change.what, 100 * change.coverage)
        if self._waiting >= _EVERY or self._autonomy.threshold != before:
            self._write()

    def close(self) -> None:
        """Write what was learned since, and let go of the file."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if self._waiting:
                self._write()
        finally:
            self._held.close()

    def _resume(self) -> None:
        if self._path.exists():
            try:
                self._autonomy.resume(self._path.read_text(encoding="utf-8"))
            except ValueError as error:
                aside = self._path.with_name(f"{self._path.name}.damaged")
                os.replace(self._path, aside)
                self._autonomy.restart(f"{error}; it lies in {aside.name}")
        self._write()

    def _write(self) -> None:
        write_whole(self._path, self._autonomy.dumps().encode())
        self._waiting = 0
