"""A student beside the one of a task: in the shadow, and as a canary."""

from __future__ import annotations

from pathlib import Path

from distil_dag.entrypoints.serve.candidate import Candidate
from distil_dag.entrypoints.serve.loaded import Loaded
from distil_dag.entrypoints.serve.page.data import CandidateFigures, page_data
from distil_dag.entrypoints.serve.page.page import page
from distil_dag.stages.serving.canary import is_canary
from distil_dag_tests.entrypoints.serve.conftest import (
    Shared,
    ask,
    gateway_of,
    served,
    student_file,
    wait_for,
)
from distil_dag_tests.entrypoints.serve.policies import Fixed, alone, not_sure
from distil_dag_tests.entrypoints.serve.teacher_stand_in import Teacher


def beside(student: Shared, teacher: Teacher, path: Path, policy: Fixed, share: float) -> Candidate:
    return Candidate(Loaded(Shared(path, context=512, threads=1), policy), share)


def test_a_shadow_answers_beside_is_compared_with_the_teacher_and_never_heard(
    student: Shared, teacher: Teacher, tmp_path: Path
) -> None:
    own, other = alone(audit=True), alone()
    task = served(student, teacher, lambda: own)
    task.candidate = beside(student, teacher, student_file(tmp_path / "new.gguf", seed=3), other, 0.0)
    with gateway_of([task]) as (server, log):
        server.client.chat.completions.create(**ask())
        (exchange,) = log.wait(1)
        wait_for(lambda: task.candidate.compared)
        said = str(bool(task.candidate.agreed)).lower()
        assert server.metric("shadow_agreement_total", task="home", agrees=said) == 1
    assert (exchange.answered_by, exchange.student) == ("student", student.identity)
    assert (other.scores, other.learned) == ([], [])
    assert other.closed


def test_a_canary_is_heard_in_its_share_by_evidence_of_its_own(
    student: Shared, teacher: Teacher, tmp_path: Path
) -> None:
    own, other = not_sure(), alone(audit=True)
    task = served(student, teacher, lambda: own)
    task.candidate = beside(student, teacher, student_file(tmp_path / "new.gguf", seed=3), other, 0.5)
    new = task.candidate.identity
    ids = [f"conversation {n}" for n in range(12)]
    mine = {one for one in ids if is_canary(new, 0.5, {}, one)}
    assert 0 < len(mine) < len(ids)
    with gateway_of([task]) as (server, log):
        for one in ids * 2:
            server.client.chat.completions.create(**ask(metadata={"conversation_id": one}))
        exchanges = log.wait(2 * len(ids))
        wait_for(lambda: task.candidate.compared == 2 * len(ids))
        assert server.metric("canary_total", task="home", answered_by="student") == 2 * len(mine)
    for exchange in exchanges:
        whose, by = (new, "student") if exchange.conversation in mine else (student.identity, "teacher")
        assert (exchange.student, exchange.answered_by) == (whose, by)
    assert len(other.learned) == 2 * len(mine)
    assert all(audited for _, _, audited, _ in other.learned)
    assert len(own.learned) == 2 * (len(ids) - len(mine))
    assert (task.candidate.requests, task.candidate.alone) == (2 * len(mine), 2 * len(mine))


def test_a_candidate_with_other_tools_has_no_request_of_its_own(
    student: Shared, teacher: Teacher, tmp_path: Path
) -> None:
    tools = [{"type": "function", "function": {**ask()["tools"][0]["function"], "name": "lamp_on"}}]
    task = served(student, teacher, alone)
    path = student_file(tmp_path / "new.gguf", tools=tools)
    task.candidate = beside(student, teacher, path, alone(), 1.0)
    with gateway_of([task]) as (server, log):
        server.client.chat.completions.create(**ask())
        server.client.chat.completions.create(**ask(tools=tools))
        found = {one.student for one in log.wait(2)}
    assert found == {student.identity, task.candidate.identity}


def test_the_page_shows_it(student: Shared, teacher: Teacher, tmp_path: Path) -> None:
    from distil_dag.adapters.serving.exchanges.open_log import open_exchange_log
    from distil_dag.adapters.serving.exchanges.reader import open_reader
    from distil_dag_tests.stages.serving.some_exchanges import exchange

    address = str(tmp_path / "log.sqlite")
    with open_exchange_log(address) as log:
        log.put(exchange(1))
    one = beside(student, teacher, student_file(tmp_path / "new.gguf", seed=3), alone(), 0.05)
    one.compared, one.agreed, one.requests, one.alone = 40, 30, 7, 3
    data = page_data(open_reader(address), {"t": None}, candidates={"t": CandidateFigures.of(one)})
    said = " ".join(page(data).split())
    assert "30, by 40" not in said
    assert "75.0%" in said
    assert "by 40 answers since the start" in said
    assert "has 5.0% of conversations as its own. Of these 7 requests it answered 3." in said
    one.loaded.student.close()
