"""What made a model and how good it is, in sentences: for the terminal, Dagster, the card and the report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from distil_dag.core.reports.base import Estimate
from distil_dag.core.reports.model_evaluation import CandidateScore, GateVerdict, ModelEvaluation
from distil_dag.core.reports.provenance import Provenance, Setting

Fact = tuple[str, str]

_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]+")
# A longer value is cut; `distil-dag lineage --json` has it whole.
_LONGEST = 60


def made_from(origin: Provenance) -> list[Fact]:
    """What made a model, as labelled sentences; hashes are cut.

    Args:
        origin: what the run knows of its model.
    """
    start = f"the student of run {origin.continues}, {origin.base}" if origin.continues else origin.base
    facts = [
        ("run", f"{origin.run}, task {origin.task}"),
        ("base", f"Training starts from {start}."),
        ("teacher", f"{origin.teacher} writes the synthetic rows."),
        ("judge", f"{origin.judge} judges the log." if origin.judge else ""),
        ("log", f"{origin.log}; {origin.window}." if origin.window else f"{origin.log}."),
        ("rows", _counted(origin)),
        ("training", _training(origin)),
        ("environment", _environment(origin)),
        ("licence", _licence(origin)),
    ]
    return [(label, _DIGEST.sub(r"\1…", text)) for label, text in facts if text]


def how_good(evaluation: ModelEvaluation | None, unknown: str, candidate: str = "") -> list[Fact]:
    """How good a model is, as labelled sentences.

    Args:
        evaluation: its scores; None where they are not known.
        unknown: what to say then.
        candidate: name of the candidate to speak of; the one that ships if empty.
    """
    found = evaluation.score(candidate or evaluation.student) if evaluation else None
    if evaluation is None or found is None:
        return [("score", unknown)]
    told = (
        f"{found.name} answers {percent(found.exact)} of {found.n} test requests exactly right "
        f"({100 * evaluation.confidence:g} % interval {between(found.exact)}{_latency(found)})."
    )
    labels = f" Test labels: {evaluation.test_labels}." if evaluation.test_labels else ""
    when = f" Measured {evaluation.evaluated}." if evaluation.evaluated else ""
    return [
        ("score", f"{told}{labels}{when}"),
        ("beside it", f"{'; '.join(_beside(evaluation, found))}."),
    ]


def untested(run: str) -> str:
    """What a file can say of its score: where it stands.

    Args:
        run: key of the run that made the file.
    """
    return (
        "Not in the file, which is written before it is tested: the score stands in eval_report of run "
        f"{run}, and beside the file in evaluation.json, once that was made."
    )


def gates_told(gates: Sequence[GateVerdict]) -> list[Fact]:
    """How the gates of a run went, as labelled sentences; none without verdicts."""
    if not gates:
        return []
    passed = [gate.gate for gate in gates if gate.passed]
    failed = [
        f"{gate.gate} {'only warned' if gate.severity == 'warn' else 'FAILED'}: {gate.message}"
        for gate in gates
        if not gate.passed
    ]
    told = f"{len(passed)} of {len(gates)} passed ({', '.join(passed)})." if passed else "None passed."
    return [("gates", " ".join([told, *failed]))]


def settings_told(
    settings: Sequence[Setting], changed: Callable[[str], str], plain: Callable[[str], str] = str
) -> list[Fact]:
    """All settings, one text for each section.

    Args:
        settings: the settings, in the order of `task.yaml`.
        changed: marks a setting that differs from its default.
        plain: makes any text harmless where it is shown.
    """
    sections = groupby(settings, key=lambda setting: setting.name.partition(".")[0])
    return [(name, ", ".join(_setting(one, changed, plain) for one in found)) for name, found in sections]


def origin_markdown(
    origin: Provenance, evaluation: ModelEvaluation | None = None, settings: bool = True
) -> str:
    """Provenance, scores and settings as Markdown.

    Args:
        origin: what made the model.
        evaluation: its scores; None where they are not known.
        settings: whether to add the table of all settings.
    """
    facts = made_from(origin) + how_good(evaluation, untested(origin.run))
    facts += gates_told(evaluation.gates if evaluation else [])
    lines = [f"- **{label}**: {escaped(text)}" for label, text in facts]
    if evaluation:
        lines += ["", scores_markdown(evaluation)]
    if settings:
        lines += ["", settings_markdown(origin)]
    return "\n".join(lines)


def scores_markdown(evaluation: ModelEvaluation) -> str:
    """The table of all candidates, as Markdown."""
    lines = [
        "| candidate | exact match | interval | student minus it | n | p50 ms | p95 ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in evaluation.candidates:
        name = escaped(row.name)
        lead = f"{100 * row.lead.value:+.1f} ({_points(row.lead)})" if row.lead else ""
        speed = [f"{row.latency_ms[key]:.0f}" if key in row.latency_ms else "" for key in ("p50", "p95")]
        cells = [
            f"**{name}**" if row.name == evaluation.student else name,
            percent(row.exact),
            between(row.exact),
            lead,
            str(row.n),
            *speed,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def settings_markdown(origin: Provenance) -> str:
    """The table of all settings but those of the log's place, as Markdown; changed ones are bold."""
    shown = [setting for setting in origin.settings if not setting.name.startswith("traces.")]
    rows = settings_told(shown, lambda text: f"**{text}**", escaped)
    lines = ["| section | settings (bold: not the default) |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {text} |" for name, text in rows)])


def percent(estimate: Estimate) -> str:
    """A share in per cent, such as `91.0 %`."""
    return f"{100 * estimate.value:.1f} %"


def between(estimate: Estimate) -> str:
    """An interval in per cent, such as `86.2 to 94.3 %`."""
    return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f} %"


def escaped(text: str) -> str:
    """Text that can open no cell, tag, link or emphasis in Markdown."""
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    for mark in "\\*_[]|`":
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.split())


def _points(estimate: Estimate) -> str:
    return f"{100 * estimate.low:+.1f} to {100 * estimate.high:+.1f}"


def _counted(origin: Provenance) -> str:
    """The rows of each stage in a sentence; what did not happen is left out, but for the quarantine."""
    stages = []
    for stage, rows in origin.rows.items():
        told = [f"{count} {what}" for what, count in rows.items() if count or what == "quarantined"]
        stages.append(f"{stage.capitalize()}: {', '.join(told)}.")
    return " ".join(stages)


def _training(origin: Provenance) -> str:
    if not origin.method:
        return "Not trained yet."
    when = f" It ended {origin.trained}." if origin.trained else " Its date was not noted."
    return f"{origin.method[0].upper()}{origin.method[1:]}.{when}"


def _environment(origin: Provenance) -> str:
    if not origin.environment:
        return "Not noted when it was trained." if origin.method else ""
    return f"{'; '.join(f'{name} {value}' for name, value in origin.environment.items())}."


def _licence(origin: Provenance) -> str:
    if origin.licence:
        return f"{origin.licence}, by the base."
    return "That of the base, which this project does not know."


def _latency(found: CandidateScore) -> str:
    if "p50" not in found.latency_ms:
        return ""
    return "; " + ", ".join(f"{name} {value:.0f} ms" for name, value in found.latency_ms.items())


def _beside(evaluation: ModelEvaluation, found: CandidateScore) -> list[str]:
    return [
        f"{row.name} {percent(row.exact)} ({between(row.exact)}{'' if row.n == found.n else f', n {row.n}'})"
        for row in evaluation.candidates
        if row.name != found.name
    ]


def _setting(setting: Setting, changed: Callable[[str], str], plain: Callable[[str], str]) -> str:
    name = setting.name.partition(".")[2] or setting.name
    text = plain(f"{name} {_value(setting.value)}")
    return changed(text) if setting.changed else text


def _value(value: Any) -> str:
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
