"""A Distil Labs folder as a task: their `config.yaml` in our terms, their data as the log.

What has a counterpart here is taken over; everything else is named in a warning, never dropped
in silence. Their models are names in their own catalogue, which is served by them: the task
keeps the embedded ones and the warning says which setting brings the named one in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distil_dag.adapters.tasks.located_yaml import Marked, Step

FILE = "config.yaml"
TASKS = ("tool-calling-closed-book", "multi-turn-tool-calling-closed-book")

# Ours -> theirs. Source: the configuration reference in distil-labs/distil-cli-skill.
_COUNTERPARTS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("test", "size"): ("trace_processing", "num_traces_as_testing_base"),
    ("teacher", "max_in_flight"): ("base", "llm_num_parallel_requests"),
    ("judge", "seeds"): ("trace_processing", "num_traces_as_training_base"),
    ("judge", "relabel"): ("trace_processing", "relabel"),
    ("synthesis", "rows"): ("synthgen", "generation_target"),
    ("synthesis", "batch"): ("synthgen", "generation_iteration_size"),
    ("synthesis", "exemplars"): ("synthgen", "num_positive_exemplars_per_generation"),
    ("synthesis", "temperature"): ("synthgen", "teacher_temperature"),
    ("synthesis", "near_duplicate"): ("synthgen", "validation_similarity_threshold"),
    ("training", "lora_rank"): ("tuning", "lora_r"),
    ("training", "epochs"): ("tuning", "num_train_epochs"),
    ("training", "synthetic_epochs"): ("tuning", "num_train_epochs"),
    ("training", "learning_rate"): ("tuning", "learning_rate"),
    ("training", "batch_size"): ("tuning", "per_device_train_batch_size"),
    ("training", "warmup_ratio"): ("tuning", "warmup_ratio"),
    ("evaluation", "few_shot"): ("evaluation", "num_few_shot_examples"),
}
_SEEDED = ("test", "judge", "synthesis", "training", "evaluation")
_HUB_OWNERS = {
    "Qwen": "Qwen",
    "Llama": "meta-llama",
    "LFM2": "LiquidAI",
    "gemma": "google",
    "functiongemma": "google",
    "SmolLM2": "HuggingFaceTB",
}


@dataclass
class Imported:
    """Settings as `task.yaml` would hold them, the place in `config.yaml` that each came from."""

    settings: dict[str, Any]
    origin: dict[tuple[Step, ...], tuple[str, ...]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    mistakes: list[tuple[tuple[Step, ...], str]] = field(default_factory=list)


def import_config(folder: Path, marked: Marked) -> Imported:
    """Translate `config.yaml`; mistakes carry their place in it."""
    config = marked.value if marked.value is not None else {}
    found = Imported(settings={"name": _name(folder)})
    if not isinstance(config, dict):
        found.mistakes.append(((), "must hold sections such as `base`"))
        return found
    for key in ("base", "tuning", "evaluation", "synthgen", "trace_processing"):
        if not isinstance(config.get(key) or {}, dict):
            found.mistakes.append(((key,), "must be a section (`key: value` lines)"))
            return found
    base = config.get("base") or {}
    if "task" not in base:
        found.mistakes.append(((), f"base.task: is missing; one of: {', '.join(TASKS)}"))
    elif base["task"] not in TASKS:
        said = f"{base['task']!r} is not about tool calls; one of: {', '.join(TASKS)}"
        found.mistakes.append((("base", "task"), said))
    taken: set[tuple[str, ...]] = {("base", "task")}
    for ours, theirs in _COUNTERPARTS.items():
        section = config.get(theirs[0]) or {}
        if section.get(theirs[1]) is not None:
            _set(found, ours, section[theirs[1]], theirs)
            taken.add(theirs)
    _import_training(found, config.get("tuning") or {}, taken)
    if "random_seed" in base:
        taken.add(("base", "random_seed"))
        for name in _SEEDED:
            _set(found, (name, "seed"), base["random_seed"], ("base", "random_seed"))
    _name_models(found, base, taken)
    found.settings["traces"] = _trace_source(folder, found)
    ignored = [".".join(path) for path in _leaves(config) if path not in taken]
    if ignored:
        found.warnings.append(f"{FILE}: has no counterpart here and is not used: {', '.join(ignored)}")
    return found


def _import_training(found: Imported, tuning: dict[str, Any], taken: set[tuple[str, ...]]) -> None:
    if isinstance(tuning.get("use_lora"), bool):
        _set(found, ("training", "method"), "lora" if tuning["use_lora"] else "full", ("tuning", "use_lora"))
        taken.add(("tuning", "use_lora"))
    steps, size = tuning.get("gradient_accumulation_steps"), tuning.get("per_device_train_batch_size", 1)
    if isinstance(steps, int) and isinstance(size, int):
        theirs = ("tuning", "gradient_accumulation_steps")
        _set(found, ("training", "batch_size"), steps * size, theirs)
        taken.add(theirs)


def _name_models(found: Imported, base: dict[str, Any], taken: set[tuple[str, ...]]) -> None:
    student, teacher = base.get("student_model_name"), base.get("teacher_model_name")
    if student is not None:
        taken.add(("base", "student_model_name"))
        owner = next((hub for family, hub in _HUB_OWNERS.items() if str(student).startswith(family)), "OWNER")
        found.warnings.append(
            f"{FILE}: student {student!r} is not fetched unasked; the embedded student is trained. "
            f"Set student.model={owner}/{student} for the one named"
        )
    if teacher is not None:
        taken.add(("base", "teacher_model_name"))
        found.warnings.append(
            f"{FILE}: teacher {teacher!r} has no address here; the embedded teacher is used. "
            "Set teacher.mode=attached, teacher.base_url and teacher.model for the one named"
        )


def _trace_source(folder: Path, found: Imported) -> dict[str, Any] | None:
    """The log: production traces and given seeds together, since both are cases to judge.

    `unstructured.jsonl` counts where its rows wrap conversations; plain prose holds no call.
    """
    present = [name for name in ("traces", "unstructured", "train") if (folder / f"{name}.jsonl").is_file()]
    if "unstructured" in present and not _wraps_conversations(folder / "unstructured.jsonl"):
        present.remove("unstructured")
        found.warnings.append("unstructured.jsonl: its rows hold no conversations and are not used")
    if not present:
        tables = [
            name for name in ("traces.csv", "train.csv", "unstructured.csv") if (folder / name).is_file()
        ]
        instead = f"; {', '.join(tables)}: CSV is not read, write it as JSONL" if tables else ""
        found.mistakes.append(
            ((), f"no data beside it: traces.jsonl, unstructured.jsonl or train.jsonl is needed{instead}")
        )
        return None
    # A pattern for each set of files: one source reads them all, and never `test.jsonl`.
    glob = {
        ("traces", "unstructured", "train"): "[tu][rn]*.jsonl",
        ("traces", "unstructured"): "[tu][rn]*.jsonl",
        ("unstructured", "train"): "[tu][rn]*.jsonl",
        ("traces", "train"): "tra*.jsonl",
    }.get(tuple(present), f"{present[0]}.jsonl")
    return {"kind": "files", "path": glob}


def _wraps_conversations(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            row = json.loads(file.readline(2**20))
        return "messages" in row or isinstance(json.loads(row["context"]), list)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _set(found: Imported, ours: tuple[str, ...], value: Any, theirs: tuple[str, ...]) -> None:
    found.settings.setdefault(ours[0], {})[ours[1]] = value
    found.origin[ours] = theirs


def _leaves(config: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for key, value in config.items():
        if isinstance(value, dict):
            yield from ((str(key), str(name)) for name in value)
        else:
            yield (str(key),)


def _name(folder: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", folder.absolute().name).strip("_-")[:64] or "distil_labs"
