"""The record of a request to forget as text, for whoever answers for personal data."""

from __future__ import annotations

from collections.abc import Iterator

from distil_dag.core.reports.forgetting import ForgetRecord
from distil_dag.stages.exporting.origin_text import escaped

NOTES = (
    "Rows are recognised by their ids, by what was made from them, and by their words: all of a short text, "
    "or eight words in a row. Words that a kept trace says as well prove nothing, and stay.",
    "Values of arguments are drawn from all trusted calls together. A row that has one of them, and nothing "
    "else of the trace, has no link to it and stays, unless the value is a phrase of the trace alone.",
    "A cached reply is deleted if it holds words of the trace. Its key is a hash of a whole prompt, which "
    "can't be read back.",
    "Counts, scores and plots of reports stay: they add up over many traces.",
    "Weights can't be cleaned. A model that has learned from the trace is named above until it is deleted.",
    "Files that have left this installation are out of its reach. `distil-dag lineage FILE.gguf` says of any "
    "copy which traces it was made from.",
)


def record_text(record: ForgetRecord) -> str:
    """The record as Markdown, with a table of the runs.

    Args:
        record: Of a request, finished or not.
    """
    return "\n".join(_lines(record)) + "\n"


def _lines(record: ForgetRecord) -> Iterator[str]:
    yield f"# Request to forget {record.request}"
    yield ""
    yield f"- Begun: {record.begun}"
    yield f"- Finished: {record.finished or 'not yet: ask again, and it is finished'}"
    yield f"- Verified: {record.verified or 'not yet: `distil-dag forget --verify`'}"
    yield f"- Asked by: {escaped(record.asked_by) or 'not said'}"
    yield f"- Reason: {escaped(record.reason) or 'not said'}"
    yield f"- Named by: {escaped(', '.join(record.by)) or 'ids'}"
    yield ""
    yield "## What was found"
    yield ""
    yield f"- {record.traces} traces of the log, with those that go on from them"
    yield f"- {record.derived} synthetic rows that were made from them"
    yield f"- {record.unreadable} records that could not be read"
    yield f"- {record.exchanges} exchanges of servers"
    yield ""
    yield "| run | the trace was | rows that went | models | what to do |"
    yield "|---|---|---|---|---|"
    for run in record.runs:
        rows = ", ".join(f"{table} {count}" for table, count in run.rows.items())
        cells = (run.run, ", ".join(run.roles), rows, ", ".join(run.files), run.advice)
        yield "| " + " | ".join(escaped(cell) or "none" for cell in cells) + " |"
    yield ""
    yield "## What was deleted"
    yield ""
    yield from [f"- {escaped(place)}: {count}" for place, count in record.removed.items()] or [
        "- nothing yet"
    ]
    yield from [f"- the model {escaped(file)}" for file in record.models_deleted]
    yield ""
    yield "## What remains"
    yield ""
    left = [file for run in record.runs if run.retrain for file in run.files]
    yield from [f"- the model {escaped(file)}" for file in left if file not in record.models_deleted]
    yield from [f"- {escaped(log)}: delete them there; they are not read again" for log in record.logs]
    yield from [f"- not searched: {escaped(place)}" for place in record.unsearched]
    yield from [f"- {note}" for note in (*record.notes, *NOTES)]
