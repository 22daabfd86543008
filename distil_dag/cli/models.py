"""`distil-dag eval` and `distil-dag predict`: a model alone, outside any run."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from distil_dag.adapters.candidates.chat import ChatCandidate
from distil_dag.adapters.candidates.decoder import DecoderCandidate
from distil_dag.adapters.candidates.gguf import GgufCandidate
from distil_dag.adapters.chat.open_chat import open_chat
from distil_dag.adapters.llamacpp.gguf_tools import read_metadata
from distil_dag.adapters.logs.case_file import read_case_file
from distil_dag.adapters.logs.file_kinds import OtherKind
from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.system.environment import expand, masked, unexpanded
from distil_dag.cli.errors import CommandError
from distil_dag.cli.run_files import student_file, task_of_run, test_lines
from distil_dag.cli.task_folders import find_task
from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.case import Case, Message
from distil_dag.core.confidence import Confidence
from distil_dag.core.context import NOTHING
from distil_dag.core.settings import ModelSpec
from distil_dag.core.task import Task
from distil_dag.core.toolset import Toolset
from distil_dag.resources.deployment import deployment
from distil_dag.stages.evaluating.answers import sureness
from distil_dag.stages.evaluating.candidate import Candidate
from distil_dag.stages.evaluating.evaluate import evaluate_model
from distil_dag.stages.evaluating.metrics import METRICS
from distil_dag.stages.reading.case_files import read_cases

_SHOWN_MISTAKES = 20
_LONGEST_ANSWER = 128


def evaluate_cases(
    cases_text: str,
    task_text: str | None,
    model: str | None,
    endpoint: str | None,
    endpoint_model: str | None,
    closed_book: bool,
    only: str | None,
    plain: bool,
    json: bool,
) -> None:
    """Measure one model on a file of cases, or on one of them, and print the result.

    Args:
        cases_text: Cases as JSON lines, JSON or CSV, or a run's key for its test.
        task_text: A task folder, or the name of a known task; None for that of the run.
        model: A GGUF file, or a run's key for the file that ships; None for an endpoint.
        endpoint: URL of an OpenAI-compatible server; None for a file.
        endpoint_model: The server's name of the model; by default its only one.
        closed_book: Prompt the server's model as a student: without the tools.
        only: Id of the only case to ask; None for all.
        plain: Ask a file by plain llama.cpp, without the project's decoder.
        json: Print JSON instead of a table.

    Raises:
        CommandError: The input can't be used, or the model fails.
    """
    if (model is None) == (endpoint is None):
        raise CommandError("name the model to measure: either --model FILE.gguf or --endpoint URL")
    places = deployment()
    store = RunStore(places.store)
    task = find_task(task_text, places) if task_text else task_of_run(cases_text, store)
    if task is None:
        raise CommandError("name the task with --task TASK: only the test of a run has one of its own")
    cases = _cases(cases_text, store, task.toolset)
    if only is not None and not (cases := [case for case in cases if case.id == only]):
        raise CommandError(f"{cases_text} holds no case with the id {only!r}")
    file = student_file(model, store) if model else None
    candidate = (
        _gguf(file, task, plain) if file else _endpoint(task, str(endpoint), endpoint_model, closed_book)
    )
    console = Console(stderr=True)
    with console.status("asking …") as status:

        def progress(done: int, total: int, note: str = "") -> None:
            status.update(f"{done / max(total, 1):.0%} {note}")

        try:
            result = evaluate_model(
                cases,
                task.toolset,
                candidate,
                task.settings.evaluation,
                progress,
                Confidence.from_key_values(read_metadata(file)) if file and not plain else None,
            )
        except (FileNotFoundError, ValueError) as error:
            raise CommandError(str(error)) from None
        except (ImportError, RuntimeError) as error:
            raise CommandError(str(error), exit_code=1) from None
    if json:
        print(json_format.dumps(result, ensure_ascii=False, indent=2))
    else:
        _show(result, Console())


def predict_words(
    model: str, words: str, system: str, task_text: str | None, plain: bool, json: bool
) -> None:
    """Ask a GGUF model once and print its calls as JSON.

    Args:
        model: A GGUF file, or a run's key for the file that ships.
        words: What a user says.
        system: Production's system prompt; empty for none.
        task_text: A task whose tools are put into a foreign model's prompt; None for the file's own.
        plain: Ask by plain llama.cpp, without the project's decoder.
        json: Print one JSON object with the answer's text, error, latency and confidence.

    Raises:
        CommandError: The input can't be used, or no tool call comes back.
    """
    places = deployment()
    file = student_file(model, RunStore(places.store))
    task = find_task(task_text, places) if task_text else None
    candidate = _gguf(file, task, plain)
    before = (Message(role="system", content=system),) if system else ()
    case = Case(id="words", messages=(*before, Message(role="user", content=words)))
    try:
        answered = candidate.answer([case])[0]
    except (FileNotFoundError, ValueError) as error:
        raise CommandError(str(error)) from None
    except ImportError as error:
        raise CommandError(str(error), exit_code=1) from None
    if isinstance(candidate, DecoderCandidate) and task_text is None and candidate.note:
        Console(stderr=True).print(f"plain decoding: {candidate.note}", highlight=False, markup=False)
    if answered is None or answered.error:
        raise CommandError(f"no answer came: {answered.error if answered else 'none'}", exit_code=1)
    answer = parse_answer(answered.text, task.toolset if task else None)
    calls = [call.model_dump() for call in answer.calls]
    if json:
        told = {"calls": calls, "text": answer.text, "error": answer.error, "latency_ms": answered.latency_ms}
        told |= sureness(answered)
        print(json_format.dumps(told, ensure_ascii=False, indent=2))
    elif answer.error:
        raise CommandError(f"the answer is no tool call: {answered.text!r}", exit_code=1)
    else:
        print("\n".join(json_format.dumps(call, ensure_ascii=False) for call in calls) or answer.text)


def _cases(path: str, store: RunStore, toolset: Toolset) -> list[Case]:
    try:
        cases, problems = (
            read_case_file(Path(path), toolset)
            if Path(path).is_file()
            else read_cases(test_lines(path, store), toolset)
        )
    except OtherKind as other:
        raise CommandError(f"{path} {other}") from None
    if problems:
        shown = "\n".join(f"  {path}:{line}: {said}" for line, said in problems[:_SHOWN_MISTAKES])
        more = f"\n  and {len(problems) - _SHOWN_MISTAKES} more" if len(problems) > _SHOWN_MISTAKES else ""
        raise CommandError(f"{len(problems)} lines of {path} can't be used:\n{shown}{more}")
    if not cases:
        raise CommandError(f"{path} holds no case")
    return cases


def _gguf(path: Path, task: Task | None, plain: bool) -> Candidate:
    """The candidate of a file; without a task, a student's file has its tools and system prompt itself."""
    candidate = GgufCandidate(
        path=path,
        toolset=task.toolset if task else Toolset([]),
        max_tokens=task.settings.evaluation.max_new_tokens if task else _LONGEST_ANSWER,
        description=task.description if task else "",
        context=task.context if task else NOTHING,
    )
    return candidate if plain else DecoderCandidate(candidate)


def _endpoint(task: Task, url: str, model: str | None, closed_book: bool) -> Candidate:
    spec = ModelSpec(
        mode="attached",
        base_url=url,
        model=model or _only_model(url, task.settings.teacher.api_key_env),
        api_key_env=task.settings.teacher.api_key_env,
        timeout_seconds=task.settings.teacher.timeout_seconds,
    )
    return ChatCandidate(
        name=str(spec.model),
        open=lambda: open_chat(spec),
        toolset=task.toolset,
        max_tokens=task.settings.evaluation.max_new_tokens,
        description=task.settings.student.system_prompt if closed_book else task.description,
        alone=True,
        context=task.context,
    )


def _only_model(url: str, key_env: str) -> str:
    import os

    from openai import OpenAI, OpenAIError

    try:
        client = OpenAI(base_url=expand(url, "--endpoint"), api_key=os.environ.get(key_env) or "none")
        served = [m.id for m in client.models.list()]
    except (OpenAIError, ValueError) as error:
        said = unexpanded(str(error), url)
        raise CommandError(
            f"{masked(url)} does not answer ({said}); is the server up, and does its URL end in /v1?"
        ) from None
    if len(served) != 1:
        raise CommandError(
            f"{masked(url)} serves {', '.join(served) or 'nothing'}: choose with --endpoint-model NAME"
        )
    return served[0]


def _show(result: dict[str, Any], console: Console) -> None:
    table = Table(title=f"{result['model']}: {result['n']} cases")
    for name in ("metric", "value", "interval"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for name in METRICS:
        found = result[name]
        table.add_row(name, f"{found['value']:.1%}", f"{found['low']:.1%} to {found['high']:.1%}")
    console.print(table)
    if latency := result["latency_ms"]:
        console.print(
            f"one answer: p50 {latency['p50']:.0f} ms, p95 {latency['p95']:.0f} ms", highlight=False
        )
    for failure in result["failures"][:_SHOWN_MISTAKES]:
        console.print(f"{failure['request']!r}: {failure['why']}", highlight=False, markup=False)
    if len(result["failures"]) > _SHOWN_MISTAKES:
        console.print(f"and {len(result['failures']) - _SHOWN_MISTAKES} more failures (--json lists all)")
