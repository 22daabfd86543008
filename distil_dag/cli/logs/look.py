"""`distil-dag look`: what the log of a task holds, or what one record of it goes through."""

from __future__ import annotations

import json as json_format
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from distil_dag.adapters.logs.survey.record_steps import FoundCase, RecordSteps, record_steps
from distil_dag.adapters.logs.survey.survey import survey_of
from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.system.environment import SourceError
from distil_dag.cli.errors import CommandError
from distil_dag.cli.logs.savings import Savings, price_of
from distil_dag.cli.logs.survey_table import survey_table
from distil_dag.cli.task_folders import find_task
from distil_dag.resources.deployment import deployment
from distil_dag.runs.releasing.standings import coverage_of


def look_at_log(task_text: str, records: int, price: str | None, json: bool) -> None:
    """Print what the log of a task holds.

    Args:
        task_text: A task folder, or the name of a known task.
        records: How many records are looked at; 0 for all.
        price: Of the model that answers today; None for that of the task's teacher.
        json: Print JSON instead of a table.

    Raises:
        CommandError: The log can't be read.
    """
    places = deployment()
    task = find_task(task_text, places)
    savings = Savings(price_of(price, task), coverage_of(RunStore(places.store), task.name))
    try:
        with Console(stderr=True).status("reading the log …") as status:
            survey = survey_of(task, records, lambda done: status.update(f"reading: {done:,}"))
    except SourceError as error:
        raise CommandError(str(error)) from None
    if json:
        print(survey.model_dump_json(indent=2))
    else:
        Console().print(survey_table(survey, savings))


def look_at_record(task_text: str, record: str, json: bool) -> None:
    """Print what a record goes through, step by step.

    Args:
        task_text: A task folder, or the name of a known task.
        record: Id of the record or of a trace, or its place in the log.
        json: Print JSON instead of text.

    Raises:
        CommandError: There is no such record, or the log can't be read.
    """
    task = find_task(task_text, deployment())
    try:
        with Console(stderr=True).status("looking for the record …"):
            found = record_steps(task, record)
    except SourceError as error:
        raise CommandError(str(error)) from None
    if not found:
        raise CommandError(
            f"no record of the log has the id {record!r}, nor stands there; a place is written as in "
            "`quarantine`, such as `line 7`"
        )
    if json:
        print(json_format.dumps([one.model_dump(mode="json") for one in found], indent=2, ensure_ascii=False))
        return
    console = Console()
    for steps in found:
        for heading, lines in _told(steps):
            console.print(Text(heading, style="bold"))
            for line in lines:
                console.print(Text(f"  {line}"))


def _told(steps: RecordSteps) -> Iterator[tuple[str, list[str]]]:
    named = f", id {steps.id}" if steps.id else ""
    yield f"record: {steps.source} {steps.position}{named}", [steps.raw]
    if steps.no_answer:
        yield "read", [f"not an answer of a model, and not counted: {steps.no_answer}"]
    for case in steps.cases:
        yield "read", [_turn(turn) for turn in case.turns]
    if steps.cases:
        found = [f"{kind}: {count}" for kind, count in steps.redacted.items()]
        yield "personal data replaced", found or ["none"]
    for case in steps.cases:
        yield f"case {case.id}", list(_case(case))
    if steps.set_aside:
        rest = "the rest of it was set aside" if steps.cases else "set aside"
        yield rest, [steps.set_aside]


def _turn(turn: dict[str, object]) -> str:
    calls = [call["function"] for call in turn.get("tool_calls", ())]  # type: ignore[attr-defined]
    said = [f"{call['name']} {call['arguments']}" for call in calls]
    return f"{turn['role']}: " + "; ".join([*([str(turn["content"])] if turn["content"] else []), *said])


def _case(case: FoundCase) -> Iterator[str]:
    calls = case.answer["tool_calls"]
    for call in calls:
        yield f"calls {call['name']} {json_format.dumps(call['arguments'], ensure_ascii=False)}"
    if not calls:
        yield f"calls nothing, and says: {case.answer['content']}"
    for problem in case.problems:
        yield f"does not fit the tools: {problem}"
    if case.time:
        yield f"logged at {case.time}"
