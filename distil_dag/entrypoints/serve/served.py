"""A task as it is served: its student, which may be put in another's place under load, and its teacher."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distil_dag.adapters.serving.teacher import Teacher
from distil_dag.core.serving import ServingSettings
from distil_dag.entrypoints.serve.candidate import Candidate
from distil_dag.entrypoints.serve.loaded import Loaded, ServedStudent
from distil_dag.stages.serving.policy import Policy, TeacherOnly

log = logging.getLogger(__name__)

Stamp = tuple[str, int, int, int]
"""By which a file is known again: path, inode, size, time of change."""


@dataclass
class Served:
    """A task, or a file, under its name.

    Attributes:
        name: what clients call it.
        settings: how it is served.
        source: finds the file of its student, which may be another one each time.
        load: brings a file into memory.
        policy: makes what decides for a student; the one before it is closed by then.
        teacher: who answers what the student does not; None without one.
        candidate: another student beside it; None without one.
        since: when it was begun to be served, in seconds since 1970.
        current: the student of new requests.
    """

    name: str
    settings: ServingSettings
    source: Callable[[], Path]
    load: Callable[[Path], ServedStudent]
    policy: Callable[[ServedStudent], Policy]
    teacher: Teacher | None = None
    candidate: Candidate | None = None
    since: int = 0
    current: Loaded = field(init=False)
    _stamp: Stamp = field(init=False)

    def open(self) -> None:
        """Bring the student into memory.

        Raises:
            FileNotFoundError: there is no student.
            ValueError: the file is none.
        """
        path = self.source()
        self._stamp = stamp(path)
        student = self.load(path)
        self.current = Loaded(student, self.policy(student))

    def student_for(self, chat: Mapping[str, Any], conversation: str | None) -> Loaded:
        """The student of a new request: the current one, or the candidate where it is the candidate's own."""
        if self.candidate and self.candidate.owns(chat, conversation):
            return self.candidate.loaded
        return self.current

    async def refresh(self) -> bool:
        """Put another student in the place of the current one, where there is another by now.

        Requests that are under way end with the student that they began with.

        Returns:
            Whether it is another one.

        Raises:
            OSError: the new one can't be read; the old one stays.
            ValueError: it is no student; the old one stays.
        """
        path = await asyncio.to_thread(self.source)
        found = await asyncio.to_thread(stamp, path)
        if found == (before := self._stamp):
            return False
        # A file that can't be loaded is not tried again before it changes.
        self._stamp = found
        student = await asyncio.to_thread(self.load, path)
        old = self.current
        old.policy.close()
        try:
            new = Loaded(student, self.policy(student))
        except Exception:
            # Nothing could be learned of the old one either, so it is not heard until this works.
            old.policy, self._stamp = TeacherOnly(), before
            await asyncio.to_thread(student.close)
            raise
        self.current, old.retired = new, True
        old.free()
        log.info("%s: %s answers in the place of %s", self.name, new.student.identity, old.student.identity)
        return True

    async def close(self) -> None:
        """Free all memory and end all connections."""
        for loaded in (self.current, *([self.candidate.loaded] if self.candidate else [])):
            loaded.policy.close()
            await asyncio.to_thread(loaded.student.close)
        if self.teacher:
            await self.teacher.close()


def stamp(path: Path) -> Stamp:
    """What tells a file from another one in its place, without reading it."""
    real = path.resolve(strict=True)
    known = os.stat(real)
    return str(real), known.st_ino, known.st_size, known.st_mtime_ns
