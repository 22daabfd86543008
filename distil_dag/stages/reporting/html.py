"""The evaluation as one HTML file that needs nothing else: styles and plots inside, no script.

Requests and answers are untrusted: the template engine escapes everything, and a content security policy
forbids scripts and requests to anywhere.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jinja2

from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.tool_call import same_value
from distil_dag.stages.evaluating import metrics
from distil_dag.stages.reporting import markdown as report_text
from distil_dag.stages.reporting import plots

# The JSON report has the whole digest; its beginning tells two models apart.
_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]+")
# What the page shows of one request or answer; the JSON report holds all of it.
_LONGEST = 400


@dataclass(frozen=True)
class Part:
    """A piece of a call as it is shown.

    Attributes:
        text: the piece.
        marked: whether the two sides differ in it.
    """

    text: str
    marked: bool = False


def report_html(report: EvalReport, title: str) -> str:
    """The evaluation as an HTML page.

    Args:
        report: the evaluation.
        title: title of the page.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("distil_dag.stages.reporting", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        percent=report_text.share,
        interval=report_text.interval,
        points=report_text.points,
        p_value=report_text.p_value,
        band=report_text.band,
        money=report_text.price,
        ids=report_text.ids,
        cut=_cut,
        short_digest=lambda text: _DIGEST.sub(r"\1…", text),
        colour=lambda name: plots.colour(name, report.student),
    )
    pictures = {"exact": plots.exact_match(report), "tools": plots.per_tool(report)}
    if any(row.n for row in report.comparisons):
        pictures["differences"] = plots.differences(report)
    if report.confidence:
        pictures["coverage"] = plots.coverage(report.confidence)
    page: str = environment.get_template("report.html.jinja").render(
        report=report,
        student=report.candidate(report.student),
        title=title,
        verdict=report_text.verdict(report),
        helped=report_text.helped(report),
        weakness=report_text.weakness(report.cells) if report.cells else "",
        metrics=metrics,
        failures=[_shown(row) for row in report.failures],
        reasons=_reasons(report.failures),
        pictures={name: base64.b64encode(png).decode() for name, png in pictures.items()},
    )
    return page


def call_parts(calls: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]]) -> list[list[Part]]:
    """Calls as `name(argument=value, …)`, in pieces.

    Args:
        calls: calls of one side, each with `name` and `arguments`.
        others: calls of the other side; pieces that agree with none of them are marked.

    Returns:
        The pieces of each call.
    """
    shown = []
    for call in calls:
        rivals = [other["arguments"] for other in others if other["name"] == call["name"]]
        parts = [Part(call["name"], marked=not rivals), Part("(")]
        for place, (name, value) in enumerate(call["arguments"].items()):
            agrees = any(name in rival and same_value(value, rival[name]) for rival in rivals)
            parts.append(Part(", " if place else ""))
            parts.append(Part(f"{name}={_cut(json.dumps(value, ensure_ascii=False))}", marked=not agrees))
        shown.append([*parts, Part(")")])
    return shown


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "command": "",
        **row,
        "expected": call_parts(row["expected"], row["got"]),
        "got": call_parts(row["got"], row["expected"]),
        "right": [name.removeprefix("student ").removeprefix("teacher ") for name in row["right"]],
    }


def _reasons(failures: Sequence[dict[str, Any]]) -> list[tuple[str, int]]:
    """How often each reason occurs, most frequent first: the pattern before the rows."""
    counts = Counter(
        reason if reason.startswith(("missing", "wrong value", "extra")) else reason.partition(":")[0]
        for row in failures
        for reason in row["why"].split("; ")
    )
    return counts.most_common()


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text) - _LONGEST} more characters)"
