"""The plot of a training's loss."""

from __future__ import annotations

from collections.abc import Sequence

from distil_dag.stages.picture import webp


def loss_plot(loss: Sequence[tuple[int, float]], batch: int) -> bytes:
    """WebP of the training loss over the rows seen, on a logarithmic scale.

    Args:
        loss: (step, loss in nats for each supervised token).
        batch: rows in a step.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 2.6), dpi=90)
    axes = figure.add_subplot()
    axes.plot(
        [step * batch for step, _ in loss], [value for _, value in loss], color="#0f766e", linewidth=1.5
    )
    if loss and all(value > 0 for _, value in loss):
        axes.set_yscale("log")
    axes.set_xlabel("rows seen")
    axes.set_ylabel("loss per supervised token")
    axes.grid(visible=True, which="both", color="#e5e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    return webp(figure)
