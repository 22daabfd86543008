"""What servers leave for those who look later: which tasks are served, what is proved, where the log is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from distil_dag.adapters.serving.autonomy_state import state_file
from distil_dag.adapters.serving.exchanges.reader import open_reader
from distil_dag.adapters.system.environment import SourceError
from distil_dag.core.files import write_whole
from distil_dag.stages.serving.autonomy import Autonomy
from distil_dag.stages.serving.exchanges.overview import Overview, overview_of
from distil_dag.stages.serving.standing import Identity, Standing

WINDOW = timedelta(days=30)
"""How far back is looked."""
_RECENT = 2000


@dataclass(frozen=True)
class ServedTask:
    """A task that is or was served.

    Attributes:
        name: under which clients ask for it.
        identity: what its evidence is about; None where nothing is to be proved.
        standing: what is proved by now.
        overview: what its exchanges add up to; None where the log can't be read.
        trouble: what could not be read, and why; empty where all could.
    """

    name: str
    identity: Identity | None
    standing: Standing | None
    overview: Overview | None
    trouble: str


def note(home: Path, task: str, log: str) -> None:
    """Leave word that a task is served.

    Args:
        home: of the installation.
        task: the name under which it is served.
        log: the address of its exchanges; variables in it stay as they are written.
    """
    path = _note_file(home, task)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps({"log": log}).encode())


def served_tasks(home: Path, now: datetime | None = None) -> list[ServedTask]:
    """All tasks that were ever served, by name.

    Args:
        home: of the installation.
        now: the end of the time that is looked at.
    """
    names = sorted(path.name.removesuffix(".json") for path in _note_file(home, "any").parent.glob("*.json"))
    return [_served(home, name, now or datetime.now(UTC)) for name in names]


def _served(home: Path, task: str, now: datetime) -> ServedTask:
    troubles = []
    identity = standing = overview = None
    try:
        identity, standing = _proved(state_file(home, task))
    except FileNotFoundError:
        pass  # served without a teacher
    except (OSError, ValueError) as error:
        troubles.append(f"what it has proved can't be read: {error}")
    try:
        address = str(json.loads(_note_file(home, task).read_text(encoding="utf-8"))["log"])
        reader = open_reader(address)
        overview = overview_of(task, reader.hours(task, now - WINDOW), reader.recent(task, _RECENT), [])
    except SourceError as error:
        troubles.append(f"its log can't be read: {error}")
    except Exception as error:  # of any library behind a log; its words may quote an address
        troubles.append(f"its log can't be read: {type(error).__name__}")
    return ServedTask(task, identity, standing, overview, "; ".join(troubles))


def _proved(path: Path) -> tuple[Identity, Standing]:
    text = path.read_text(encoding="utf-8")
    try:
        identity = Identity(**json.loads(text)["identity"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path.name} holds no evidence: {error!r}") from None
    autonomy = Autonomy(identity)
    autonomy.resume(text)
    return identity, autonomy.standing


def _note_file(home: Path, task: str) -> Path:
    return home / "serving" / "tasks" / f"{task}.json"
