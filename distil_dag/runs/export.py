"""A checkpoint as a folder that can be shipped: GGUF files, Modelfile, model card, lineage."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from distil_dag.adapters.checkpoints.transformers_model import CheckpointModel
from distil_dag.adapters.llamacpp.chat import LlamaCppChat
from distil_dag.adapters.llamacpp.gguf_tools import convert, quantize, set_metadata
from distil_dag.adapters.llamacpp.seal import seal
from distil_dag.adapters.llamacpp.vocabulary import AS_WRITTEN
from distil_dag.adapters.run_store import RunStore, file_digest
from distil_dag.adapters.serving import answering
from distil_dag.core.case import Case
from distil_dag.core.context import NOTHING
from distil_dag.core.reports.exporting import FlashAttention, GgufFile, GgufReport
from distil_dag.core.reports.model_evaluation import ModelEvaluation
from distil_dag.core.reports.provenance import Provenance
from distil_dag.core.reports.training import TrainReport
from distil_dag.core.task import Task
from distil_dag.runs.confidence import measure_confidence
from distil_dag.runs.lineage.passport import TRACES
from distil_dag.runs.provenance import EVALUATION
from distil_dag.stages.exporting.model_card import base_licence, lineage_document, model_card
from distil_dag.stages.exporting.modelfile import modelfile
from distil_dag.stages.exporting.parity import (
    Parities,
    Reference,
    compare_files,
    described,
    probe_prompts,
    reference,
)
from distil_dag.stages.ports import Progress, quiet
from distil_dag.stages.serving.proving.calibration_rows import key_values
from distil_dag.stages.student import draft_model as answer_habits
from distil_dag.stages.student.base_template import CHATML_OPEN

_EXACT = "f16"
# llama.cpp's server and Ollama compute with it by default, llama-cpp-python and `Student` without.
_FLASH_ATTENTION: dict[FlashAttention, bool] = {"off": False, "on": True}


def export(
    checkpoint: Path,
    folder: Path,
    task: Task,
    origin: Provenance,
    probes: Sequence[Case],
    held: Sequence[Case],
    training: TrainReport,
    ancestors: Sequence[Mapping[str, Any]],
    progress: Progress = quiet,
    traces: str = "",
) -> tuple[GgufReport, dict[str, Parities]]:
    """Export a checkpoint into an empty folder.

    Args:
        checkpoint: Folder of the checkpoint.
        folder: The folder to fill.
        task: The run's frozen task.
        origin: What made the checkpoint.
        probes: Cases on whose requests each file is compared with the checkpoint.
        held: Cases that were set aside from training; the primary file is calibrated on them.
        training: The report of the training.
        ancestors: The lineage of the checkpoint.
        progress: Called after each step.
        traces: The traces behind the model, as :func:`passport` writes them.

    Returns:
        The report, and for each format how its file differs from the checkpoint, without and with flash
        attention.

    Raises:
        ValueError: The file that should ship is not among the formats that are made.
        RuntimeError: llama.cpp fails.
    """
    settings = task.settings
    formats = [_EXACT, *settings.export.quantizations]
    if settings.export.primary not in formats:
        raise ValueError(f"export.primary is {settings.export.primary!r}, but made are {', '.join(formats)}")
    steps = 3 + 3 * len(formats)
    progress(0, steps, "converting")
    source = folder / _name(_EXACT)
    convert(checkpoint, source)
    # Before the quantisation, since it copies the key-values.
    set_metadata(
        source, _key_values(task, origin, ancestors, checkpoint) | ({TRACES: traces} if traces else {})
    )
    for done, name in enumerate(settings.export.quantizations, 1):
        progress(done, steps, f"quantising to {name}")
        quantize(source, folder / _name(name), name)
    primary = _name(settings.export.primary)
    progress(len(formats), steps, f"calibrating {primary}")
    measured = measure_confidence(folder / primary, held, task.toolset, settings.evaluation)
    confidence = measured.confidence
    if confidence:
        ranked = measured.ranking.key_values() if measured.ranking else {}
        set_metadata(folder / primary, confidence.key_values() | ranked | key_values(measured.rows))
    for form in formats:
        seal(folder / _name(form))  # nothing is written into a file after this
    progress(len(formats) + 1, steps, "asking the checkpoint")
    known = _reference(checkpoint, task, probes)
    found: dict[str, Parities] = {form: {} for form in formats}
    asked = product(formats, _FLASH_ATTENTION.items())
    for done, (form, (flash, switched)) in enumerate(asked, len(formats) + 2):
        progress(done, steps, f"asking {_name(form)}, flash attention {flash}")
        with LlamaCppChat(folder / _name(form), parallel=16, flash_attention=switched) as chat:
            found[form][flash] = compare_files(known, chat, settings.evaluation.max_new_tokens)
    files = [_described(folder / _name(form), form, parities) for form, parities in found.items()]
    texts = {
        "Modelfile": modelfile(primary, settings.student, CHATML_OPEN in known.template),
        "README.md": model_card(task, origin, training, files, primary, confidence),
        "lineage.json": lineage_document(origin, files, ancestors),
    }
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8")
    progress(steps, steps, "")
    modelfile_name, card_name, lineage_name = texts
    report = GgufReport(
        files=files,
        modelfile=modelfile_name,
        model_card=card_name,
        lineage=lineage_name,
        primary=primary,
        confidence=confidence,
        confidence_missing=measured.missing,
        guarantee=measured.guarantee,
        ranking=measured.ranking,
        set_aside=measured.right,
    )
    return report, found


def write_scores(
    store: RunStore, task: Task, origin: Provenance, evaluation: ModelEvaluation, exported: GgufReport
) -> str:
    """Write `evaluation.json` beside the files of a run, and their model card again with the scores.

    The GGUF files stay as they are, since a score in their key-values would make other files of them.

    Args:
        store: The store of all runs.
        task: The run's frozen task.
        origin: What made the model.
        evaluation: The scores of the files.
        exported: The report of the export.

    Returns:
        The model card.
    """
    run = origin.run
    training = store.read_report(run, "checkpoint", TrainReport)
    card = model_card(
        task, origin, training, exported.files, exported.primary, exported.confidence, evaluation
    )
    store.write_bytes(run, "gguf", f"files/{exported.model_card}", card.encode())
    store.write_report(run, "gguf", evaluation, name=EVALUATION)
    return card


def _name(form: str) -> str:
    return f"model-{form}.gguf"


def _key_values(
    task: Task, origin: Provenance, ancestors: Sequence[Mapping[str, Any]], checkpoint: Path
) -> dict[str, str | bool]:
    """What the file says about itself: enough to use it, and to find where it came from."""
    values: dict[str, str | bool] = {
        **AS_WRITTEN,
        "general.name": task.name,
        "general.description": f"Tool calls for {task.name}, distilled by distil_dag, run {origin.run}",
        answering.RUN: origin.run,
        "distil_dag.task": task.name,
        answering.TOOLS: json.dumps(list(task.tools), ensure_ascii=False),
        answering.TOOLS_IN_PROMPT: str(task.settings.student.tools_in_prompt).lower(),
        answering.SYSTEM_PROMPT: task.settings.student.system_prompt,
        **({answering.CONTEXT: task.context.model_dump_json()} if task.context != NOTHING else {}),
        answering.LINEAGE: json.dumps(list(ancestors), ensure_ascii=False),
        answering.PROVENANCE: origin.model_dump_json(),
    }
    if (habits := checkpoint / answer_habits.FILE).is_file():
        values[answer_habits.KEY] = habits.read_text(encoding="utf-8")
    licence = base_licence(task)
    return {**values, "general.license": licence} if licence else values


def _reference(checkpoint: Path, task: Task, probes: Sequence[Case]) -> Reference:
    model = CheckpointModel(checkpoint)
    prompts = probe_prompts(
        probes,
        task.toolset,
        task.settings.student,
        model.chat_template,
        model.special_tokens,
        task.settings.export.probes,
        task.context,
    )
    return reference(model, prompts, task.settings.evaluation.max_new_tokens)


def _described(path: Path, form: str, parities: Parities) -> GgufFile:
    digest = file_digest(path).removeprefix("sha256:")
    return described(form, path.name, digest, path.stat().st_size, parities)
