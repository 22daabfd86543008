"""The files of a new task folder: one that runs, and says in its comments what can be changed."""

from __future__ import annotations

import json

import yaml
from pydantic import BaseModel

from distil_dag.core.task import FileSource, Settings

_HEAD = """\
# What this task does, from which log, with which models and how much effort.
# Every commented line shows a setting with its default: uncomment it to change it.
name: {name}
description: What the agent does, in a sentence.

# Where the log of your agent is. This one reads the sample beside this file.
traces:
  kind: files                     # files, sql or huggingface
  path: traces.jsonl              # file, folder or glob; also s3://, gs:// and hf://
{traces}
# The same for a table of a database; ${{NAME}} is read from the environment when it runs:
# traces:
#   kind: sql
#   url: postgresql+psycopg2://reader:${{DB_PASSWORD}}@db.example.com/prod
#   table: llm_requests
"""

_SECTIONS = {
    "test": "The held-out test. A reviewed test.jsonl in this folder is better: then this is not used.",
    "teacher": "The model that judges the log and writes new requests.",
    "budget": "What a run may use of its teacher, judge and labellers; no limit where unset.",
    "judge": "Which logged calls are good enough to learn from.",
    "synthesis": "New requests, planned so that every tool and argument is covered.",
    "student": "The model to train.",
    "training": "How it is trained.",
    "export": "The GGUF files to make, beside the one in f16.",
    "evaluation": "What is measured on the test.",
    "gates": "Limits that stop a run.",
    "automation": "When the schedule and the sensor ask for a run, once they are turned on in Dagster.",
}

# For settings whose description in the model is not meant for this file, or that have none there.
_EXPLAINED = {
    "traces.id_column": "column that names a row; its place in the file if unset",
    "traces.time_column": "column that a run's window is cut by",
    "traces.columns": "our field -> your column, where the names differ",
    "traces.where": "column -> value: take only these rows",
    "traces.format": "auto, openai_chat, messages or question_answer",
    "test.size": "this many requests of the log, a fifth of it at most",
    "teacher.mode": "embedded (small, in process), gguf, attached (a service), or managed (vLLM)",
    "teacher.model": "GGUF file, or the server's name of the model",
    "teacher.base_url": "such as http://localhost:8000/v1",
    "teacher.api_key_env": "environment variable that holds the key",
    "teacher.revision": "of the model on the Hub",
    "teacher.max_in_flight": "requests at a time, at most",
    "teacher.timeout_seconds": "for one request",
    "teacher.executable": "starts a managed server",
    "teacher.arguments": "further arguments of a managed server",
    "teacher.price": "what it costs, in any one currency",
    "judge.kind": "likelihood for small teachers, rubric for capable ones",
    "judge.committee": "further models, as in `teacher`, that propose a call for rejected ones",
    "judge.arbiter": "model that picks among the proposals; the judge if unset",
    "judge.set_aside": "of what passed, kept from training to tell when to believe the student",
    "judge.relabel": "let committee or teacher correct rejected calls",
    "judge.reader": "let what passed teach corrections, without a model",
    "synthesis.rows": "accepted rows wanted",
    "synthesis.max_attempts_per_row": "the budget: attempts for each row wanted",
    "synthesis.batch": "requests to the teacher at a time",
    "synthesis.exemplars": "real examples shown for each",
    "synthesis.temperature": "how freely the teacher writes",
    "synthesis.mutators": "how requests are varied",
    "student.model": "embedded, a local folder, or a Hugging Face id such as Qwen/Qwen3-0.6B",
    "student.revision": "revision on the Hub",
    "student.tools_in_prompt": "true for tools that change after training",
    "student.system_prompt": "put before every conversation",
    "training.mix": "synthetic, synthetic+seeds or synthetic+seeds+context",
    "training.method": "full or lora",
    "training.lora_rank": "size of the LoRA adapters",
    "training.epochs": "times that every logged row is seen",
    "training.synthetic_epochs": "times that synthetic rows are seen, before the logged ones",
    "training.least_seen": "rows that are seen in all at least: few rows are seen more often",
    "training.learning_rate": "at its highest",
    "training.batch_size": "rows in one step",
    "training.max_length": "tokens; longer rows are cut",
    "training.warmup_ratio": "share of the steps in which the learning rate rises",
    "training.save_every_steps": "a killed training goes on from the last save",
    "export.quantizations": "of Q8_0, Q6_K, Q5_K_M, Q4_K_M",
    "export.primary": "the one that is called the model",
    "evaluation.max_new_tokens": "an answer is cut there",
    "evaluation.few_shot": "examples shown to the few-shot teacher",
    "evaluation.confidence": "of the intervals",
    "evaluation.target_precision": "share of right answers among those that count as confident",
    "evaluation.bootstrap": "resamples for differences",
    "evaluation.vllm": "{executable: /opt/vllm/bin/vllm serve}: the test by a vLLM server as well",
    "gates.min_traces": "traces in the log",
    "gates.max_quarantined": "share of rows that could not be read",
    "gates.min_seeds": "examples to imitate",
    "gates.min_seed_yield": "share of judged calls that passed",
    "gates.max_unjudged": "share of verdicts that could not be read",
    "gates.min_judge_kappa": "judge's agreement with labels.jsonl beyond chance; 0: not asked for",
    "gates.max_leaks": "test requests found in what is learned from",
    "gates.leak_similarity": "similarity that counts as found",
    "gates.min_synthetic_validity": "share of synthetic calls that fit the tools",
    "gates.min_cell_coverage": "share of the plan's cells at least half full",
    "gates.max_truncated": "share of training rows cut",
    "gates.min_loss_drop": "the loss must fall by this share",
    "gates.min_parity": "share of answers that a GGUF file has in common with the checkpoint",
    "gates.soft": "gates that only warn, such as [seed_yield, gguf_parity]",
}
_COMMENT_COLUMN = 34

_README = """\
# {name}

`task.yaml` says where the log is and how much effort to spend, `job_description.json` what the agent does
and which tools it has. A `test.jsonl` of reviewed rows (the form of `traces.jsonl`) becomes the test; a
`labels.jsonl` with rows like `{{"id": "...", "right": true}}` lets the report say how good the judge is.

    distil-dag run .
"""

_ROOMS = (
    "kitchen", "bedroom", "hallway", "office", "garage", "bathroom", "attic", "library", "porch", "nursery",
    "basement", "pantry", "study", "workshop", "den",
)  # fmt: skip


def task_template(name: str) -> dict[str, str]:
    """File name -> text of a new task folder that is valid as it is.

    The sample log passes the gates of a run, so the folder can be tried as it is; a real log belongs in its
    place.
    """
    head = _HEAD.format(name=name, traces=_settings("traces", FileSource, skip=("kind", "path")))
    sections = [f"# {intro}\n{section}:\n{_settings(section)}" for section, intro in _SECTIONS.items()]
    return {
        "task.yaml": "\n".join([head, *sections]),
        "job_description.json": json.dumps(_job(), indent=2) + "\n",
        "traces.jsonl": "".join(json.dumps(row) + "\n" for row in _traces()),
        "README.md": _README.format(name=name),
    }


def _settings(section: str, model: type[BaseModel] | None = None, skip: tuple[str, ...] = ()) -> str:
    """Every setting of a section as a commented line: its default, and what it is for."""
    defaults = (model or type(Settings.model_fields[section].default)).model_fields
    lines = []
    for name, field in defaults.items():
        if name not in skip:
            default = field.get_default(call_default_factory=True)
            # `...` ends a document that is a lone scalar.
            value = yaml.safe_dump(_plain(default), default_flow_style=True, width=1000).split("\n")[0]
            shown = f"  # {name}: {value}"
            said = field.description if name != "seed" else "another seed, another draw"
            said = _EXPLAINED.get(f"{section}.{name}", said)
            lines.append(f"{shown:<{_COMMENT_COLUMN - 1}} # {said}\n")
    return "".join(lines)


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return list(value) if isinstance(value, tuple) else value


def _job() -> dict[str, object]:
    place = {"type": "string", "description": "Room, as the user names it"}
    level = {"type": "integer", "minimum": 0, "maximum": 100, "description": "Brightness in percent"}
    return {
        "task_description": "A user speaks to a smart home. "
        "Answer with the one tool call that does what was asked.",
        "tools": [
            _tool("lights_on", "Switch the lights on.", {"room": place}),
            _tool("lights_off", "Switch the lights off.", {"room": place}),
            _tool("dim_lights", "Set how bright the lights are.", {"level": level, "room": place}, ["level"]),
        ],
    }


def _tool(
    name: str, description: str, properties: dict[str, object], required: list[str] | None = None
) -> dict[str, object]:
    parameters: dict[str, object] = {"type": "object", "properties": properties}
    if required:
        parameters["required"] = required
    parameters["additionalProperties"] = False
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters},
    }


def _traces() -> list[dict[str, object]]:
    rows = []
    for place, room in enumerate(_ROOMS):
        level = 5 * (place + 3)
        rows += [
            _trace(f"turn on the {room} lights", "lights_on", {"room": room}),
            _trace(f"i need light in the {room}", "lights_on", {"room": room}),
            _trace(f"lights off in the {room}", "lights_off", {"room": room}),
            _trace(f"make it dark in the {room}", "lights_off", {"room": room}),
            _trace(f"dim the {room} to {level} percent", "dim_lights", {"level": level, "room": room}),
            _trace(f"all lights to {level + 7} percent", "dim_lights", {"level": level + 7}),
        ]
    return rows


def _trace(words: str, tool: str, arguments: dict[str, object]) -> dict[str, object]:
    call = {"type": "function", "function": {"name": tool, "arguments": json.dumps(arguments)}}
    return {"messages": [{"role": "user", "content": words}, {"role": "assistant", "tool_calls": [call]}]}
