"""The README that travels with a model: what it is for, what made it, how to run it, its limits."""

from __future__ import annotations

import json
from collections.abc import Sequence

from distil_dag.core.confidence import Confidence
from distil_dag.core.context import NOTHING
from distil_dag.core.reports.exporting import FlashAttention, GgufFile
from distil_dag.core.reports.model_evaluation import ModelEvaluation
from distil_dag.core.reports.provenance import Provenance
from distil_dag.core.reports.training import TrainReport
from distil_dag.core.task import Task
from distil_dag.core.tool_call import NO_CALL_TEXT
from distil_dag.stages.exporting.origin_text import (
    escaped,
    gates_told,
    how_good,
    made_from,
    scores_markdown,
    settings_markdown,
)

# Only of the embedded base is the licence known here.
_EMBEDDED_LICENCE = "apache-2.0"
# What other sections of the card say.
_SAID = ("run", "base", "licence")
_ORIGINS = {
    "synthetic": "requests that a teacher wrote for planned calls",
    "seed": "logged requests whose calls a judge accepted",
    "context": "further logged requests that passed the judge",
}


def base_licence(task: Task) -> str | None:
    """The licence of the base model as a Hub identifier; None where the base itself must say."""
    return _EMBEDDED_LICENCE if task.settings.student.model == "embedded" else None


def model_card(
    task: Task,
    origin: Provenance,
    training: TrainReport,
    files: Sequence[GgufFile],
    primary: str,
    confidence: Confidence | None = None,
    evaluation: ModelEvaluation | None = None,
) -> str:
    """The model card as Markdown with the Hub's front matter. It quotes nothing of the log.

    Args:
        task: the task.
        origin: what made the model.
        training: the report of the training.
        files: the exported files.
        primary: path of the file to use.
        confidence: the calibration of that file, if it has one.
        evaluation: the scores of the files; None before they are tested.
    """
    sections = [
        _front_matter(task),
        _summary(task, origin.run, primary),
        _tools(task),
        _use(task, primary),
        *([_context(task, primary)] if task.context != NOTHING else []),
        _files(files),
        *([_confidence(primary, confidence)] if confidence else []),
        _training(task, origin, training),
        _evaluation(origin, evaluation),
        _limits(task),
    ]
    return "\n\n".join(sections) + "\n"


def _front_matter(task: Task) -> str:
    lines = ["---", "library_name: gguf", "pipeline_tag: text-generation"]
    if licence := base_licence(task):
        lines.append(f"license: {licence}")
    base = task.settings.student.model
    if base.count("/") == 1 and not base.startswith(("/", ".")):
        lines.append(f"base_model: {base}")
    return "\n".join([*lines, "tags: [tool-calling, function-calling, distillation]", "---"])


def _summary(task: Task, run: str, primary: str) -> str:
    about = " ".join((task.settings.description or task.description).split())
    return (
        f"# {task.name}\n\n"
        "A small model that answers a request with calls of a fixed set of tools. It was distilled by "
        f"distil_dag, run `{run}`, and `{primary}` is the file to use.\n\n"
        f"The task: {about or 'see the tools'}"
    )


def _tools(task: Task) -> str:
    rows = [
        f"| `{tool.name}` | {', '.join(_argument(name, tool.required) for name in tool.properties) or '-'} "
        f"| {_cell(tool.description)} |"
        for tool in task.toolset.tools
    ]
    seen = (
        "The tools stand in the prompt, as the chat template renders them."
        if task.settings.student.tools_in_prompt
        else "The model knows the tools by heart: they are not part of its prompt, and it knows no others."
    )
    head = ["| tool | arguments (required in bold) | what it does |", "|---|---|---|"]
    return "\n".join(["## Tools", "", seen, "", *head, *rows, "", f"Tools: `{task.toolset.digest}`"])


def _use(task: Task, primary: str) -> str:
    name = task.name.lower()
    return f"""## Use

The answer is text: `<tool_call>{{"name":"…","arguments":{{…}}}}</tool_call>`, one such element a call,
or `{NO_CALL_TEXT}` when no tool fits. Decode greedily, without a penalty for repetition. These settings are
those of the scores below: flash attention off, keys and values in f16.

```sh
# distil_dag
distil-dag predict --model {primary} "…"

# Ollama, which computes with flash attention unless told otherwise
OLLAMA_FLASH_ATTENTION=0 ollama serve
ollama create {name} -f Modelfile && ollama run {name} "…"

# llama.cpp, an OpenAI-compatible server, which does so too
llama-server -m {primary} --jinja --temp 0 --flash-attn off

# llama-cpp-python's server, whose default penalty of 1.1 each request must set: "repeat_penalty": 1
python -m llama_cpp.server --model {primary} --flash_attn false

# vLLM, from the checkpoint of the same run
vllm serve CHECKPOINT_FOLDER --served-model-name {name} --enable-auto-tool-choice --tool-call-parser hermes
```

A request that spells a control token (`<|im_end|>`) was trained with a space behind its bracket;
do the same to untrusted text before it enters a prompt, as `distil-dag predict` does."""


def _context(task: Task, primary: str) -> str:
    kept = (
        "the system prompt that production sends, as it is"
        if task.context.keeps == "all"
        else "what changes from request to request in the system prompt that production sends; it knows the "
        f"rest by heart, {len(task.context.constant)} segments in the key `distil_dag.context` of each file"
    )
    own = " behind the student's own system prompt" if task.settings.student.system_prompt else ""
    return f"""## Context

The model reads {kept}. It stands{own} in one system turn.

- `distil_dag.Student` takes production's conversations and leaves the rest out itself.
- Servers (Ollama, llama.cpp, vLLM) are sent that one turn: `Student("{primary}").turns(messages)` returns the
  turns to send. A system turn that is sent takes the place of the Modelfile's `SYSTEM`."""


def _files(files: Sequence[GgufFile]) -> str:
    rows = [
        f"| `{file.path}` | {file.bytes / 1e6:.0f} MB | {_agreement(file, 'off')} | {_agreement(file, 'on')} "
        f"| `{file.sha256}` |"
        for file in files
    ]
    note = (
        "Agreement: greedy answers that are, letter by letter, those of the unquantised checkpoint, without "
        "and with llama.cpp's flash attention."
    )
    head = [
        "| file | size | agreement, flash attention off | flash attention on | sha256 |",
        "|---|---|---|---|---|",
    ]
    return "\n".join(["## Files", "", *head, *rows, "", note])


def _agreement(file: GgufFile, flash: FlashAttention) -> str:
    share = file.by_attention.get(flash)
    return "not measured" if share is None else f"{share:.1%} of {file.probes}"


def _confidence(primary: str, found: Confidence) -> str:
    told = (
        f"answers that it calls confident were right in {found.kept_right} of {found.kept}, "
        f"{found.kept / found.cases:.0%} of all"
        if found.threshold is not None
        else "no answer is confident enough"
    )
    return (
        "## When to believe it\n\n"
        f'`distil-dag predict --json --model {primary} "…"` says how probable it is that an answer is '
        f"right, and whether that is enough for a precision of {found.target_precision:.1%}. On "
        f"{found.cases} logged requests that it had not learned from, of which it answered {found.right} as "
        f"the judge holds right, {told}. So few requests say this with some error; the report has the "
        "precision on the test. What is not confident is for a larger model, or a person."
    )


def _training(task: Task, origin: Provenance, training: TrainReport) -> str:
    rows = [
        f"- {count} rows: {_ORIGINS.get(row_origin, row_origin)}"
        for row_origin, count in sorted(training.rows_by_origin.items())
    ]
    facts = [f"- {label}: {escaped(text)}" for label, text in made_from(origin) if label not in _SAID]
    licence = base_licence(task)
    return "\n".join(
        [
            "## Training",
            "",
            f"{_start(task, training)} "
            + (
                f"Its licence ({licence}) holds for this model too."
                if licence
                else "Its licence holds for this model too; read it before passing the model on."
            ),
            *_depth(training),
            "",
            *rows,
            "",
            *facts,
            "",
            settings_markdown(origin),
            "",
            "Supervised fine-tuning, loss on the answer only. "
            f"Rows: `{training.dataset_digest}`. `lineage.json`, and the key `distil_dag.lineage` in each "
            "GGUF file, name every ancestor with its data version, code version and run; "
            "`distil-dag lineage FILE.gguf` tells them.",
        ]
    )


def _start(task: Task, training: TrainReport) -> str:
    """What training began with."""
    if not task.continues:
        return f"Base model: `{training.base}`."
    return (
        f"It goes on from the student of run `{task.continues}`, `{training.base}`, on synthetic rows that "
        "lean on the calls which that one got wrong."
    )


def _depth(training: TrainReport) -> list[str]:
    """What was left out of the base, where something was."""
    if training.depth is None:
        return []
    kept, influence = training.depth.kept, training.depth.influence
    stayed = ", ".join(f"{place} ({influence[place]:.3f})" for place in kept)
    dropped = [value for place, value in enumerate(influence) if place not in kept]
    most = f", at most {max(dropped):.3f}" if dropped else ""
    return [
        "",
        f"Of the base's {len(influence)} blocks, counted from 0, {len(kept)} were kept: {stayed}. In "
        "brackets the influence: one minus the cosine between what enters and what leaves a block, on the "
        f"training rows. The others had the least{most}; first and last always stay.",
    ]


def _evaluation(origin: Provenance, evaluation: ModelEvaluation | None) -> str:
    about = "Measured on a test that neither judge, teacher nor trainer saw."
    if evaluation is None:
        return (
            "## Evaluation\n\n"
            "Not measured yet: a file is written before it is tested. `eval_report` of run "
            f"`{origin.run}` writes the scores here, and to `evaluation.json` beside this card."
        )
    (_, told), *_ = how_good(evaluation, "")
    gates = [f"Gates: {text}" for _, text in gates_told(evaluation.gates)]
    return "\n\n".join(
        [
            "## Evaluation",
            f"{about} {escaped(told)}",
            scores_markdown(evaluation),
            "Exact match: the same functions with the same arguments as the label. The lead is in points, "
            "paired by request.",
            *map(escaped, gates),
        ]
    )


def _limits(task: Task) -> str:
    lines = [
        "It answers requests of the kind that the log held, and knows the tools as they were then.",
        "It can name a wrong tool or argument; check calls against the tools' schemas, and ask a person "
        "before an action that can't be undone.",
        "It is no chat partner: whatever it is told, it answers with calls.",
    ]
    if not task.settings.student.tools_in_prompt:
        lines.insert(1, "A tool that was added or renamed later needs a new run.")
    return "\n".join(["## Limits", "", *(f"- {line}" for line in lines)])


def _argument(name: str, required: Sequence[str]) -> str:
    return f"**`{name}`**" if name in required else f"`{name}`"


def _cell(text: str) -> str:
    short = " ".join(text.split()).replace("|", "\\|")
    return short if len(short) <= 120 else short[:119] + "…"


def lineage_document(origin: Provenance, files: Sequence[GgufFile], ancestors: Sequence[object]) -> str:
    """The content of `lineage.json`: what made the model, its files by content, and every ancestor.

    Args:
        origin: what made the model.
        files: the exported files.
        ancestors: JSON values, one for each ancestor.
    """
    body = {
        "run": origin.run,
        "task": origin.task,
        "tools": origin.tools,
        "files": {file.path: file.sha256 for file in files},
        "provenance": origin.model_dump(mode="json"),
        "ancestors": list(ancestors),
    }
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"
