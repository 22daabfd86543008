"""`distil-dag lineage`: what made a model, and how good it is."""

from __future__ import annotations

import json as json_format
import shutil
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from distil_dag.adapters.forgetting.kept_tombstones import read_tombstones
from distil_dag.adapters.run_store import RunStore, file_digest
from distil_dag.cli.errors import CommandError
from distil_dag.cli.lineage_seal import seal_of, seal_told, tampered, traces_as_json, traces_told
from distil_dag.cli.run_files import frozen_task
from distil_dag.core.reports.exporting import GgufFile, GgufReport
from distil_dag.core.reports.model_evaluation import GateVerdict, ModelEvaluation
from distil_dag.core.reports.provenance import Provenance
from distil_dag.core.task import Task
from distil_dag.resources.ancestors import Ancestor, ancestors, as_mermaid, as_text
from distil_dag.resources.deployment import Deployment, deployment
from distil_dag.resources.gate_verdicts import gate_verdicts
from distil_dag.runs.forgetting.forget import mark_of
from distil_dag.runs.lineage.passport import TRACES, Ids, passport, read_passport
from distil_dag.runs.provenance import EVALUATION, provenance, stored_evaluation
from distil_dag.stages.exporting.origin_text import (
    Fact,
    gates_told,
    how_good,
    made_from,
    settings_told,
    untested,
)

# The end of the chain first: lineage starts from the last asset that a run made.
_ENDS = ("eval_report", "gguf", "checkpoint", "synthetic_set", "judged_seeds", "traces")
_WIDEST, _LABEL = 100, 13


@dataclass
class _Model:
    """What is known of a model.

    Attributes:
        entries: Its ancestors.
        origin: What made it; None for a file of an older release whose run is not known here.
        evaluation: Its scores, if they are known.
        gates: Verdicts of its gates.
        files: Facts of the file that was named, or of those of the run.
        sha256: Content hash of the file that was named, if it was one.
        wrong: What was changed in the file since it was sealed, as a sentence.
        traces: Ids of the traces behind the file, by what they were to the model.
    """

    entries: list[Ancestor]
    origin: Provenance | None = None
    evaluation: ModelEvaluation | None = None
    gates: list[GateVerdict] = field(default_factory=list)
    files: list[Fact] = field(default_factory=list)
    sha256: str = ""
    wrong: str = ""
    traces: dict[str, Ids] = field(default_factory=dict)

    @property
    def candidate(self) -> str:
        """Name by which the evaluation knows the file; empty without one."""
        measured = self.evaluation.measured(self.sha256) if self.evaluation and self.sha256 else None
        return measured.name if measured else ""


def show_lineage(subject: str, json: bool, mermaid: bool, verbose: bool) -> None:
    """Print what made a model and how good it is.

    Args:
        subject: A run's key, or the path of a GGUF file.
        json: Print the ancestors as JSON; the first one also has what is known of the model, as `model`.
        mermaid: Print a Mermaid flow chart of the ancestors.
        verbose: Print hashes, versions and Dagster runs of all ancestors as well.

    Raises:
        CommandError: There is no such run or file, the file has no lineage, or it was changed since it was
            sealed.
    """
    is_file = subject.endswith(".gguf") or Path(subject).is_file()
    places = deployment()
    model = _of_file(Path(subject), places) if is_file else _of_run(subject, places)
    if json:
        print(json_format.dumps(_as_json(model), ensure_ascii=False, indent=2))
    elif mermaid:
        print(as_mermaid(model.entries))
    else:
        print(_told(model, verbose))
    if model.wrong:
        raise CommandError(f"{subject} was tampered with: {model.wrong}", exit_code=1)


def _of_file(path: Path, places: Deployment) -> _Model:
    from distil_dag.adapters.llamacpp.gguf_tools import read_metadata
    from distil_dag.adapters.serving.answering import LINEAGE, PROVENANCE, RUN

    if not path.is_file():
        raise CommandError(f"{path} is not a file")
    state = seal_of(path)
    try:
        found = read_metadata(path)
        wrong = tampered(state, found)
        if LINEAGE not in found and not wrong:
            raise CommandError(f"{path} carries no lineage: it was not exported by this project", exit_code=1)
        model = _Model(json_format.loads(str(found[LINEAGE])), wrong=wrong, traces=read_passport(found))
        if PROVENANCE in found:
            model.origin = Provenance.model_validate_json(str(found[PROVENANCE]))
    except (OSError, ValueError, KeyError) as error:
        if state.is_tampered:
            said = tampered(state, {})
            raise CommandError(f"{path} was tampered with: {said}. It can't be read", exit_code=1) from None
        raise CommandError(f"{path} can't be read as GGUF: {error}") from None
    model.sha256 = sha256 = file_digest(path).removeprefix("sha256:")
    run = str(found.get(RUN, ""))
    task = _task_of_file(RunStore(places.store), run, sha256)
    if model.origin is None and task:
        model.origin = provenance(RunStore(places.store), run, task)
    model.evaluation = _beside(path, sha256)
    if model.evaluation is None and task:
        model.evaluation = stored_evaluation(RunStore(places.store), run, task)
    model.gates = model.evaluation.gates if model.evaluation else []
    if not model.gates and task:
        model.gates = _gates(run, places)
    size = f"{_format(found)}{path.stat().st_size / 1e6:.0f} MB"
    model.files = [("file", f"{path.name}, {size}, sha256 {sha256[:12]}…, of run {run}.")]
    store = RunStore(places.store)
    model.files.append(seal_told(state, found, store, task is not None))
    model.files += traces_told(model.traces, read_tombstones(store))
    return model


def _of_run(run: str, places: Deployment) -> _Model:
    entries: list[Ancestor] = []
    if places.exists():
        with places.instance() as instance:
            found = (ancestors(instance, asset, run) for asset in _ENDS)
            entries = next((made for made in found if made), [])
    if not entries:
        raise CommandError(
            f"{run!r} is no run of this installation ({places.home}): `distil-dag runs` lists them, and "
            "DISTIL_DAG_HOME names another one. For a file give its path, FILE.gguf."
        )
    store = RunStore(places.store)
    model = _Model(entries, gates=_gates(run, places))
    mark = mark_of(store, run)
    if exported := _exported(store, run):
        model.files = [
            ("files", f"{'; '.join(_described(file, exported.primary) for file in exported.files)}.")
        ]
    if mark:
        told = [f"{' and '.join(found.roles)} ({found.advice})" for found in mark.requests.values()]
        model.files.append(("forgotten", f"Traces were forgotten that it has: {'; '.join(told)}."))
    if task := frozen_task(run, store):
        model.origin = provenance(store, run, task)
        model.traces = read_passport({TRACES: passport(store, run, task)})
        model.evaluation = stored_evaluation(store, run, task)
    if not model.gates and model.evaluation:
        model.gates = model.evaluation.gates
    return model


def _exported(store: RunStore, run: str) -> GgufReport | None:
    try:
        return store.read_report(run, "gguf", GgufReport) if store.has(run) else None
    except (FileNotFoundError, ValueError):
        return None


def _task_of_file(store: RunStore, run: str, sha256: str) -> Task | None:
    """The frozen task of the run that made the file; None if the store has no such run or other files."""
    exported = _exported(store, run)
    same = exported is not None and any(file.sha256 == sha256 for file in exported.files)
    return frozen_task(run, store) if same else None


def _described(file: GgufFile, primary: str) -> str:
    ships = " (ships)" if file.path == primary else ""
    return f"{file.path}{ships}, {file.format}, {file.bytes / 1e6:.0f} MB, sha256 {file.sha256[:12]}…"


def _format(key_values: Mapping[str, Any]) -> str:
    """The format of a GGUF file as it begins a list, such as `Q8_0, `; empty where the file does not say."""
    from gguf import LlamaFileType

    try:
        named = LlamaFileType(int(key_values["general.file_type"])).name
    except (KeyError, ValueError):
        return ""
    return f"{named.removeprefix('MOSTLY_')}, "


def _beside(path: Path, sha256: str) -> ModelEvaluation | None:
    """The scores in the folder of a file, if they are of this file."""
    scores = path.with_name(f"{Path(EVALUATION).name}.json")
    try:
        found = ModelEvaluation.model_validate_json(scores.read_bytes())
    except (OSError, ValidationError):
        return None
    return found if found.measured(sha256) else None


def _gates(run: str, places: Deployment) -> list[GateVerdict]:
    if not places.exists():
        return []
    with places.instance() as instance:
        return gate_verdicts(instance, run)


def _as_json(model: _Model) -> list[dict[str, Any]]:
    """The ancestors as they always were, and in the first one what is known of the model."""
    about = {
        "provenance": model.origin and model.origin.model_dump(mode="json"),
        "evaluation": model.evaluation and model.evaluation.model_dump(mode="json"),
        "gates": [gate.model_dump(mode="json") for gate in model.gates],
        "sha256": model.sha256 or None,
        "candidate": model.candidate or None,
        "tampered": model.wrong or None,
        "traces": traces_as_json(model.traces),
    }
    first, *rest = model.entries
    return [{**first, "model": about}, *({**entry} for entry in rest)]


def _told(model: _Model, verbose: bool) -> str:
    parts = [_wrapped([*model.files, *_facts(model), *gates_told(model.gates)])]
    if model.origin:
        settings = settings_told(model.origin.settings, lambda text: f"{text} *")
        parts.append(f"Settings; * is not the default\n{_wrapped(settings)}")
    parts.append(
        as_text(model.entries) if verbose else "Hashes, versions and Dagster runs: --verbose, --json"
    )
    return "\n\n".join(parts)


def _facts(model: _Model) -> list[Fact]:
    if model.origin:
        unknown = (
            untested(model.origin.run) if model.sha256 else "eval_report has not measured these files yet."
        )
        return made_from(model.origin) + how_good(model.evaluation, unknown, model.candidate)
    made = "; ".join(f"{entry['asset']} {entry['timestamp']}" for entry in reversed(model.entries))
    return [
        ("made", f"{made}."),
        (
            "more",
            "The file is of a release that noted only versions and changed settings (--verbose), and its run "
            "is not in this installation.",
        ),
    ]


def _wrapped(facts: list[Fact]) -> str:
    width = max(60, min(_WIDEST, shutil.get_terminal_size().columns))
    return "\n".join(
        textwrap.fill(
            text,
            width,
            initial_indent=f"{label:<{_LABEL}}",
            subsequent_indent=" " * _LABEL,
            break_on_hyphens=False,
        )
        for label, text in facts
    )
