"""The options of `distil-dag lineage` and `distil-dag diff`."""

from __future__ import annotations

from typing import Annotated

import typer

from distil_dag.cli.errors import CommandError
from distil_dag.cli.options import Json


def lineage(
    subject: Annotated[
        str | None, typer.Argument(metavar="RUN|FILE.gguf", help="A run's key, or a GGUF file.")
    ] = None,
    trace: Annotated[
        str | None, typer.Option("--trace", metavar="ID", help="Show what this trace of a log has touched.")
    ] = None,
    json: Json = False,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid flow chart.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also every ancestor's hashes, versions and Dagster run.")
    ] = False,
) -> None:
    """Show what made a model, and how good it is: base, teacher, log, rows, settings, score, gates.

    With `--trace` the other way: every row, run and file that a trace has touched. Exit code 1 for a file
    that was changed since it was sealed.
    """
    if (subject is None) == (trace is None):
        raise CommandError("name a run or a file, or a trace by --trace")
    if trace is not None:
        from distil_dag.cli.lineage_trace import show_trace

        return show_trace(trace, json, mermaid)
    from distil_dag.cli.lineage import show_lineage

    return show_lineage(str(subject), json, mermaid, verbose)


def diff(
    first: Annotated[str, typer.Argument(metavar="RUN", help="Key of a run.")],
    second: Annotated[str, typer.Argument(metavar="RUN", help="Key of the run that is compared with it.")],
    json: Json = False,
) -> None:
    """Say what is different in the second run, and what that did to the score.

    Settings, window of the log, tools, rows of each stage, teacher, base, versions of the code. Where both
    have answered the same test cases, the difference is paired and has its interval.
    """
    from distil_dag.cli.diff import show_diff

    show_diff(first, second, json)
