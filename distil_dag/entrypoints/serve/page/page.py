"""The page of a server as HTML: everything is in it, also its plots."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import jinja2

from distil_dag.core.reports.base import Estimate
from distil_dag.entrypoints.serve.page.data import PageData, TaskPage
from distil_dag.entrypoints.serve.page.plots import HEIGHT, WIDTH, Plot, share_plot
from distil_dag.stages.serving.exchanges.overview import ENOUGH

# A browser would obey them, or show nothing in their place.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def page(data: PageData) -> str:
    """The page.

    Args:
        data: what it shows. Its texts come from strangers, and are escaped.

    Returns:
        HTML without scripts and without links to other hosts.
    """
    return str(_template().render(data=data, enough=ENOUGH, width=WIDTH, height=HEIGHT))


def alone_plot(task: TaskPage) -> Plot | None:
    """The share that the student answers, over time."""
    shares = [
        (point.start, Estimate(value=point.alone, low=point.alone, high=point.alone))
        for point in task.overview.points
    ]
    return share_plot(shares, "Share answered by the student alone", whole=True)


def agreement_plot(task: TaskPage) -> Plot | None:
    """The agreement over time where the student was heard, and beside it where it was not."""
    heard = [(point.start, point.heard.share) for point in task.overview.points if point.heard.share]
    shadow = [(point.start, point.shadow.share) for point in task.overview.points if point.shadow.share]
    target = task.promise.target if task.promise else None
    return share_plot(heard, "Agreement where the student was heard", shadow, target)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"visible": visible, "share": _share, "duration": _duration, "money": _money}
    environment.globals |= {"alone_plot": alone_plot, "agreement_plot": agreement_plot}
    return environment.get_template("page.html.jinja")


def visible(text: str) -> str:
    """A text whose control and direction signs are shown as their numbers."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _share(value: float) -> str:
    return f"{value:.1%}"


def _duration(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.2f} s" if milliseconds >= 1000 else f"{milliseconds:.0f} ms"


def _money(value: float) -> str:
    return f"{value:,.2f}" if value >= 0.01 or value == 0 else f"{value:.2g}"
