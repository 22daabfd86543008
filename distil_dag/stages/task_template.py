"""The files of a new task folder: one that runs, and says in its comments what can be changed."""

from __future__ import annotations

import json

_TASK = """\
# What this task does, from which log, with which models and how much effort.
# Every commented line shows a setting with its default: uncomment it to change it.
name: {name}
description: What the agent does, in a sentence.

# Where the log of your agent is. This one reads the sample beside this file.
traces:
  kind: files                     # files, sql or huggingface
  path: traces.jsonl              # file, folder or glob; also s3://, gs:// and hf://
  # id_column: null               # column that names a row; its place in the file if unset
  # time_column: null             # column that a run's window is cut by
  # columns: {{}}                   # our field -> your column, where the names differ
  # where: {{}}                     # column -> value: take only these rows
  # format: auto                  # auto, openai_chat, messages or question_answer
# The same for a table of a database; ${{NAME}} is read from the environment when it runs:
# traces:
#   kind: sql
#   url: postgresql://reader:${{DB_PASSWORD}}@db.example.com/prod
#   table: llm_requests

# The held-out test. A reviewed test.jsonl in this folder is better: then this is not used.
test:
  # size: 200                     # this many requests of the log
  # seed: 0                       # another seed draws another test

# The model that judges the log and writes new requests.
teacher:
  # kind: embedded                # embedded (small, in process), gguf, or endpoint (OpenAI-compatible)
  # model: null                   # GGUF file, or the endpoint's name of the model
  # base_url: null                # such as http://localhost:8000/v1
  # api_key_env: OPENAI_API_KEY   # environment variable that holds the key
  # max_in_flight: 16             # requests at a time
  # timeout_seconds: 120.0        # for one request

# Which logged calls are good enough to learn from.
judge:
  # kind: likelihood              # likelihood for small teachers, rubric for capable ones
  # sample: null                  # judge this many, spread over tools; all if unset
  # seeds: 300                    # at most this many examples to imitate; further ones are context
  # min_score: 0.5                # keep a call whose score reaches this
  # committee: []                 # further models (as in `teacher`) that propose a call for rejected ones
  # relabel: false                # let committee or teacher correct rejected calls
  # seed: 0

# New requests, planned so that every tool and argument is covered.
synthesis:
  # rows: 1000                    # accepted rows wanted
  # max_attempts_per_row: 4.0     # the budget: attempts for each row wanted
  # batch: 64                     # requests to the teacher at a time
  # exemplars: 6                  # real examples shown for each
  # temperature: 0.9              # how freely the teacher writes
  # widen: true                   # let the teacher propose values that the log has not shown
  # no_call_share: null           # share of requests that no tool serves; as in the log if unset
  # near_duplicate: 0.95          # similarity from which a row repeats another
  # test_similarity: 0.9          # similarity to a test request that rejects a row
  # mutators: [length, register, indirectness, word_order]
  # seed: 0

# The model to train.
student:
  # model: embedded               # embedded, a local folder, or a Hugging Face id such as Qwen/Qwen3-0.6B
  # revision: null                # revision on the Hub
  # tools_in_prompt: false        # true for tools that change after training
  # system_prompt: ""             # put before every conversation

training:
  # mix: synthetic+seeds          # synthetic, synthetic+seeds or synthetic+seeds+context
  # method: full                  # full or lora
  # lora_rank: 64
  # epochs: 3.0
  # learning_rate: 0.0001
  # batch_size: 16
  # max_length: 512               # tokens; longer rows are cut
  # warmup_ratio: 0.05            # share of the steps in which the learning rate rises
  # save_every_steps: 50          # a killed training goes on from the last save
  # seed: 0

# The GGUF files to make, beside the one in f16.
export:
  # quantizations: [Q8_0, Q4_K_M] # of Q8_0, Q6_K, Q5_K_M, Q4_K_M
  # primary: Q8_0                 # the one that is called the model

# What is measured on the test.
evaluation:
  # max_new_tokens: 128           # an answer is cut there
  # few_shot: 8                   # examples shown to the few-shot teacher
  # confidence: 0.95              # of the intervals
  # bootstrap: 2000               # resamples for differences
  # seed: 0

# Limits that stop a run. `soft` lists gates that only warn.
gates:
  # min_traces: 50
  # max_quarantined: 0.2          # share of rows that could not be read
  # min_seeds: 20
  # min_seed_yield: 0.1           # share of judged calls that passed
  # max_unjudged: 0.02            # share of verdicts that could not be read
  # max_leaks: 0                  # test requests found in what is learned from
  # leak_similarity: 0.95         # similarity that counts as found
  # min_synthetic_validity: 1.0   # share of synthetic calls that fit the tools
  # min_cell_coverage: 0.5        # share of the plan's cells at least half full
  # max_truncated: 0.01           # share of training rows cut
  # min_loss_drop: 0.1            # the loss must fall by this share
  # min_parity: 0.9               # share of answers that a GGUF file has in common with the checkpoint
  # soft: []                      # of enough_traces, quarantine_share, enough_seeds, seed_yield, ...

# When the schedule and the sensor ask for a run, once they are turned on in Dagster.
automation:
  # new_traces: 1000              # the sensor waits for this many traces
  # window_days: 7                # the weekly schedule takes this many days
"""

_README = """\
# {name}

`task.yaml` says where the log is and how much effort to spend, `job_description.json` what the agent does
and which tools it has. A `test.jsonl` of reviewed rows (the form of `traces.jsonl`) becomes the test; a
`labels.jsonl` with rows like `{{"id": "...", "right": true}}` lets the report say how good the judge is.

    distil-dag run {folder}
"""

_ROOMS = (
    "kitchen", "bedroom", "hallway", "office", "garage", "bathroom", "attic", "library", "porch", "nursery",
    "basement", "pantry", "study", "workshop", "den",
)  # fmt: skip


def task_template(name: str, folder: str = ".") -> dict[str, str]:
    """File name -> text of a new task folder that is valid as it is.

    The sample log passes the gates of a run, so the folder can be tried as it is; a real log belongs in its
    place.
    """
    return {
        "task.yaml": _TASK.format(name=name),
        "job_description.json": json.dumps(_job(), indent=2) + "\n",
        "traces.jsonl": "".join(json.dumps(row) + "\n" for row in _traces()),
        "README.md": _README.format(name=name, folder=folder),
    }


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
