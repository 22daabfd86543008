"""The options of `distil-dag champions`, `promote` and `rollback`."""

from __future__ import annotations

from typing import Annotated

import typer

from distil_dag.cli.options import Json


def champions(json: Json = False) -> None:
    """List the student that each task is served with, and what the last challenger has shown."""
    from distil_dag.cli.champions import list_champions

    list_champions(json)


def promote(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Key of the run.")],
    if_better: Annotated[
        bool,
        typer.Option("--if-better", help="Ask both students side by side, and release it only if it wins."),
    ] = False,
) -> None:
    """Release a run's student: servers of its task answer with it from now on."""
    from distil_dag.cli.champions import promote_run

    promote_run(run, if_better)


def rollback(task: Annotated[str, typer.Argument(metavar="TASK", help="Name of the task.")]) -> None:
    """Release the champion before this one again."""
    from distil_dag.cli.champions import roll_back

    roll_back(task)
