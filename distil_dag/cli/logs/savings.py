"""What a log costs, and what a student would take over of it, as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from distil_dag.cli.errors import CommandError
from distil_dag.core.reports.intake import TracesReport
from distil_dag.core.settings import PriceSpec
from distil_dag.core.task import Task
from distil_dag.runs.releasing.standings import Coverage

_MILLION = 1_000_000


class Savings(NamedTuple):
    """What is known besides the log.

    Attributes:
        price: Of the model that answers today; zero where it is not known.
        coverage: Of the task's newest student; None without one.
    """

    price: PriceSpec = PriceSpec()
    coverage: Coverage | None = None


def price_of(text: str | None, task: Task | None = None) -> PriceSpec:
    """The price that a user names, or that of the task's teacher.

    Args:
        text: Two numbers, for a million tokens of requests and of answers.
        task: Whose teacher has a price.

    Raises:
        CommandError: The text is no such pair.
    """
    if text is None:
        return task.settings.teacher.price if task else PriceSpec()
    try:
        given, got = (float(part) for part in text.split(","))
        return PriceSpec(prompt_per_million=given, completion_per_million=got)
    except ValueError:
        raise CommandError(
            f"--price is {text!r}; it is what a million tokens of requests and answers cost, such as 2.5,10"
        ) from None


def savings_rows(traces: TracesReport, savings: Savings) -> Iterator[tuple[str, str]]:
    """What the log used and cost, and the share that a student would take over."""
    used = traces.usage
    given, got = used.tokens()
    about = (
        ""
        if used.counted == traces.kept
        else ", some by their length"
        if used.counted
        else ", by their length"
    )
    yield f"tokens of requests{about}", f"{given:,}"
    yield f"tokens of answers{about}", f"{got:,}"
    if used.priced:
        yield f"cost as logged, of {used.priced:,} traces", f"{used.cost:,.2f}"
    price = savings.price
    cost = (given * price.prompt_per_million + got * price.completion_per_million) / _MILLION
    if cost:
        yield "cost at the given price", f"{cost:,.2f}"
    if traces.kept:
        thousand = (cost or used.cost) / (traces.kept if cost else used.priced or 1) * 1000
        if thousand:
            yield "cost of 1,000 calls", f"{thousand:,.2f}"
    if savings.coverage:
        kept, right = savings.coverage.kept.value, savings.coverage.precision.value
        run = savings.coverage.run
        yield f"the student of {run} would answer alone", f"{kept:.1%} ({right:.1%} right)"
        if cost:
            yield "and save", f"{kept * cost:,.2f}"
