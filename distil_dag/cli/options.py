"""Options and arguments that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

# So many records are looked at in seconds.
MOST = 20_000

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")]
Plain = Annotated[
    bool,
    typer.Option("--plain", help="Ask a GGUF file by plain llama.cpp, not held to its tools."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=C", help="Override a setting of task.yaml; repeatable."),
]
Continues = Annotated[
    str | None,
    typer.Option(
        "--continue",
        metavar="RUN",
        help="Train the student of this finished run on, with synthetic rows aimed at the calls where it is "
        "weak, and compare both on its test. Say it again to go on with such a run.",
    ),
]
Records = Annotated[
    int,
    typer.Option("--records", metavar="N", min=0, help="Look at the first N records of a log; 0 for all."),
]
TaskArgument = Annotated[
    str, typer.Argument(metavar="TASK", help="A task folder, or the name of a known task.")
]
Price = Annotated[
    str | None,
    typer.Option(
        "--price",
        metavar="IN,OUT",
        help="What a million tokens of requests and of answers cost today, such as 2.5,10.",
    ),
]
