"""The evaluation as one HTML file that needs nothing else: styles and charts inside, no script.

Requests and answers are untrusted: the template engine escapes everything, and a content security policy
forbids scripts and requests to anywhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import jinja2
from markupsafe import Markup

from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.reports.evidence import ConfidenceReport
from distil_dag.stages.evaluating import metrics
from distil_dag.stages.exporting.origin_text import Fact
from distil_dag.stages.reporting import findings, guarantee_text
from distil_dag.stages.reporting import markdown as report_text
from distil_dag.stages.reporting.failures import cut, kinds, most_telling, shown

# The JSON report has the whole digest; its beginning tells two models apart.
_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]+")
# Where an identifier may go on in the next line: behind an underscore, and behind a dot before a letter.
_BREAK = re.compile(r"(?<=_)|(?<=\.)(?=[^\W\d])")
# Failures on the first screen.
_TELLING = 5


@dataclass(frozen=True)
class Part:
    """A part of the page that folds.

    Attributes:
        id: what links point at, and the name of its template.
        heading: its heading.
        finding: what it found, in a sentence.
    """

    id: str
    heading: str
    finding: str


def report_html(
    report: EvalReport, title: str, origin: Sequence[Fact] = (), settings: Sequence[Fact] = ()
) -> str:
    """The evaluation as an HTML page.

    Args:
        report: the evaluation.
        title: title of the page.
        origin: what made the student, as labelled sentences; on the first screen.
        settings: the run's settings, as labelled sentences.
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
        guaranteed=guarantee_text.guaranteed,
        further=guarantee_text.further,
        money=report_text.price,
        ids=report_text.ids,
        cut=cut,
        breakable=_breakable,
        short_digest=lambda text: _DIGEST.sub(r"\1…", text),
        role=lambda name: findings.role(name, report.student),
        shade=lambda name: _shade(name, report.student),
        shown=shown,
    )
    telling = most_telling(report.failures, _TELLING)
    rest = [row for row in report.failures if row not in telling]
    page: str = environment.get_template("report.html.jinja").render(
        report=report,
        student=report.candidate(report.student),
        title=title,
        verdict=report_text.verdict(report),
        helped=report_text.helped(report),
        weakness=report_text.weakness(report.cells) if report.cells else "",
        metrics=metrics,
        origin=origin,
        settings=settings,
        telling=telling,
        rest=rest,
        kinds=kinds(report.failures),
        lowest=_lowest(report.confidence) if report.confidence else 0.0,
        level=report.measured.get("Confidence", "95 %"),
        parts=_parts(report, bool(settings), len(rest)),
    )
    return page


def _parts(report: EvalReport, settings: bool, rest: int) -> list[Part]:
    """The parts that this report has something to say in, in their order on the page."""
    student = report.candidate(report.student)
    found = [Part("candidates", "Every figure of every candidate", findings.candidates(report))]
    if report.comparisons:
        found.append(Part("differences", "Is the difference real?", findings.differences(report.comparisons)))
    if report.quantisation:
        found.append(
            Part("quantisation", "What quantising costs", findings.quantisation(report.quantisation))
        )
    if report.runtimes:
        found.append(Part("runtimes", "Does every runtime say the same?", findings.runtimes(report.runtimes)))
    if report.confidence:
        found.append(Part("confidence", "When can it be believed?", findings.confidence(report.confidence)))
    if report.cells:
        found.append(Part("cells", "By cell of the coverage plan", findings.cells(report.cells)))
    found.append(Part("tools", "By tool", findings.tools(student)))
    if student.per_argument:
        found.append(Part("arguments", "By argument", findings.arguments(student)))
    if report.leakage:
        found.append(Part("leakage", "Was the test seen before?", findings.leakage(report.leakage)))
    if report.conventions and report.conventions.disagreements:
        found.append(Part("conventions", "Labels and conventions", findings.conventions(report.conventions)))
    if rest:
        found.append(
            Part("failures", "The other failures", f"{rest} more, each with the command that asks again")
        )
    if settings:
        found.append(Part("settings", "Settings of the run", "* marks what differs from its default"))
    found.append(Part("measured", "How this was measured", "candidates, statistics, versions, the command"))
    return found


def _breakable(text: str) -> Markup:
    """An identifier that may go on in the next line at its underscores and dots."""
    # Joining escapes each piece.
    return Markup("<wbr>").join(_BREAK.split(text))


def _shade(name: str, student: str) -> str:
    """The class of a candidate's bar: the student that ships stands out, its other forms are near it."""
    return "ships" if name == student else "form" if name.startswith("student") else "other"


def _lowest(found: ConfidenceReport) -> float:
    """Where the curve's vertical axis begins: a tenth at or below everything that is drawn."""
    drawn = [point.exact.low for point in found.curve] + [found.target_precision or 1.0]
    return max(0.0, min(math.floor(10 * min(drawn)) / 10, 0.9))
