"""The gates of one run as Dagster shows them: a table, and what to do where one failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from distil_dag.core.gates.finding import Finding

_WAYS_OUT, _OVERRIDES = "what to do", "overrides that pass"


def observed(findings: Sequence[Finding]) -> dict[str, dg.MetadataValue[Any]]:
    """What the asset's own page says of the gates of a run: one line, and a table.

    The table has every gate with its verdict, figure, threshold and what to do.

    Args:
        findings: The findings of an asset's gates for one run.
    """
    passed = sum(found.passed for found in findings)
    line = f"{passed} of {len(findings)} gates passed"
    for word in ("FAILED", "warns"):
        if names := [found.gate for found in findings if verdict(found) == word]:
            line += f". {word}: {', '.join(names)}"
    return {"verdict": dg.MetadataValue.text(line), "gates": _table(findings)}


def _table(findings: Sequence[Finding]) -> dg.MarkdownMetadataValue:
    rows = [
        (f"`{found.gate}`", verdict(found), found.figure, found.threshold, " ".join(found.ways_out))
        for found in findings
    ]
    head = ("gate", "verdict", "figure", "threshold", "what to do")
    return dg.MetadataValue.md("\n".join(_line(row) for row in (head, ("---",) * len(head), *rows)))


def verdict(finding: Finding) -> str:
    """`passed`, `FAILED`, or `warns` for a gate that failed and stops nothing."""
    if finding.passed:
        return "passed"
    return "FAILED" if finding.stops else "warns"


def overrides(findings: Iterable[Finding]) -> dict[str, str]:
    """Setting -> YAML text with which gates would pass on their figures, as `traces` takes it."""
    return {f"gates.{name}": str(value) for found in findings for name, value in found.settings.items()}


def advice(finding: Finding) -> dict[str, dg.MetadataValue[Any]]:
    """What to do about a gate, as metadata of its check; empty where it passed.

    Args:
        finding: The finding of the gate.
    """
    if not finding.ways_out:
        return {}
    return {
        _WAYS_OUT: dg.MetadataValue.md("\n".join(f"- {way}" for way in finding.ways_out)),
        _OVERRIDES: dg.MetadataValue.json(overrides([finding])),
    }


def advice_of(metadata: Mapping[str, dg.MetadataValue[Any]]) -> dict[str, Any]:
    """The advice in the metadata of a check: `ways_out` as sentences, and `overrides` that let it pass.

    Args:
        metadata: The metadata of a check's evaluation.
    """
    if _WAYS_OUT not in metadata:
        return {"ways_out": [], "overrides": {}}
    lines = str(metadata[_WAYS_OUT].value).splitlines()
    return {
        "ways_out": [line.removeprefix("- ") for line in lines],
        "overrides": metadata[_OVERRIDES].value,
    }


def failure_text(run: str, failed: Sequence[Finding]) -> str:
    """Why a run ended at its gates, and how it goes on: the reason first.

    Args:
        run: Key of the run.
        failed: The findings that stop it.
    """
    told = [f"Gate {found.gate} failed: {found.message} {' '.join(found.ways_out)}" for found in failed]
    changed = overrides(failed)
    said = ", ".join(f'{name}: "{value}"' for name, value in changed.items()) or 'SETTING: "VALUE"'
    told.append(
        "Settings go into task.yaml, or, for one launch, under Config where distil_run is materialized: "
        f"`ops: {{traces: {{config: {{overrides: {{{said}}}}}}}}}`. Then launch {run} again: "
        "what does not change is not computed, nor paid for, again."
    )
    return "\n".join(told)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
