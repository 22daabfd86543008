"""What the Dagster UI shows of a trained model and of its exported files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from distil_dag.core.reports.exporting import GgufReport
from distil_dag.core.reports.training import Depth, TrainReport
from distil_dag.core.settings import TrainingSpec
from distil_dag.resources.metadata import figures, image, table
from distil_dag.stages.exporting.parity import Parities
from distil_dag.stages.training.plots import loss_plot


def checkpoint_metadata(report: TrainReport, spec: TrainingSpec, folder: str) -> dict[str, Any]:
    """The loss curve, the supervised tokens, what the student was trained on, and the speed.

    Args:
        report: The report of the training.
        spec: The settings of the training.
        folder: Path or URL of the checkpoint.
    """
    trained = spec.trained_layers
    return {
        "dagster/row_count": report.rows,
        "dagster/uri": folder,
        "loss": image(loss_plot(report.loss, spec.batch_size), "training loss"),
        "supervised": table(report.audit, ["prompt", "supervised"]),
        "rows_by_origin": table([report.rows_by_origin]),
        "base": report.base,
        "method": f"{report.method}, {f'the last {trained}' if trained else 'all'} layers",
        **_depth(report.depth),
        "steps": report.steps,
        "epochs": report.epochs,
        **figures({"first_loss": report.loss[0][1], "last_loss": report.loss[-1][1]}),
        "tokens": report.tokens,
        "supervised_tokens": report.supervised_tokens,
        "truncated_rows": report.truncated,
        **_refused(report.refused_rows),
        "stop_token_trained": report.stop_token_trained,
        "seconds": round(report.seconds, 1),
        "tokens_per_second": round(_tokens_seen(report) / max(report.seconds, 1e-9), 1),
        "resumed_from_step": report.resumed_from_step,
    }


def gguf_metadata(
    report: GgufReport, found: Mapping[str, Parities], card: str, folder: str
) -> dict[str, Any]:
    """The files with their parity, and the answers in which a file differs from the checkpoint.

    Args:
        report: The report of the export.
        found: Format and setting of flash attention -> how the file differs from the checkpoint.
        card: The model card as Markdown.
        folder: Path or URL of the files.
    """
    files = [
        {
            "file": file.path,
            "MB": round(file.bytes / 1e6, 1),
            **{
                f"same answers, flash attention {flash}": f"{share:.1%} of {file.probes}"
                for flash, share in file.by_attention.items()
            },
            "same tokens": file.tokens_equal,
            "same template": file.template_equal,
            "sha256": file.sha256[:16],
        }
        for file in report.files
    ]
    differing = [
        {"file": name, "flash attention": flash, "prompt": prompt, "checkpoint": ours, "answer": theirs}
        for name, parities in found.items()
        for flash, parity in parities.items()
        for prompt, ours, theirs in parity.differing
    ]
    return {
        "dagster/uri": folder,
        "files": table(files),
        "different_answers": table(differing),
        "model_card": dg.MetadataValue.md(card.split("---\n", 2)[-1]),
        "ships": report.primary,
        "confidence": _confidence(report),
        "probes": max((file.probes for file in report.files), default=0),
        "lowest_agreement": min((file.agreement for file in report.files), default=0.0),
    }


def _confidence(report: GgufReport) -> str:
    found = report.confidence
    if found is None:
        return f"not calibrated: {report.confidence_missing}"
    return (
        f"on {found.cases} cases, {found.right} right; {found.kept_right} of {found.kept} at the threshold "
        f"for a precision of {found.target_precision:.1%}"
    )


def _depth(depth: Depth | None) -> dict[str, Any]:
    """How many blocks of the base were kept, and each block's influence."""
    if depth is None:
        return {}
    shown = [
        {"block": place, "influence": f"{influence:.4f}", "kept": place in depth.kept}
        for place, influence in enumerate(depth.influence)
    ]
    return {
        "layers": f"{len(depth.kept)} of the base's {len(depth.influence)}",
        "block_influence": table(shown, limit=len(shown)),
    }


def _refused(rows: Mapping[str, int]) -> dict[str, Any]:
    """The rows that the student's chat template refuses, by its reason."""
    return {"refused_rows": table([{"reason": why, "rows": n} for why, n in rows.items()])} if rows else {}


def _tokens_seen(report: TrainReport) -> float:
    """Tokens of the steps that `report.seconds` covers: those since the training was resumed."""
    return report.tokens_seen * (1 - report.resumed_from_step / max(report.steps, 1))
