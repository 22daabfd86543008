"""`distil-dag lineage --trace`: from a trace to every row, run and file that it has touched."""

from __future__ import annotations

import json as json_format
from collections.abc import Sequence
from dataclasses import asdict

from distil_dag.adapters.forgetting.kept_tombstones import read_tombstones
from distil_dag.adapters.run_store import RunStore
from distil_dag.cli.errors import CommandError
from distil_dag.resources.deployment import deployment
from distil_dag.runs.lineage.touched import Touched, has_id, touched_runs

_SHOWN = 5


def show_trace(trace: str, json: bool, mermaid: bool) -> None:
    """Print what a trace has touched.

    Args:
        trace: Id of a trace, or of a record of the log with all of its traces.
        json: Print JSON.
        mermaid: Print a Mermaid flow chart.

    Raises:
        CommandError: No run has it; the message says whether it was forgotten.
    """
    places = deployment()
    store = RunStore(places.store)
    found = touched_runs(store, has_id(trace))
    was_forgotten = read_tombstones(store).holds_id(trace)
    if not found:
        why = "it was forgotten" if was_forgotten else f"the runs of {places.store} have not read it"
        raise CommandError(f"nothing has touched the trace {trace!r}: {why}", exit_code=1)
    if json:
        said = {"trace": trace, "forgotten": was_forgotten, "runs": [asdict(one) for one in found]}
        print(json_format.dumps(said, ensure_ascii=False, indent=2))
    elif mermaid:
        print(_chart(trace, found))
    else:
        print("\n\n".join(map(_told, found)))


def _told(one: Touched) -> str:
    lines = [f"{one.run}  {', '.join(one.roles) or 'no model yet'}"]
    lines += [f"  {table}: {_some(ids)}" for table, ids in one.rows.items()]
    if one.derived:
        lines.append(f"  synthetic or rejected, made from it: {_some(one.derived)}")
    return "\n".join([*lines, *(f"  file {file}" for file in one.files)])


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return ", ".join(ids[:_SHOWN]) + more


def _chart(trace: str, found: Sequence[Touched]) -> str:
    lines = ["flowchart LR", f'  t["{_quoted(trace)}"]']
    for number, one in enumerate(found):
        run = f"r{number}"
        lines.append(f'  {run}["{_quoted(one.run)}<br/>{", ".join(one.roles)}"]')
        for place, (table, ids) in enumerate(one.rows.items()):
            lines += [f'  {run}t{place}["{table}: {len(ids)}"]', f"  t --> {run}t{place} --> {run}"]
        if one.derived:
            lines += [f'  {run}d["made from it: {len(one.derived)}"]', f"  t --> {run}d --> {run}"]
        for place, file in enumerate(one.files):
            lines += [f'  {run}f{place}["{_quoted(file)}"]', f"  {run} --> {run}f{place}"]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return text.replace("#", "#35;").replace('"', "#quot;")
