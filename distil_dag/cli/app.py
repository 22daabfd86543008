"""The commands of `distil-dag`, their options, and their exit codes.

Each command imports what it needs when it is called, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from distil_dag.cli.errors import CommandError
from distil_dag.cli.forget_command import forget
from distil_dag.cli.lineage_commands import diff, lineage
from distil_dag.cli.options import MOST, Continues, Json, Overrides, Plain, Price, Records, TaskArgument
from distil_dag.cli.release_commands import champions, promote, rollback
from distil_dag.cli.serve_command import serve
from distil_dag.cli.streams import outlive_readers

app = typer.Typer(
    name="distil-dag",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Distil a small tool-calling model from production traces.

    A **task** is a folder: `task.yaml`, `job_description.json` (the tools) and, optionally, a frozen
    `test.jsonl`. A **run** takes it from the log to measured GGUF files, on Dagster.

    Everything is kept under `.distil_dag` in the working directory; DISTIL_DAG_HOME names another
    place.""",
)


@app.command()
def init(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="The new task folder. Unset: named after the log.")
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="LOG",
            help="A log to make the task of: file, folder, glob, s3://..., URL of a database, or a service "
            "such as langfuse or rest:https://host/path.",
        ),
    ] = None,
    table: Annotated[
        str | None, typer.Option("--table", metavar="NAME", help="With --from: the table of a database.")
    ] = None,
    id_column: Annotated[
        str | None,
        typer.Option("--id-column", metavar="NAME", help="With --from: the column that names a row."),
    ] = None,
    time_column: Annotated[
        str | None,
        typer.Option("--time-column", metavar="NAME", help="With --from: the column with a row's time."),
    ] = None,
    records: Records = MOST,
    price: Price = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are already there.")] = False,
    json: Json = False,
) -> None:
    """Write a commented task folder, to fill in or `--from` a log.

    With `--from`, format, columns, tools and description are found in the log, and a table shows what it
    holds.
    """
    if log is None:
        from distil_dag.cli.task_folders import write_template

        if folder is None:
            raise CommandError("name the new folder, or a log by --from")
        if json or table or id_column or time_column:
            raise CommandError("--json, --table, --id-column and --time-column go with --from")
        write_template(folder, force)
        return
    if force:
        raise CommandError("--force does not go with --from, which overwrites nothing: name a new folder")
    from distil_dag.cli.logs.init_from import init_from

    init_from(log, folder, table, id_column, time_column, records, price, json)


@app.command("import")
def import_files(
    kind: Annotated[Literal["openai-finetune"], typer.Argument(metavar="KIND", help="`openai-finetune`.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The training file, as it was uploaded.")],
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="The new task folder. Unset: named after the file.")
    ] = None,
    validation: Annotated[
        Path | None,
        typer.Option("--validation", metavar="FILE", help="The validation file; it becomes the test."),
    ] = None,
    json: Json = False,
) -> None:
    """Make a task of the files by which a hosted model was fine-tuned.

    They are copied into the new folder. Files for supervised and for preference fine-tuning are read.
    """
    from distil_dag.cli.logs.import_finetune import import_openai

    import_openai(file, folder, validation, json)


@app.command()
def look(
    task: TaskArgument,
    record: Annotated[
        str | None,
        typer.Option(
            "--record",
            metavar="ID",
            help="Show this record step by step: id of the record or a trace, or a place such as `line 7`.",
        ),
    ] = None,
    records: Records = MOST,
    price: Price = None,
    json: Json = False,
) -> None:
    """Show what the log of a task holds: records, set aside and why, tools, personal data, times, cost."""
    from distil_dag.cli.logs.look import look_at_log, look_at_record

    if record is None:
        look_at_log(task, records, price, json)
    else:
        look_at_record(task, record, json)


@app.command()
def doctor(json: Json = False) -> None:
    """Check what this machine lacks for a run, and show how to get it.

    Exit code 0 when a run can start.
    """
    from distil_dag.cli.doctor import report

    raise typer.Exit(report(json))


@app.command()
def run(
    task: TaskArgument,
    run: Annotated[
        str | None,
        typer.Option(
            "--run",
            metavar="KEY",
            help="UNTIL_SINCE[_LABEL] in UTC, such as 20261124T110000Z_20261117T110000Z, or a LABEL for the "
            "whole log. Unset: all traces up to now. The same KEY again goes on where it stopped.",
        ),
    ] = None,
    continues: Continues = None,
    set: Overrides = None,
    json: Json = False,
) -> None:
    """Run the whole chain: traces in, GGUF files and a report out.

    Shows its progress and ends with a table of all candidates. The run appears in the Dagster UI (`distil-dag
    ui`) as well.

    Exit code 0 only when every stage and every gate passed. Exit code 3 when the task's `budget` stopped the
    run; the same KEY with a larger budget goes on.
    """
    from distil_dag.cli.run import run_task

    raise typer.Exit(run_task(task, run, continues or "", set or [], json))


@app.command()
def plan(
    task: TaskArgument,
    run: Annotated[
        str | None,
        typer.Option(
            "--run", metavar="KEY", help="The run that is planned: its window, and what it has done."
        ),
    ] = None,
    continues: Continues = None,
    set: Overrides = None,
    json: Json = False,
) -> None:
    """Forecast what a run would use of its teacher: tokens, money, time, each with a range.

    Sends the first calls of judging and of synthesis, about twenty of each kind, and estimates the others by
    a dry run.
    """
    from distil_dag.cli.plan import plan_task

    plan_task(task, run, continues or "", set or [], json)


@app.command("eval")
def evaluate(
    cases: Annotated[
        str,
        typer.Argument(
            metavar="CASES",
            help="Cases with their right calls, as JSON lines, JSON or CSV, or a run's key for its test.",
        ),
    ],
    task: Annotated[
        str | None,
        typer.Option(
            "--task", metavar="TASK", help="A task folder, or a known task's name. Unset: that of the run."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="FILE.gguf|RUN", help="A GGUF file, or a run's key for its student."),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="URL", help="An OpenAI-compatible server.")
    ] = None,
    endpoint_model: Annotated[
        str | None, typer.Option("--endpoint-model", metavar="NAME", help="The server's name of the model.")
    ] = None,
    closed_book: Annotated[
        bool,
        typer.Option(
            "--closed-book", help="Ask the server's model as a student of this project: no tools named."
        ),
    ] = False,
    case: Annotated[
        str | None, typer.Option("--case", metavar="ID", help="Ask for this case of the file alone.")
    ] = None,
    plain: Plain = False,
    json: Json = False,
) -> None:
    """Measure a model on cases: every metric with its interval, latency, failures."""
    from distil_dag.cli.models import evaluate_cases

    evaluate_cases(cases, task, model, endpoint, endpoint_model, closed_book, case, plain, json)


@app.command()
def predict(
    model: Annotated[
        str,
        typer.Option(
            "--model", metavar="FILE.gguf|RUN", help="A student's GGUF file, or a run's key for its student."
        ),
    ],
    words: Annotated[str, typer.Argument(metavar="WORDS", help="What a user says.")],
    task: Annotated[
        str | None,
        typer.Option("--task", metavar="TASK", help="Puts the task's tools before a foreign model."),
    ] = None,
    system: Annotated[
        str,
        typer.Option(
            "--system", metavar="TEXT", help="Production's system prompt, for a student that reads it."
        ),
    ] = "",
    plain: Plain = False,
    json: Json = False,
) -> None:
    """Ask a model once and print its tool calls."""
    from distil_dag.cli.models import predict_words

    predict_words(model, words, system, task, plain, json)


@app.command()
def runs(json: Json = False) -> None:
    """List all runs with the result of each."""
    from distil_dag.cli.history import list_runs

    list_runs(json)


@app.command()
def served(json: Json = False) -> None:
    """Show what served students have proved, what they answer alone, and how far they agree."""
    from distil_dag.cli.served import list_served

    list_served(json)


@app.command()
def ui(
    port: Annotated[int, typer.Option("--port", "-p", help="Where the web page is served.")] = 3000,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
) -> None:
    """Open Dagster, webserver and daemon, on the same instance that `run` uses, and `pages` beside them."""
    from distil_dag.cli.web import serve_dagster

    serve_dagster(host, port)


@app.command()
def pages(
    port: Annotated[
        int | None, typer.Option("--port", "-p", help="Another port than the one that links name.")
    ] = None,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve the reports, model cards and logs of all runs to a browser, read-only."""
    from distil_dag.cli.web import serve_pages

    serve_pages(host, port)


for command in (lineage, diff, forget, serve, champions, promote, rollback):
    app.command()(command)


def main() -> NoReturn:
    """Run the command that the command line names, without a traceback for errors.

    Exit code 0 is success, 1 a failure, 2 bad input, 3 an exhausted budget. `DISTIL_DAG_DEBUG=1` shows the
    traceback.
    """
    outlive_readers()
    try:
        app(prog_name="distil-dag")
    except CommandError as error:
        _fail(str(error), error.exit_code)
    except Exception as error:
        _fail(f"{type(error).__name__}: {error}\nDISTIL_DAG_DEBUG=1 shows where.", 1)
    sys.exit(0)


def _fail(text: str, code: int) -> NoReturn:
    if os.environ.get("DISTIL_DAG_DEBUG") == "1":
        raise
    print(f"distil-dag: {text}", file=sys.stderr)
    sys.exit(code)
