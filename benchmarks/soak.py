"""A server of students under load for some minutes: swapped twice, killed once, with nothing lost or mixed.

    python benchmarks/soak.py FIRST.gguf SECOND.gguf CASES.jsonl [--minutes 10] [--clients 16]

`distil-dag serve` answers the requests of CASES, whole and streamed, beside a stand-in of a teacher that says
what FIRST says. After a quarter of the time SECOND takes the place of FIRST, after three quarters FIRST that
of SECOND. In the middle the process is killed (SIGKILL) and started again; SIGTERM ends it. A request that
the kill cut off is asked again, and is no failure.

An answer is mixed if it is not what the file that it names says alone, or if the log holds something else
under its id. Each answer must be in the log once; the kill may cost those whose exchange was not over, which
are counted with the age of the oldest. Memory is that of the server's process, resident and anonymous, in MB;
its slope is taken over the second half of each stretch between start, swap and end. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from soak_clients import Answer, Calls, Clients, calls_of
from soak_server import Server
from soak_teacher import Teacher

from distil_dag.adapters.llamacpp.gguf_tools import read_metadata
from distil_dag.adapters.serving.answering import TOOLS
from distil_dag.adapters.serving.served_tasks import served_tasks
from distil_dag.adapters.serving.student import Student
from distil_dag.stages.reading.case_files import read_cases

_TEXTS = 40
_NOTING = 0.5
# What two files of one run keep within seconds, so that both are heard.
_PROMISE = ("serving.target_precision=0.6", "serving.confidence=0.8")
_QUEUE = 32  # `serving.queue`, whose shadow answers a kill may cut off


def main() -> None:
    """Run it, print what happened, and fail if anything was lost or mixed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args()
    with options.cases.open("rb") as file:
        cases, _ = read_cases(file, None)
    texts = list(dict.fromkeys(case.request for case in cases))[:_TEXTS]
    with tempfile.TemporaryDirectory() as folder:
        found = soak(
            Path(folder), (options.first, options.second), texts, options.minutes * 60, options.clients
        )
    print(json.dumps({"benchmark": "soak", **found}, indent=2))
    sys.exit(bool(found["faults"]))


def soak(
    folder: Path,
    files: tuple[Path, Path],
    texts: Sequence[str],
    seconds: float,
    clients: int,
    teacher_seconds: float = 1.0,
) -> dict[str, Any]:
    """One soak.

    Args:
        folder: for the installation's home, which is empty.
        files: two students with the same tools.
        texts: what clients ask.
        seconds: of load.
        clients: that ask at a time.
        teacher_seconds: time of the teacher's answer.

    Returns:
        What happened; `faults` names what must not, and is empty.
    """
    copies = [_copy(file, folder / name) for file, name in zip(files, ("first", "second"), strict=True)]
    said = dict(_said_alone(copy, texts) for copy in copies)
    carried = read_metadata(copies[0])
    tools, task = json.loads(carried[TOOLS]), carried.get("distil_dag.task", "soaked")
    texts = [text for text in texts if all(text in answers for answers in said.values())]
    served = folder / "served" / "student.gguf"
    _put(copies[0], served)
    with (
        Teacher(next(iter(said.values())), teacher_seconds) as teacher,
        Server(folder, served, teacher.url, task, _PROMISE) as server,
    ):
        server.start()
        asking = Clients(server.url, texts, tools, clients)
        asking.start()
        time.sleep(seconds / 4)
        _swap(server, copies[1], served)
        time.sleep(seconds / 4)
        asking.is_down = True
        server.kill()
        # What came just before is noted just after; the next answer takes longer.
        killed, standing_at_kill = time.time() + _NOTING, _standing(folder)
        kept_at_kill = _log(folder)
        server.start()
        time.sleep(4 * _NOTING)
        asking.is_down = False
        time.sleep(seconds / 4)
        _swap(server, copies[0], served)
        time.sleep(seconds / 4)
        answers = asking.stop()
        server.end()
    log = _log(folder)
    lost = [one for one in answers if one.id not in log]
    by_kill = [one for one in lost if one.time <= killed]
    mixed = [one for one in answers if not _is_whole(one, said, log.get(one.id))]
    compared_by_kill = _compared(kept_at_kill)
    faults = {
        "failed": asking.failures,
        "mixed": [one.id for one in mixed],
        "lost": [one.id for one in lost if one.time > killed],
        "lost by the kill, beyond what was under way": len(by_kill) > _QUEUE + 2 * clients,
        "twice in the log": len(log.twice),
        "log damaged": log.damage,
        "swaps": [] if server.swaps == 2 else server.swaps,
        "state behind the log at the kill": standing_at_kill
        < max(0, compared_by_kill - 32 - _QUEUE - 2 * clients),
        "state after the end": not _standing(folder),
    }
    return {
        "seconds": seconds,
        "clients": clients,
        "answers": len(answers),
        "answered_by": dict(Counter(one.by for one in answers)),
        "student_files": len({one.student for one in answers if one.by == "student"}),
        "streamed": sum(one.streamed for one in answers),
        "median_ms": round(1000 * statistics.median(one.seconds for one in answers)),
        "cut_off_by_the_kill": asking.cut_off,
        "in_the_log": len(log),
        "lost_by_the_kill": len(by_kill),
        "oldest_lost_seconds": round(max((killed - one.time for one in by_kill), default=0.0), 2),
        "compared_at_the_kill": {"log": compared_by_kill, "state": standing_at_kill},
        "memory": server.memory(),
        "faults": {name: found for name, found in faults.items() if found},
    }


class Log(dict[str, dict[str, Any]]):
    """Rows of the log by the id that a client has seen.

    Attributes:
        twice: ids that come more than once.
        damage: what SQLite says of the file; empty for a whole one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.twice: list[str] = []
        self.damage = ""


def _log(folder: Path) -> Log:
    found = Log()
    with sqlite3.connect(folder / "exchanges.sqlite") as database:
        database.row_factory = sqlite3.Row
        checked = database.execute("PRAGMA integrity_check").fetchone()[0]
        found.damage = "" if checked == "ok" else checked
        for row in database.execute("SELECT id, answered_by, student, response, agrees FROM exchanges"):
            # The log makes ids of a teacher's answers its own by a suffix.
            name = row["id"] if row["answered_by"] == "student" else row["id"].rpartition("-")[0]
            if name in found:
                found.twice.append(name)
            found[name] = dict(row)
    return found


def _compared(log: Log) -> int:
    """Comparisons of the student that answered last."""
    students = Counter(row["student"] for row in log.values() if row["agrees"] is not None)
    current = list(log.values())[-1]["student"] if log else ""
    return students[current]


def _standing(folder: Path) -> int:
    """How many answers both have given, by the state on disk; 0 where it can't be read."""
    (task,) = served_tasks(folder)
    return task.standing.answers if task.standing else 0


def _is_whole(answer: Answer, said: dict[str, dict[str, Calls]], row: dict[str, Any] | None) -> bool:
    expected = said.get(answer.student, {}) if answer.by == "student" else next(iter(said.values()))
    if expected.get(answer.text) != answer.calls:
        return False
    if row is None:
        return True
    same = calls_of(json.loads(row["response"])) == answer.calls and row["answered_by"] == answer.by
    return same and (answer.by == "teacher" or row["student"] == answer.student)


def _said_alone(file: Path, texts: Sequence[str]) -> tuple[str, dict[str, Calls]]:
    with Student(file, context=2048) as student:
        found = {text: student.answer(text, 256) for text in texts}
        return student.identity, {
            text: [(call.name, json.dumps(call.arguments, sort_keys=True)) for call in answer.calls]
            for text, answer in found.items()
            if answer.complete
        }


def _swap(server: Server, file: Path, served: Path) -> None:
    _put(file, served)
    server.swapped()


def _put(file: Path, served: Path) -> None:
    """Replace a file by renaming, since it is read while it is served."""
    served.parent.mkdir(exist_ok=True)
    _copy(file, served.parent / "new").replace(served)


def _copy(file: Path, place: Path) -> Path:
    if place.suffix != ".gguf" and place.name != "new":
        place.mkdir()
        place = place / "student.gguf"
    shutil.copyfile(file, place)
    return place


if __name__ == "__main__":
    main()
