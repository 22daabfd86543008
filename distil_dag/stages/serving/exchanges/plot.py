"""How the share of a student, and its agreement, went: a small plot."""

from __future__ import annotations

from distil_dag.stages.picture import small_axes, webp
from distil_dag.stages.serving.exchanges.overview import Overview


def overview_plot(overview: Overview, target: float | None = None) -> bytes:
    """Share answered alone, agreement where each was heard, and the promise, over time.

    Args:
        overview: of a task, with one point at least.
        target: the promised agreement; None without a promise.

    Returns:
        A WebP.
    """
    figure, axes = small_axes(2.4)
    alone = [(point.start, point.alone) for point in overview.points]
    axes.plot(*zip(*alone, strict=True), marker=".", label="answered alone")
    for name, label in (("heard", "agreement, student heard"), ("shadow", "agreement, teacher heard")):
        known = [(point.start, getattr(point, name).share) for point in overview.points]
        drawn = [(time, share.value) for time, share in known if share]
        if drawn:
            axes.plot(*zip(*drawn, strict=True), marker=".", label=label)
    if target is not None:
        axes.axhline(target, linestyle="--", linewidth=1, color="grey", label="promise")
    axes.set_ylim(0, 1.02)
    axes.tick_params(axis="x", labelrotation=20, labelsize=8)
    axes.legend(fontsize=8, frameon=False, loc="best")
    return webp(figure)
