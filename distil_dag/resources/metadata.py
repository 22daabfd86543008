"""Reports as Dagster metadata: tables that read well in the UI, and small plots."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg


def table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None, limit: int = 20
) -> dg.MarkdownMetadataValue:
    """At most `limit` rows as a Markdown table; says how many it left out."""
    if not rows:
        return dg.MetadataValue.md("*none*")
    names = list(columns or rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(row.get(name)) for name in names) + " |" for row in rows[:limit]]
    if len(rows) > limit:
        lines.append(f"\n*{len(rows) - limit} more rows*")
    return dg.MetadataValue.md("\n".join(lines))


def figures(numbers: Mapping[str, float]) -> dict[str, float]:
    """The numbers as a person reads them, to four decimals; reports keep them in full."""
    return {name: round(number, 4) for name, number in numbers.items()}


def image(png: bytes, title: str) -> dg.MarkdownMetadataValue:
    """A PNG inside the event log, where it lives as long as the event: keep it under 50 kB."""
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    text = "" if value is None else str(value)
    # Traces are untrusted: nothing in them may end the cell, open a tag or an image.
    for raw, safe in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        ("|", "\\|"),
        ("[", "\\["),
        ("`", "\\`"),
        ("\r", " "),
        ("\n", " "),
    ):
        text = text.replace(raw, safe)
    return text if len(text) <= 160 else text[:157] + "…"
