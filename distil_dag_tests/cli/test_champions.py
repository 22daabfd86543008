"""`distil-dag champions`, `promote` and `rollback`, on the instance that the UI shows."""

from __future__ import annotations

import json
from pathlib import Path

from distil_dag.adapters.run_store import RunStore
from distil_dag.resources.deployment import deployment
from distil_dag_tests.assets.test_leaderboard import evaluated
from distil_dag_tests.cli.test_cli import Call, call

__all__ = ["call"]


def test_a_run_is_released_and_taken_back(call: Call, home: Path) -> None:
    assert "no champions yet" in call("champions").out
    store = RunStore(deployment().store)
    evaluated(store, "home.a", 0.9)
    evaluated(store, "home.b", 0.8)
    assert call("promote", "home.a").out == ("home is served with home.a (by hand: somebody released it)\n")
    call("promote", "home.b")
    assert "home is served with home.a (rollback: somebody took home.b back)" in call("rollback", "home").out
    told = json.loads(call("champions", "--json").out)
    assert [one["run"] for one in told["home"]["releases"]] == ["home.a", "home.b", "home.a"]
    assert "home.a" in call("champions").out


def test_what_can_not_be_released_is_said(call: Call, home: Path) -> None:
    said = call("promote", "home.none")
    assert (said.code, "there is no run 'home.none'" in said.err) == (2, True)
    store = RunStore(deployment().store)
    store.write_bytes("home.half", "traces", "report.json", b"{}")
    said = call("promote", "home.half")
    assert (said.code, "materialize `eval_report` of partition 'home.half' first" in said.err) == (2, True)
    said = call("rollback", "home")
    assert (said.code, "there is nothing to go back to" in said.err) == (2, True)
