"""Another student in the place of the first, under load: no request fails, and none is answered by both."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from distil_dag.adapters.serving.student import Student
from distil_dag.stages.serving.policy import Policy
from distil_dag_tests.entrypoints.serve.conftest import WORDS, ask, gateway_of, served, student_file
from distil_dag_tests.entrypoints.serve.policies import alone
from distil_dag_tests.entrypoints.serve.teacher_stand_in import Teacher

ROOMS = {"kitchen", "hall"}


def test_a_student_whose_evidence_cannot_be_kept_is_not_heard_until_it_can(
    tmp_path: Path, teacher: Teacher
) -> None:
    place = student_file(tmp_path / "home.gguf", 1)
    is_full = threading.Event()

    def policy() -> Policy:
        if is_full.is_set():
            raise OSError("no space left")
        return alone()

    with gateway_of([served(place, teacher, policy)]) as (server, log):
        old = server.gateway.served[0].current
        is_full.set()
        student_file(tmp_path / "new.gguf", 2).replace(place)
        server.refresh()
        server.client.chat.completions.create(**ask())
        is_full.clear()
        server.refresh()
        server.client.chat.completions.create(**ask())
        first, second = log.wait(2)
    assert (first.answered_by, first.student) == ("teacher", old.student.identity)
    assert second.answered_by == "student"
    assert second.student != old.student.identity


def test_a_better_file_takes_the_place_of_the_first_under_load(tmp_path: Path, teacher: Teacher) -> None:
    place = tmp_path / "home.gguf"
    said: dict[str, str] = {}
    made: dict[str, Path] = {}
    for seed in range(1, 9):
        made[str(seed)] = student_file(tmp_path / f"{seed}.gguf", seed)
        with Student(made[str(seed)], context=512, threads=1) as student:
            said[str(seed)] = str(student.answer(WORDS, 64).calls[0].arguments["room"])
        if set(said.values()) == ROOMS:
            break
    first, second = (next(seed for seed, room in said.items() if room == which) for which in sorted(ROOMS))
    os.link(made[first], place)
    with gateway_of([served(place, teacher, alone)]) as (server, log):
        before = server.gateway.served[0].current
        done = threading.Event()

        def asking(_: int) -> list[tuple[str, str]]:
            found = []
            client = server.client
            while not done.is_set() or len(found) < 3:
                answer = client.chat.completions.create(**ask())
                call = answer.choices[0].message.tool_calls[0].function
                found.append((str(answer.system_fingerprint), json.loads(call.arguments)["room"]))
            return found

        with ThreadPoolExecutor(3) as clients:
            asked = [clients.submit(asking, number) for number in range(3)]
            log.wait(3)  # of the first
            server.refresh()
            assert server.gateway.served[0].current is before  # the same file
            made[second].replace(place)
            server.refresh()
            log.wait(len(log.exchanges) + 6)  # three that were under way, and three of the second
            (tmp_path / "broken").write_bytes(b"GGUF, or so it says")
            (tmp_path / "broken").replace(place)
            server.refresh()
            done.set()
            answers = [one for future in asked for one in future.result()]
        after = server.gateway.served[0].current
        assert server.metric("swaps_total", task="home", outcome="done") == 1
        assert server.metric("swaps_total", task="home", outcome="failed") == 1
        assert (before.users, before.retired) == (0, True)
        kept = log.wait(len(answers))
    rooms = {before.student.identity: said[first], after.student.identity: said[second]}
    assert {identity for identity, _ in answers} == set(rooms)
    assert all(rooms[identity] == room for identity, room in answers)
    assert len(kept) == len(answers)
    for one in kept:  # which file has answered stands in the log
        call = one.response["choices"][0]["message"]["tool_calls"][0]["function"]
        assert rooms[one.student] == json.loads(call["arguments"])["room"]
    assert log.closed
