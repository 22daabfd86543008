"""Reports as Dagster metadata: tables that read well in the UI, and small plots."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    import pandas as pd


def table(
    rows: pd.DataFrame | Sequence[Mapping[str, Any]], columns: list[str] | None = None, limit: int = 20
) -> dg.MarkdownMetadataValue:
    """Rows as a Markdown table, without what would end a cell or open a tag.

    Args:
        rows: One mapping a row, or a frame.
        columns: Names of the columns to show; all by default.
        limit: Most rows to show; the text says how many were left out.
    """
    import pandas as pd

    frame = pd.DataFrame(rows, columns=columns, dtype=object)
    if frame.empty:
        return dg.MetadataValue.md("*none*")
    shown = frame.head(limit).fillna("").map(_cell).to_markdown(index=False, disable_numparse=True)
    left_out = f"\n\n*{len(frame) - limit} more rows*" if len(frame) > limit else ""
    return dg.MetadataValue.md(shown + left_out)


def figures(numbers: Mapping[str, float]) -> dict[str, float]:
    """The numbers to four decimals, their names as metadata keys; reports keep them in full."""
    return {metadata_key(name): round(number, 4) for name, number in numbers.items()}


def metadata_key(name: str) -> str:
    """A name as a metadata key: lower case, with underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def image(webp: bytes, title: str) -> dg.MarkdownMetadataValue:
    """A WebP inside the event log, where it lives as long as the event: keep it under 20 kB."""
    return dg.MetadataValue.md(f"![{title}](data:image/webp;base64,{base64.b64encode(webp).decode()})")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    text = str(value)
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
