"""The options of `distil-dag forget`."""

from __future__ import annotations

from typing import Annotated

import typer

from distil_dag.cli.options import Json


def forget(
    traces: Annotated[
        list[str] | None,
        typer.Argument(metavar="TRACE...", help="Ids of traces, of records of the log, or of exchanges."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="FIELD=VALUE",
            help="All records whose field has this value, such as user=ann or request.metadata.user=ann; "
            "repeatable, then all have to fit. The logs of the known tasks are read for it.",
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option("--task", metavar="TASK", help="Read the logs of these tasks alone; repeatable."),
    ] = None,
    exchanges: Annotated[
        list[str] | None,
        typer.Option(
            "--exchanges",
            metavar="LOG",
            help="A log of `distil-dag serve --log` outside of the home; repeatable.",
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it. Without it, only what would go is shown.")
    ] = False,
    delete_models: Annotated[
        bool,
        typer.Option("--delete-models", help="Also delete models that have learned from a forgotten trace."),
    ] = False,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who asked, for the record.")] = "",
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the record.")] = "",
    verify: Annotated[
        bool, typer.Option("--verify", help="Search everything for what was ever forgotten.")
    ] = False,
    json: Json = False,
) -> None:
    """Forget traces: delete their rows everywhere, never read them again, say which models to train again.

    Shows what it would do; `--yes` does it. Exit code 1 with `--verify` where something was found.
    """
    from distil_dag.cli.forget import Request, forget_traces

    asked = Request(
        ids=traces or [], where=where or [], tasks=task or [], exchanges=exchanges or [], yes=yes,
        delete_models=delete_models, by=by, reason=reason, verify=verify, json=json,
    )  # fmt: skip
    raise typer.Exit(forget_traces(asked))
