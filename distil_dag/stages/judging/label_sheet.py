"""Rows for a person to label, by which a judge is measured."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

from distil_dag.core.case import Trace
from distil_dag.core.verdict import Verdict
from distil_dag.stages.judging.rendering import conversation

TO_LABEL = "to_label.jsonl"

_ROWS = 60


def label_sheet(traces: Sequence[Trace], verdicts: Sequence[Verdict]) -> bytes:
    """A sample of judged traces as JSON lines, with `right` left open: the form of `labels.jsonl`.

    At most 60 traces are drawn evenly from all: a sample drawn by the verdicts would bias every share that is
    measured on it. The judge's verdict is left out, since it would influence whoever labels.
    """
    judged = {verdict.trace_id for verdict in verdicts if verdict.score is not None}
    rows = sorted((trace for trace in traces if trace.id in judged), key=lambda trace: trace.id)
    drawn = random.Random("0:label").sample(rows, min(_ROWS, len(rows)))
    return "".join(
        json.dumps(
            {
                "id": trace.id,
                "right": None,
                "request": trace.request,
                "calls": [call.model_dump(mode="json") for call in trace.calls],
                "conversation": conversation(trace),
            },
            ensure_ascii=False,
        )
        + "\n"
        for trace in drawn
    ).encode()
