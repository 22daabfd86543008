#!/usr/bin/env bash
# trl 1.16.0: chat templates that leave a tool call out of the conversation without a word.
#
# Expected: a chat template renders the call of an assistant's turn, or refuses the conversation.
# Seen, for one call and its result between a user and an assistant: the templates for Llama 3, LFM2, Qwen2.5-VL
# and the distilled DeepSeek R1 render the result and not the call, those for Phi-3 and Phi-3.5 neither, and those
# for Llama 3.1, Llama 3.2, gpt-oss and Muse render the call and not the words beside it. Where there is a variant
# for training (`..._training.jinja`) it does the same. The list is printed.
# Why it matters: supervised fine-tuning on such rows trains an empty turn where a call is meant, and no error
# says so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-deps trl==1.16.0
"$folder/venv/bin/pip" install --quiet jinja2==3.1.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json
from importlib.metadata import distribution, version
from pathlib import Path

from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

print("trl", version("trl"), "jinja2", version("jinja2"))


class Generation(Extension):
    """The block by which templates mark what an assistant says, as transformers defines it."""

    tags = {"generation"}

    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def refuse(reason):
    raise ValueError(reason)


environment = ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, Generation]
)
environment.filters["tojson"] = lambda value, **_: json.dumps(value, ensure_ascii=False)
environment.globals.update(raise_exception=refuse, strftime_now=lambda form: "26 Jul 2024")

TOOL = {
    "type": "function",
    "function": {
        "name": "water_bed",
        "description": "Water a bed.",
        "parameters": {"type": "object", "properties": {"bed": {"type": "string"}}, "required": ["bed"]},
    },
}
CALL = {
    "id": "call00001",
    "type": "function",
    "function": {"name": "water_bed", "arguments": {"bed": "the call"}},
}
TALK = [
    {"role": "user", "content": "the request"},
    {"role": "assistant", "content": "the words", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call00001", "name": "water_bed", "content": "the result"},
    {"role": "assistant", "content": "the answer"},
]
PARTS = ("the request", "the words", "the call", "the result", "the answer")

found = {}
for path in sorted(Path(distribution("trl").locate_file("trl/chat_templates")).glob("*.jinja")):
    template = environment.from_string(path.read_text(encoding="utf-8"))
    try:
        text = template.render(
            messages=TALK, tools=[TOOL], add_generation_prompt=True, bos_token="<s>", eos_token="</s>"
        )
    except Exception:
        continue  # it refuses, which is heard
    lost = tuple(part for part in PARTS if part not in text)
    if 0 < len(lost) < len(PARTS):  # one that renders nothing wants content in parts, for images
        found[path.stem] = lost
for name, lost in found.items():
    print(f"{name:32} leaves out {', '.join(lost)}")

CALL_LOST, ALL_LOST, WORDS_LOST = ("the call",), ("the call", "the result"), ("the words",)
for family in ("llama3", "lfm2", "qwen2_5_vl", "deepseek_r1_distill"):
    assert found[family] == CALL_LOST, family
for family in ("phi3", "phi3_5"):
    assert found[family] == ALL_LOST, family
for family in ("llama3_1", "llama3_2", "gptoss", "muse_glimmer"):
    assert found[family] == WORDS_LOST, family
for family in ("llama3", "lfm2", "qwen2_5_vl", "deepseek_r1_distill", "phi3", "phi3_5", "gptoss", "muse_glimmer"):
    assert found[f"{family}_training"] == found[family], family
PYTHON
