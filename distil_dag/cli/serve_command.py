"""The options of `distil-dag serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from distil_dag.cli.options import Overrides

PORT = 8100


def serve(
    subjects: Annotated[
        list[str],
        typer.Argument(
            metavar="TASK|RUN|FILE.gguf...",
            help="What is served: a task's champion, a run's student, or a file; several by name.",
        ),
    ],
    port: Annotated[int, typer.Option("--port", "-p", help="Where it listens.")] = PORT,
    host: Annotated[
        str,
        typer.Option("--host", help="The address to listen on; beyond loopback DISTIL_DAG_TOKENS is needed."),
    ] = "127.0.0.1",
    teacher_url: Annotated[
        str | None,
        typer.Option(
            "--teacher-url", metavar="URL", help="The service behind the student, such as https://host/v1."
        ),
    ] = None,
    teacher_model: Annotated[
        str | None,
        typer.Option(
            "--teacher-model", metavar="NAME", help="Its name of the model. Unset: as requests say."
        ),
    ] = None,
    shadow: Annotated[
        str | None,
        typer.Option(
            "--shadow",
            metavar="RUN|FILE.gguf",
            help="A student that answers beside without being heard; how often it agrees is shown.",
        ),
    ] = None,
    canary: Annotated[
        float,
        typer.Option(
            "--canary",
            metavar="SHARE",
            min=0.0,
            max=1.0,
            help="The share of conversations, such as 0.05, in which the student of --shadow may be heard, "
            "by evidence of its own.",
        ),
    ] = 0.0,
    log: Annotated[
        str | None,
        typer.Option(
            "--log",
            metavar="ADDRESS",
            help="Where every exchange is kept: a file, the URL of a database, a folder or a bucket. "
            "Unset: exchanges.sqlite in the home.",
        ),
    ] = None,
    set: Overrides = None,
) -> None:
    """Serve students beside their teachers, by OpenAI's API.

    The teacher answers, and the student in its shadow, until it has proved what it can answer alone.
    Without a teacher it answers alone.
    """
    from distil_dag.cli.serve import serve_students

    serve_students(subjects, host, port, teacher_url, teacher_model, shadow, canary, log, set or [])
