"""What the base of a student can't take is said by the asset that pays the judge, before it does."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from distil_dag.assets.judged_seeds import judged_seeds
from distil_dag.core import tables
from distil_dag.core.case import Message, Trace
from distil_dag_tests.adapters.checkpoints.refusing_base import NOTHING, ONE_TURN, write_refusing_base
from distil_dag_tests.runs.paid_models import JUDGING, RUN, Place, with_log

pytest.importorskip("llama_cpp")

TURNS = (
    Message(role="user", content="Is the oven on?"),
    Message(role="assistant", content="It is."),
    Message(role="user", content="Turn it off"),
)


def test_conversations_that_the_template_refuses_are_counted_in_the_log(
    place: Place, tmp_path: Path, embedded_student: Path, instance: dg.DagsterInstance
) -> None:
    base = write_refusing_base(tmp_path, embedded_student, ONE_TURN)
    home = with_log(place, "home")
    log = home.store.read_cases(RUN, tables.TRACES)
    home.store.write_cases(RUN, tables.TRACES, [*log, Trace(id="turns", messages=TURNS)])
    done = home.materialize(judged_seeds, **JUDGING, student={"model": str(base)})
    assert done.success
    told = " ".join(entry.user_message for entry in instance.all_logs(done.run_id))
    assert (
        f"can't take 1 of {len(log) + 1} conversations: one turn only; training leaves such rows out" in told
    )


def test_a_base_that_takes_no_conversation_ends_the_run_before_anything_is_paid(
    place: Place, tmp_path: Path, embedded_student: Path
) -> None:
    base = write_refusing_base(tmp_path, embedded_student, NOTHING)
    home = with_log(place, "home")
    done = home.materialize(judged_seeds, **JUDGING, student={"model": str(base)})
    assert not done.success
    assert home.model.asked == []
    failure = done.failure_data_for_node("judged_seeds")
    assert failure is not None
    assert "takes no conversation of the log" in str(failure)
