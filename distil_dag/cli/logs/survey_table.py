"""A survey of a log as a table for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from distil_dag.adapters.logs.survey.survey import Survey
from distil_dag.cli.logs.savings import Savings, savings_rows
from distil_dag.core.reports.intake import ToolVersion
from distil_dag.core.tool_call import NO_CALL, UNKNOWN_TOOL

_INDENT = "  "


def survey_table(survey: Survey, savings: Savings) -> Table:
    """What a log holds: records, what was set aside and why, tools, personal data, times, cost."""
    traces = survey.traces
    table = Table(title=Text(_title(survey)), show_header=False, title_justify="left")
    table.add_column("what", overflow="fold")
    table.add_column("number", justify="right", no_wrap=True)

    def add(what: str, number: object, level: int = 0) -> None:
        shown = f"{number:,}" if isinstance(number, int) else str(number)
        # What a log says is no markup.
        table.add_row(Text(_INDENT * level + what), Text(shown))

    add("answers of a model", traces.read)
    add("traces", traces.kept, 1)
    if traces.marked:
        add("whose calls do not fit the tools", traces.marked, 2)
    if traces.passed_over:
        add("only text after a tool's result, which chooses no tool", traces.passed_over, 1)
    for reason, count in traces.quarantined.items():
        add(f"set aside: {reason}", count, 1)
    for kind, count in traces.no_answers.items():
        add(f"not counted: {kind}", count)
    table.add_section()
    for name, versions in survey.tool_versions.items():
        add(f"calls of {name}{_versions(versions)}", traces.calls_per_tool.get(name, 0))
        for version in traces.tool_versions if versions > 1 else ():
            if version.tool == name:
                add(_told(version), f"{version.requests:,} requests", 1)
    if count := traces.calls_per_tool.get(UNKNOWN_TOOL, 0):
        add("calls of tools that the task has not", count)
    for name in survey.other_tools:
        add(f"defined in requests, and not in the task: {name}", "")
    add("answers without a call", f"{traces.calls_per_tool.get(NO_CALL, 0):,} ({survey.no_call_share:.0%})")
    table.add_section()
    for kind, count in traces.redacted.items():
        add(f"personal data replaced: {kind}", count)
    if not traces.redacted:
        add("personal data replaced", 0)
    if traces.context:
        add("different system prompts", traces.context.prompts)
    if traces.scored:
        add("traces with a score, of which low", f"{traces.scored:,}, {traces.scored_low:,}")
    table.add_section()
    for what, number in savings_rows(traces, savings):
        add(what, number)
    table.add_section()
    if survey.first and survey.last:
        add("first", f"{survey.first:%Y-%m-%d %H:%M:%S} UTC")
        add("last", f"{survey.last:%Y-%m-%d %H:%M:%S} UTC")
    if survey.without_time:
        add("traces without a time", survey.without_time)
    if not survey.whole:
        add("only the first records were looked at; --records 0 looks at all", "")
    return table


def _title(survey: Survey) -> str:
    records = "1 record" if survey.records == 1 else f"{survey.records:,} records"
    if survey.whole:
        return f"{survey.task}: {records} in the log"
    return f"{survey.task}: of the first {records}"


def _told(version: ToolVersion) -> str:
    """When a version was in use, and what is new in it."""
    days = [f"{time:%Y-%m-%d}" for time in (version.first, version.last) if time]
    return f"{version.version[:8]}: {' to '.join([*dict.fromkeys(days)])} {version.change}".rstrip()


def _versions(versions: int) -> str:
    return f" ({versions} versions of its definition)" if versions > 1 else ""
