"""A note on the pages of a run whose model has learned from a forgotten trace."""

from __future__ import annotations

import re
from html import escape

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.reports.forgetting import AffectedRun
from distil_dag.runs.pages import CARD, REPORT, stored_page

_MAIN = re.compile(rb"<main[^>]*>|<body[^>]*>(?!.*<main)", re.DOTALL)
_TITLE = re.compile(rb"^# .*$", re.MULTILINE)


def write_note(store: RunStore, run: AffectedRun, request: str) -> None:
    """Put a sentence on the report and on the model card, once for each request.

    Args:
        store: The store of all runs.
        run: The run, and what is to be done.
        request: Id of the request.
    """
    said = f"Traces that this model has learned from were forgotten (request {request}): {run.advice}."
    for name, place, note in (
        (REPORT, _MAIN, f'\n<p role="note"><strong>{escape(said)}</strong></p>'),
        (CARD, _TITLE, f"\n\n**{said}**"),
    ):
        path = stored_page(store, run.run, name)
        if not path.exists():
            continue
        data = bytes(path.read_bytes())
        found = place.search(data)
        if found and request.encode() not in data:
            asset, file = ("gguf", f"files/{path.name}") if name == CARD else ("eval_report", path.name)
            store.write_bytes(run.run, asset, file, data[: found.end()] + note.encode() + data[found.end() :])
