"""Supervised fine-tuning of the student by TRL, from rows to a folder that can be served."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from distil_dag.core.case import Example
from distil_dag.core.context import NOTHING, ContextRule
from distil_dag.core.files import write_whole
from distil_dag.core.reports.training import TrainReport
from distil_dag.core.settings import StudentSpec, TrainingSpec
from distil_dag.core.toolset import Toolset
from distil_dag.stages.ports import Progress, quiet
from distil_dag.stages.student.draft_model import FILE, DraftModel
from distil_dag.stages.student.prompt import CHATML_CLOSE, template_for
from distil_dag.stages.training.layer_pruning import make_shallower
from distil_dag.stages.training.rows import TrainingRow, has_chatml, preview_rows, rows_digest, tokenise
from distil_dag.stages.training.tokenizer_files import keep_spaces, save_tokenizer
from distil_dag.stages.training.trainer import freeze, load_base, make_trainer, newest_whole_checkpoint

MODEL = "model"
REPORT = "report.json"
_CHECKPOINTS = "checkpoints"
_DEPTH = "depth.json"
_FINGERPRINT = "fingerprint"
# Part of every fingerprint: raise it when the same rows and settings would give other weights or habits.
_RECIPE = "8"


def fingerprint(
    rows: Sequence[Example],
    toolset: Toolset,
    student: StudentSpec,
    spec: TrainingSpec,
    base: str,
    context: ContextRule = NOTHING,
) -> str:
    """Identity of a training: equal ones end in the same weights.

    How often a checkpoint is written does not count.

    Args:
        rows: the training mix.
        toolset: the tools.
        student: the student's settings.
        spec: the settings of the training.
        base: names the base weights beyond doubt, e.g. with a content hash or a revision.
        context: what prompts keep of production's system turns.

    Returns:
        16 hexadecimal digits.
    """
    parts = [
        _RECIPE,
        [row.model_dump(mode="json", include={"messages", "calls", "origin"}) for row in rows],
        toolset.digest,
        student.model_dump(mode="json", exclude={"context"}),
        spec.model_dump(mode="json", exclude={"save_every_steps", "mix", "gpu_free"}),
        base,
        *([] if context == NOTHING else [context.model_dump(mode="json")]),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def train(
    rows: Sequence[Example],
    toolset: Toolset,
    student: StudentSpec,
    spec: TrainingSpec,
    base: Path | str,
    out: Path,
    progress: Progress = quiet,
    base_name: str = "",
    environment: Mapping[str, str] | None = None,
    context: ContextRule = NOTHING,
) -> TrainReport:
    """Fine-tune a base model; the student goes to `out/model`, weights merged, with its tokenizer.

    A training that was killed goes on from its last whole checkpoint in `out`. One that had finished is
    returned as it is.

    Args:
        rows: the training mix.
        toolset: the tools.
        student: the student's settings; with `student.layers` only so many blocks of the base stay.
        spec: the settings of the training.
        base: folder or Hub name of the base model.
        out: folder of this training alone; what another one left there is discarded.
        progress: called after each step.
        base_name: names the base weights in report and fingerprint; `base` if empty.
        environment: what the report says of the machine and its packages.
        context: what prompts keep of production's system turns.

    Raises:
        ValueError: for rows that teach nothing, and for a base with fewer layers.
    """
    started = time.monotonic()
    mark = fingerprint(rows, toolset, student, spec, base_name or str(base), context)
    _claim(out, mark)
    if (out / REPORT).exists():
        return TrainReport.model_validate_json((out / REPORT).read_text())

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers import set_seed

    tokenizer = student_tokenizer(base, student)
    refused: Counter[str] = Counter()
    tokens = tokenise(rows, toolset, student, tokenizer, tokenizer.chat_template, refused, context)
    usable = [row for row in tokens if len(row.prompt) < spec.max_length]
    _refuse_nothing(tokens, usable, refused, spec, tokenizer)

    set_seed(spec.seed)  # adapters are initialised before the trainer seeds anything
    model = load_base(base, student.revision, spec)
    depth = make_shallower(model, student.layers, usable, out / _DEPTH) if student.layers else None
    freeze(model, spec)
    trainer = make_trainer(model, tokenizer, usable, spec, out / _CHECKPOINTS, progress)
    resumed = newest_whole_checkpoint(out / _CHECKPOINTS)
    trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    report = TrainReport(
        base=base_name or str(base),
        method=spec.method,
        depth=depth,
        rows=len(tokens),
        rows_by_origin=dict(Counter(row.origin for row in tokens)),
        steps=trainer.state.global_step,
        epochs=spec.epochs,
        tokens=sum(row.length for row in tokens),
        tokens_seen=sum(map(len, trainer.train_dataset["input_ids"])),
        supervised_tokens=sum(max(0, min(row.length, spec.max_length) - len(row.prompt)) for row in tokens),
        truncated=sum(row.length > spec.max_length for row in tokens),
        unsupervised_rows=len(tokens) - len(usable),
        refused_rows=dict(refused),
        stop_token_trained=_stops(trainer.train_dataset, tokenizer.eos_token_id),
        loss=[(entry["step"], entry["loss"]) for entry in trainer.state.log_history if "loss" in entry],
        resumed_from_step=int(resumed.name.rsplit("-", 1)[1]) if resumed else 0,
        seconds=time.monotonic() - started,
        audit=preview_rows(trainer.train_dataset, tokenizer),
        dataset_digest=rows_digest(tokens),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=dict(environment or {}),
    )
    if trainer.is_world_process_zero():
        _publish_model(trainer, tokenizer, out / MODEL)
        save_tokenizer(tokenizer, base, student.revision, out / MODEL)
        _finish(out, report, DraftModel.fit(rows, toolset))
    trainer.accelerator.wait_for_everyone()
    return report


def _claim(out: Path, mark: str) -> None:
    """Make the folder this training's own: what another one left there is deleted."""
    if (out / _FINGERPRINT).exists() and (out / _FINGERPRINT).read_text() == mark:
        return
    for name in (_CHECKPOINTS, MODEL):
        shutil.rmtree(out / name, ignore_errors=True)
    for name in (REPORT, _DEPTH):
        (out / name).unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    (out / _FINGERPRINT).write_text(mark)


def student_tokenizer(base: Path | str, student: StudentSpec) -> Any:
    """The base's tokenizer with the student's template, and the end of a turn as end token."""
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(
        str(base), revision=student.revision, trust_remote_code=False
    )
    chatml = has_chatml(tokenizer)
    tokenizer.chat_template = template_for(tokenizer.chat_template, chatml, student.tools_in_prompt)
    if chatml:
        tokenizer.eos_token = CHATML_CLOSE
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    keep_spaces(tokenizer)
    return tokenizer


def _refuse_nothing(
    tokens: Sequence[TrainingRow],
    usable: Sequence[TrainingRow],
    refused: Mapping[str, int],
    spec: TrainingSpec,
    tokenizer: Any,
) -> None:
    if refused and not tokens:
        raise ValueError(f"none of {sum(refused.values())} rows can be rendered: {'; '.join(refused)}")
    if not usable:
        raise ValueError(
            f"none of {len(tokens)} rows has a supervised token within training.max_length="
            f"{spec.max_length}: add rows, or raise it"
        )
    if not any(row.completion[-1] == tokenizer.eos_token_id for row in usable):
        raise ValueError(
            f"no row ends with the stop token {tokenizer.eos_token!r}, so the student would never stop: "
            "the base model's tokenizer does not read it as one token"
        )


def _stops(dataset: Any, stop: int) -> bool:
    """True when the last supervised token of every row is the stop token."""
    last = ([label for label in row["labels"] if label != -100][-1:] for row in dataset)
    return all(labels == [stop] for labels in last)


def _publish_model(trainer: Any, tokenizer: Any, folder: Path) -> None:
    model = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    for config in (model.config, model.generation_config):
        config.eos_token_id = tokenizer.eos_token_id
        config.pad_token_id = tokenizer.pad_token_id
    model.config.use_cache = True
    text = model.config.get_text_config()
    if hasattr(text, "output_router_logits"):
        # TRL turns it on for the loss of a mixture of experts; answering many prompts at once then fails.
        text.output_router_logits = False
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(str(folder))


def _finish(out: Path, report: TrainReport, habits: DraftModel) -> None:
    """Write what belongs to the model; the report last, since it says that the training is finished."""
    (out / MODEL / FILE).write_text(habits.dumps())
    write_whole(out / REPORT, report.model_dump_json(indent=2).encode())
    shutil.rmtree(out / _CHECKPOINTS, ignore_errors=True)
