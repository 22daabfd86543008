"""Exact calls on MASSIVE: the chain, direct training and a lookup, on a clean log and on worse ones.

    DISTIL_DAG_MASSIVE_TRACES=FILE python benchmarks/massive_accuracy.py [--splits 0 1 2] [--logs clean ...]
        [--methods chain synthetic direct] [--repeats] [--work FOLDER] [--results docs/results.md]

A split holds out a test by normalised request, with its near copies, before the log is corrupted (see
`massive_logs.py`); the test's labels are those of the clean log. Each method sees only what then remains:

- *chain*: judge, synthesis, training on all of `examples/massive_iot`'s mix;
- *synthetic*: judge and synthesis, whose rows alone are learned, in two passes;
- *direct*: training on the log as it is, with the same settings, and of a long log no more rows in all;
- *lookup*: the calls of the nearest logged request.

Scored are the checkpoint and its Q8_0 file, by llama.cpp's greedy decoding and by this project's decoder.
Judge, teacher and student are SmolLM2-135M.

Every finished measurement stays in `--work` as a JSON file with all its answers, and beside `--results` as a
line that says which tests it got wrong. What is there already is not measured again, so an interrupted run
goes on. A changed task or log has a folder of its own, and a record of another one is not overwritten. All
takes hours on two cores.

With `--repeats` the tests are rows of the log drawn at random, and what repeats them stays in it, as logs are
usually split and as users ask. That is another measurement, to compare with figures from such splits, and has
`--results` of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from massive_logs import LOGS
from massive_split import ALONE, TEST, Split, say
from massive_tables import Cell, differences_table, dump_record, machines, read_record, shares_table

from distil_dag.adapters.candidates.baselines import LookupCandidate
from distil_dag.adapters.candidates.checkpoint import CheckpointCandidate
from distil_dag.adapters.candidates.decoder import DecoderCandidate
from distil_dag.adapters.candidates.gguf import GgufCandidate
from distil_dag.adapters.checkpoints.base_weights import base_checkpoint
from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.system.malloc import keeping_memory
from distil_dag.adapters.tasks.folder import read_task
from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.case import Case, Example, Trace
from distil_dag.core.files import write_whole
from distil_dag.core.reports.training import TrainReport
from distil_dag.core.settings import TrainingSpec
from distil_dag.core.task import Task
from distil_dag.core.tool_call import render_calls
from distil_dag.entrypoints.train import PARENT_VARIABLE, TrainingJob
from distil_dag.runs.export import export
from distil_dag.runs.provenance import provenance
from distil_dag.stages.evaluating import metrics
from distil_dag.stages.evaluating.candidate import Candidate
from distil_dag.stages.reading.case_files import read_cases
from distil_dag.stages.training import sft
from distil_dag.stages.training.trainer import native_bfloat16

_TASK = Path(__file__).parents[1] / "examples" / "massive_iot"
_VARIABLE = "DISTIL_DAG_MASSIVE_TRACES"
_SPLITS = (0, 1, 2)
_METHODS = ("chain", "synthetic", "direct")
_LOOKUP = "lookup"
# Passes over synthetic rows that are trained on alone.
_PASSES = 2.0
_PROBES = 8


def main() -> None:
    """Measure what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--splits", type=int, nargs="+", default=list(_SPLITS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the training")
    parser.add_argument("--logs", nargs="+", choices=list(LOGS), default=list(LOGS))
    parser.add_argument("--methods", nargs="+", choices=_METHODS, default=list(_METHODS))
    parser.add_argument("--repeats", action="store_true", help="leave what repeats the tests in the log")
    parser.add_argument("--work", type=Path, default=Path(".distil_dag/massive"))
    parser.add_argument("--results", type=Path, default=None, help="write the tables there as well")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", help="of the task's settings")
    options = parser.parse_args()
    source = os.environ.get(_VARIABLE)
    if not source or not Path(source).is_file():
        sys.exit(f"{_VARIABLE} must name the JSONL file of the log: see {_TASK.name}/README.md")
    changes = dict(change.split("=", 1) for change in options.set)
    task = read_task(_TASK, changes | {"export.quantizations": "[Q8_0]"})
    cases, problems = read_cases(Path(source).read_text().splitlines(), task.toolset)
    if problems:
        sys.exit(f"{source}: {len(problems)} rows can't be read, the first: {problems[0]}")
    traces = [Trace(**case.model_dump()) for case in cases]
    mark = _identity(task, traces, options.repeats)
    folder = options.work / mark
    folder.mkdir(parents=True, exist_ok=True)
    _refuse_another(options.results, mark)
    done = {cell.place for cell in _cells(folder, options.results)}
    for number in options.splits:
        for log in options.logs:
            split = Split(number, log, task, traces, options.work, options.repeats)
            for method in (_LOOKUP, *_methods(log, options.methods)):
                for seed in options.seeds if method != _LOOKUP else [0]:
                    if (log, number, method, seed) in done:
                        continue
                    measured = measure(split, method, seed, options.work)
                    path = folder / f"{log}-{number}-{method}-{seed}.json"
                    write_whole(path, json.dumps(measured, ensure_ascii=False).encode())
                    _publish(folder, task, options.results, options.repeats)
    print(_publish(folder, task, options.results, options.repeats))


def _refuse_another(results: Path | None, mark: str) -> None:
    """End where the record beside `results`, hours of work, is of another task or log."""
    record = results.with_suffix(".jsonl") if results else None
    others = {cell.measurements for cell in read_record(record)} - {mark} if record else set()
    if others:
        sys.exit(
            f"{record} holds measurements {', '.join(sorted(others))}, and these are {mark}: the task, the "
            "log, its tests or the training's recipe differ. Name other --results, or move the old ones away."
        )


def _cells(folder: Path, results: Path | None) -> list[Cell]:
    """What is measured so far: by the record beside `results`, and by the files of this folder."""
    recorded = read_record(results.with_suffix(".jsonl")) if results else []
    measured = [Cell.of(json.loads(path.read_text()), folder.name) for path in sorted(folder.glob("*.json"))]
    return list({cell.place: cell for cell in [*recorded, *measured]}.values())


def _publish(folder: Path, task: Task, results: Path | None, repeats: bool) -> str:
    """The tables of what is measured so far; `results` gets them, and its record the cells."""
    cells = _cells(folder, results)
    text = _report(cells, task, folder.name, repeats)
    if results:
        write_whole(results.with_suffix(".jsonl"), dump_record(cells).encode())
        write_whole(results, text.encode())
    return text


def measure(split: Split, method: str, seed: int, work: Path) -> dict[str, Any]:
    """Right and wrong by case and format, with every answer."""
    task, started = split.task, time.monotonic()
    base = {
        "log": split.log,
        "split": split.number,
        "method": method,
        "seed": seed,
        "n": len(split.test),
        "confirmed": split.confirmed,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": _machine(),
    }
    if method == _LOOKUP:
        return base | {
            "answers": {"lookup": _answers(LookupCandidate(split.rest, task.normaliser), split.test, task)}
        }
    rows = split.rows(method)
    settings = task.settings
    spec = settings.training.model_copy(update={"seed": seed})
    spec = spec.model_copy(update={"epochs": _epochs(method, rows, task)})
    folder = work / "training"
    say(f"{split.name}: {method}")
    report = _train(rows, task, spec, work / "base", folder)
    origin = provenance(RunStore(work), "bench", task)
    files, _ = export(folder / sft.MODEL, folder, task, origin, split.test[:_PROBES], [], report, [])
    most = settings.evaluation.max_new_tokens
    gguf = GgufCandidate(folder / files.primary, task.toolset, most, timed=0)
    candidates: dict[str, Candidate] = {
        "checkpoint": CheckpointCandidate("checkpoint", folder / sft.MODEL, task.toolset, most),
        "Q8_0": gguf,
        "Q8_0, decoder": DecoderCandidate(gguf),
    }
    found = {form: _answers(candidate, split.test, task) for form, candidate in candidates.items()}
    seconds = {"training_seconds": round(report.seconds), "seconds": round(time.monotonic() - started)}
    return base | {"rows": len(rows), "answers": found} | seconds


def _train(rows: Sequence[Example], task: Task, spec: TrainingSpec, bases: Path, folder: Path) -> TrainReport:
    """Train in a process of its own, as a run does; the model goes to `folder/model`."""
    student = task.settings.student
    base, name = base_checkpoint(student, bases)
    job = TrainingJob(
        student=student,
        training=spec,
        tools=list(task.tools),
        description=task.description,
        base=str(base),
        base_name=name,
    )
    job.write(folder, rows)
    command = [sys.executable, "-m", "distil_dag.entrypoints.train", str(folder)]
    told = {PARENT_VARIABLE: str(os.getpid()), **keeping_memory(os.environ)}
    subprocess.run(command, env={**os.environ, **told}, check=True)
    return TrainReport.model_validate_json((folder / sft.REPORT).read_text())


def _epochs(method: str, rows: Sequence[Example], task: Task) -> float:
    """Passes over logged rows, or over synthetic ones that stand alone.

    Direct training sees a log that is longer than what the judge samples no oftener than the chain could.
    """
    if method == "synthetic":
        return _PASSES
    settings = task.settings
    logged = sum(row.origin != "synthetic" for row in rows)
    return settings.training.epochs * min(1.0, (settings.judge.sample or logged) / max(1, logged))


def _answers(candidate: Candidate, test: Sequence[Case], task: Task) -> list[dict[str, Any]]:
    rows = []
    for case, answered in zip(test, candidate.answer(test), strict=True):
        answer = parse_answer(answered.text if answered else "")
        rows.append(
            {
                "id": case.id,
                "request": case.request,
                "expected": render_calls(case.calls),
                "given": answered.text if answered else None,
                "exact": metrics.score(case.calls, answer, task.toolset).exact,
                "logprob": answered.logprob if answered else None,
            }
        )
    return rows


def _report(cells: Sequence[Cell], task: Task, mark: str, repeats: bool) -> str:
    """The tables as markdown."""
    training = task.settings.training
    logs = list(LOGS)
    if repeats:
        command, elsewhere = "python benchmarks/massive_accuracy.py --repeats", "--results again.md"
        tests = "Tests are rows drawn at random; what repeats them stays in the log."
    else:
        command, elsewhere = "make bench-massive", "RESULTS=again.md"
        tests = "Each split holds out a test by normalised request, with its near copies."
    lines = [
        "# Results on MASSIVE",
        "",
        f"By `{command}`, measurements `{mark}`:",
        "",
        *machines(cells),
        "",
        "SmolLM2-135M is judge, teacher and student; "
        f"{task.settings.synthesis.rows} synthetic rows seen {training.synthetic_epochs:g} times, then "
        f"{training.epochs:g} passes over logged ones, {training.least_seen} rows in all at least, "
        f"learning rate {training.learning_rate:g}, batches of {training.batch_size}. "
        f"Alone, {ALONE} synthetic rows are seen {_PASSES:g} times. "
        f"Of a log the chain judges {task.settings.judge.sample} traces at most, and direct training sees a "
        "longer one in fewer passes, as many rows in all.",
        "",
        f"{tests} The mean is over splits "
        "and training seeds, the spread from the lowest to the highest, the interval that of all answers "
        "together (Wilson, 95 %). AUROC is the chance that a right answer is more probable than a wrong one, "
        "the mean over as many measurements as stand behind it. Labels are the clean log's own, confirmed "
        "where it holds the request several times, always with the same calls. Which tests each method got "
        f"wrong stands in the record beside this file; `{command} {elsewhere}` measures all anew.",
        "",
        *shares_table(cells, logs, (*_METHODS, _LOOKUP)),
        "",
        "Points of Q8_0 on the same tests, with Tango's paired interval (95 %):",
        "",
        *differences_table(cells, logs),
    ]
    if not repeats and (missing := _missing(cells)):
        lines += ["", f"Not measured yet, by split: {missing}. The same command goes on there."]
    return "\n".join(lines) + "\n"


def _missing(cells: Sequence[Cell]) -> str:
    """What `cells` lack of all that a plain run measures; empty if nothing."""
    done = {(cell.log, cell.method, cell.split) for cell in cells}
    rest = {
        f"{log} {method}": [str(split) for split in _SPLITS if (log, method, split) not in done]
        for log in LOGS
        for method in _methods(log, _METHODS)
    }
    return "; ".join(f"{name} on {', '.join(splits)}" for name, splits in rest.items() if splits)


def _methods(log: str, asked: Sequence[str]) -> list[str]:
    """Synthetic rows alone are a question to the clean log."""
    return [method for method in asked if method != "synthetic" or log == "clean"]


def _machine() -> str:
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("torch", "transformers", "trl", "llama-cpp-python")
    )
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    precision = "bf16" if native_bfloat16() else "fp32"
    return f"{len(os.sched_getaffinity(0))} cores ({model}), training in {precision}; {packages}"


def _identity(task: Task, traces: Sequence[Trace], repeats: bool) -> str:
    settings = task.settings
    trained = sft.fingerprint([], task.toolset, settings.student, settings.training, "")
    log = [trace.model_dump(mode="json") for trace in traces]
    # Where the log lies is another thing on every machine.
    frozen = task.model_dump(mode="json", exclude={"settings": {"traces"}})
    content = [frozen, log, trained, TEST, ALONE, _PASSES, *(["repeats"] if repeats else [])]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


if __name__ == "__main__":
    main()
