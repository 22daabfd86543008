"""`distil-dag diff`: two runs side by side, in words and figures."""

from __future__ import annotations

import json as json_format
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from distil_dag.adapters.run_store import RunStore
from distil_dag.cli.errors import CommandError
from distil_dag.core.reports.difference import RunDifference, ScoreChange
from distil_dag.resources.ancestors import ancestors
from distil_dag.resources.deployment import Deployment, deployment
from distil_dag.runs.lineage.difference import Versions, difference
from distil_dag.stages.exporting.origin_text import between, percent

_CHAIN = ("traces", "judged_seeds", "synthetic_set", "checkpoint", "gguf", "eval_report")
_LONGEST = 60


def show_diff(first: str, second: str, json: bool) -> None:
    """Print what is different in the second run, and what that did to the score.

    Args:
        first: Key of a run.
        second: Key of the run that is compared with it.
        json: Print JSON.

    Raises:
        CommandError: There is no such run, or it has no snapshot of a log.
    """
    places = deployment()
    store = RunStore(places.store)
    for run in (first, second):
        if not store.has(run):
            raise CommandError(f"{run!r} is no run of {places.store}: `distil-dag runs` lists them")
    versions = (_versions(first, places), _versions(second, places))
    try:
        found = difference(store, first, second, versions)
    except FileNotFoundError as error:
        raise CommandError(str(error)) from None
    if json:
        print(json_format.dumps(found.model_dump(mode="json"), ensure_ascii=False, indent=2))
        return
    console = Console()
    for line in _told(found):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if found.changes:
        table = Table("what", first, second)
        for change in found.changes:
            table.add_row(change.what, _shown(change.first), _shown(change.second))
        console.print(table)


def _versions(run: str, places: Deployment) -> Versions:
    """The versions of the code and of the prompts that made each asset."""
    if not places.exists():
        return {}
    found: dict[str, str | None] = {}
    with places.instance() as instance:
        for asset in _CHAIN:
            for entry in ancestors(instance, asset, run)[:1]:
                found[asset] = entry["code_version"]
                found |= {f"{asset}, prompt {name}": made for name, made in entry["prompts"].items()}
    return found


def _told(found: RunDifference) -> Iterator[str]:
    changes = found.changes
    settings = sum(change.what.startswith("setting ") for change in changes)
    tools = sum(change.what.startswith("tool ") for change in changes)
    others = len(changes) - settings - tools
    yield f"{len(changes)} differences: {settings} settings, {tools} tools, {others} others."
    if found.score is None:
        yield "The score can't be compared: not both were evaluated."
        return
    yield from _score(found.score)


def _score(score: ScoreChange) -> Iterator[str]:
    yield (
        f"Exact match: {percent(score.first)} ({between(score.first)}) before, "
        f"{percent(score.second)} ({between(score.second)}) after."
    )
    if score.difference is None:
        yield "The tests have no case in common, so these figures can't be compared with each other."
        return
    apart = score.difference
    where = (
        f"all {score.shared} cases"
        if score.is_same_test
        else f"the {score.shared} cases that both tests have"
    )
    sure = "more than chance" if apart.low > 0 or apart.high < 0 else "no more than chance may give"
    yield (
        f"Paired on {where}: {100 * apart.value:+.1f} points (95 % interval {100 * apart.low:+.1f} to "
        f"{100 * apart.high:+.1f}), {sure}: {score.gained} gained, {score.lost} lost, p {score.p_value:.3f}."
    )
    by_tool = ", ".join(f"{tool} {won:+d} {-lost:+d}" for tool, (won, lost) in score.by_tool.items())
    if by_tool:
        yield f"Gained and lost by tool: {by_tool}."
    if score.lost_cases:
        yield f"Lost: {', '.join(score.lost_cases)}."


def _shown(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json_format.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
