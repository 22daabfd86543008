"""A task's champion as Dagster metadata: who it is, why, and what the last challenger has shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from distil_dag.core.promotion import Champions, Contest, Release
from distil_dag.resources.metadata import table
from distil_dag.resources.store import StoreResource
from distil_dag.runs.pages import REPORT

_SHOWN = 20


def champion_metadata(store: StoreResource, found: Champions) -> dict[str, Any]:
    """What the page of the asset shows.

    Args:
        store: The store, whose pages are linked.
        found: The releases of the task, one at least.
    """
    assert found.current is not None
    now, decision = found.current, found.decision
    shown: dict[str, Any] = {
        "champion": now.run,
        "since": dg.MetadataValue.timestamp(now.released),
        "why": f"{now.how}: {now.reason}",
        "releases": table([_release(one) for one in reversed(found.releases)], limit=_SHOWN),
        **store.page(now.run, "report_of_the_champion", REPORT),
    }
    if decision is not None:
        told = f"{decision.challenger} against {decision.champion}: {decision.reason}"
        shown |= {"last_decision": decision.verdict, "last_reason": told}
        if decision.contests:
            shown["contests"] = table([_contest(one) for one in decision.contests])
            shown["tools"] = table(_tools(decision.contests), limit=100)
        if decision.verdict == "promote" and now.run != decision.challenger:
            shown["proposal"] = (
                f"{decision.challenger} has won. `distil-dag promote {decision.challenger}` releases it, and "
                f'so does this asset, materialized with the config `promote: "{decision.challenger}"`.'
            )
    return shown


def _release(one: Release) -> dict[str, Any]:
    return {
        "released": f"{one.released:%Y-%m-%d %H:%M} UTC",
        "run": one.run,
        "how": one.how,
        "why": one.reason,
    }


def _contest(one: Contest) -> dict[str, Any]:
    lead = one.difference
    return {
        "cases": one.name,
        "n": one.n,
        "only challenger right": one.gained,
        "only champion right": one.lost,
        "lead": f"{lead.value:+.1%}" if lead else "",
        "interval": f"{lead.low:+.1%} to {lead.high:+.1%}" if lead else "",
        "left out, learned from": one.left_out,
        "labels": one.labels,
    }


def _tools(contests: Sequence[Contest]) -> list[dict[str, Any]]:
    return [
        {
            "cases": one.name,
            "tool": tool.tool,
            "n": tool.n,
            "gained": tool.gained,
            "lost": tool.lost,
            "interval": f"{tool.difference.low:+.1%} to {tool.difference.high:+.1%}",
        }
        for one in contests
        for tool in one.tools
    ]
