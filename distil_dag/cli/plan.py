"""`distil-dag plan`: what a run would use of its teacher, before it is paid for."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
from rich.console import Console
from rich.table import Table

from distil_dag.adapters.run_store import RunStore
from distil_dag.cli.durations import duration
from distil_dag.cli.errors import CommandError
from distil_dag.cli.run import run_key
from distil_dag.cli.task_folders import find_task, going_on, parse_overrides
from distil_dag.core.forecast import Plan, Range
from distil_dag.core.run_key import RunKey
from distil_dag.core.spending import money
from distil_dag.resources.deployment import deployment
from distil_dag.resources.models import ModelsResource
from distil_dag.runs.plan import forecast_run


def plan_task(task_text: str, key_text: str | None, parent: str, settings: list[str], json: bool) -> None:
    """Print the forecast of a run.

    Args:
        task_text: A task folder, or the name of a known task.
        key_text: Key of the run; None for all traces up to now.
        parent: Key of a run to continue, or empty.
        settings: Overrides of settings, `a.b=c`.
        json: Print JSON instead of a table.

    Raises:
        CommandError: There can't be a forecast; the message says why.
    """
    places = deployment()
    task = find_task(task_text, places, parse_overrides(settings))
    key = RunKey.parse(run_key(task, key_text, datetime.now(UTC)), task.name)
    store = RunStore(places.store)
    task = going_on(task, str(key), parent, store)
    models = ModelsResource(cache_root=str(places.cache))
    console = Console(stderr=True)
    with console.status("reading the log …") as status:

        def told(done: int, total: int, note: str = "") -> None:
            status.update(f"dry run: {done}/{total} {note}")

        try:
            plan = forecast_run(task, key, store, models.chat, places.cache / "paces.json", told)
        except dg.Failure as error:
            raise CommandError(error.description or str(error), exit_code=1) from error
        except (ValueError, FileNotFoundError, ImportError, RuntimeError) as error:
            raise CommandError(str(error), exit_code=1) from error
        finally:
            models.release()
    if json:
        print(plan.model_dump_json(indent=2))
    else:
        show(plan, Console())


def show(plan: Plan, console: Console) -> None:
    """Print the plan as a table, with notes on its basis below; the notes alone where nothing is forecast."""
    if plan.forecasts:
        console.print(_table(plan))
    for note in plan.notes:
        console.print(note, highlight=False)
    for setting in plan.exceeds:
        console.print(f"[yellow]{setting}[/yellow] would stop this run before its end", highlight=False)


def _table(plan: Plan) -> Table:
    table = Table(title=f"{plan.task}: {plan.judged:,} traces to judge, {plan.rows:,} rows to make")
    for name in ("stage", "calls", "tokens", "money", "time", "kept"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for row in plan.forecasts:
        table.add_row(
            row.stage,
            _counted(row.calls),
            _counted(row.tokens),
            _paid(row.money),
            _timed(row.seconds),
            f"{row.passing.value:.0%} ({row.passing.low:.0%} to {row.passing.high:.0%})"
            if row.passing
            else "",
        )
    table.add_section()
    table.add_row("both", "", _counted(plan.tokens), _paid(plan.money), _timed(plan.seconds), "")
    return table


def _counted(found: Range) -> str:
    return f"{found.value:,.0f} ({found.low:,.0f} to {found.high:,.0f})"


def _paid(found: Range) -> str:
    return f"{money(found.value)} ({money(found.low)} to {money(found.high)})" if found.high else "0"


def _timed(found: Range | None) -> str:
    if found is None:
        return "not known"
    low, middle, high = (duration(seconds) for seconds in (found.low, found.value, found.high))
    return f"{middle} ({low} to {high})"
