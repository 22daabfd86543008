"""Conversations of a log, as the base models' own templates render them in every path."""

from __future__ import annotations

import json
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from distil_dag.adapters.checkpoints.transformers_model import _turn as raw_turn
from distil_dag.adapters.llamacpp.chat_template import ChatTemplate
from distil_dag.core.case import Case, Message
from distil_dag.core.settings import StudentSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Tool, Toolset
from distil_dag.stages.student.base_template import arranging
from distil_dag.stages.student.prompt import CLOSED_BOOK_TEMPLATE, OPEN_BOOK_TEMPLATE, render_prompt
from distil_dag.stages.student.template_check import refused_conversations, usual_conversations
from distil_dag_tests.paths import ROOT

PUBLIC = json.loads(
    (ROOT / "distil_dag_tests/public_cases/13-templates-that-want-turns-to-alternate.json").read_text()
)
ALTERNATING: str = PUBLIC["chat_template"]
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
# Spells its turns as Granite does.
GRANITE = (
    "{% for m in messages %}<|start_of_role|>{{ m.role }}<|end_of_role|>{{ m.content }}<|end_of_text|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|start_of_role|>assistant<|end_of_role|>{% endif %}"
)
FAMILIES = [
    "cohere", "cohere2", "deepseek_r1_distill", "deepseekv3", "gemma", "gemma3", "gemma4", "glm4moe",
    "gptoss", "lfm2", "llama3", "llama3_1", "llama3_2", "phi3", "phi3_5", "qwen2_5", "qwen3",
]  # fmt: skip


def message(turn: dict[str, Any]) -> Message:
    calls = [call["function"] for call in turn.get("tool_calls", [])]
    return Message(
        role=turn["role"],
        content=turn["content"] or "",
        tool_calls=tuple(ToolCall(name=c["name"], arguments=json.loads(c["arguments"])) for c in calls),
    )


CONVERSATIONS = {name: [message(turn) for turn in turns] for name, turns in PUBLIC["conversations"].items()}


def family(name: str) -> str:
    if name == "mistral":
        from llama_cpp.llama_chat_format import MISTRAL_INSTRUCT_CHAT_TEMPLATE

        return str(MISTRAL_INSTRUCT_CHAT_TEMPLATE)
    if name == "granite":
        return GRANITE
    trl = find_spec("trl")
    assert trl
    assert trl.origin
    return (Path(trl.origin).parent / "chat_templates" / f"{name}.jinja").read_text()


def by_transformers(template: str, messages: list[Message], **more: Any) -> str:
    """What the runtime's own chat route makes of the turns as a client sends them."""
    from transformers.utils.chat_template_utils import render_jinja_template

    turns = [raw_turn(message) for message in messages]
    rendered, _ = render_jinja_template(
        [turns], chat_template=template, add_generation_prompt=True, **{**SPECIAL, **more}
    )
    return str(rendered[0])


def by_llamacpp(template: str, messages: list[Message]) -> str:
    return "".join(piece.text for piece in ChatTemplate(template, *SPECIAL.values()).pieces(messages))


def holds(prompt: str, messages: list[Message]) -> bool:
    """Whether the words and the calls of all turns stand in the prompt, in order."""
    at = 0
    for turn in messages:
        for words in (turn.content, *(call.name for call in turn.tool_calls)):
            at = prompt.find(words, at)
            if at < 0:
                return False
    return True


def test_neighbouring_turns_are_joined_and_a_greeting_gets_a_turn_before_it() -> None:
    greeted = render_prompt(ALTERNATING, CONVERSATIONS["greeted"])
    assert greeted == (
        "<start>user\n<end>\n<start>assistant\nHello, what shall the garden do?<end>\n"
        "<start>user\nWater the rose bed<end>\n<start>model\n"
    )
    joined = render_prompt(ALTERNATING, CONVERSATIONS["two-user-turns"])
    assert joined == "<start>user\nWait\nWater the rose bed<end>\n<start>model\n"
    results = render_prompt(ALTERNATING, CONVERSATIONS["two-results"])
    answers = [f"<tool_response>\n{share} %\n</tool_response>" for share in (12, 40)]
    assert results.endswith("<start>user\n" + "\n".join(answers) + "<end>\n<start>model\n")


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_template_that_wants_turns_to_alternate_renders_all_alike(name: str) -> None:
    messages = CONVERSATIONS[name]
    prompt = render_prompt(ALTERNATING, messages)
    assert holds(prompt, messages)
    assert by_transformers(arranging(ALTERNATING), messages) == prompt
    assert by_llamacpp(ALTERNATING, messages) == prompt


@pytest.mark.parametrize("name", [*FAMILIES, "mistral", "granite"])
def test_each_family_renders_all_conversations_alike(name: str) -> None:
    own = family(name)
    travels = CLOSED_BOOK_TEMPLATE if "<|im_start|>" in own else arranging(own)
    for messages in CONVERSATIONS.values():
        briefed = [Message(role="system", content="Be brief."), *messages]
        for turns in (messages, briefed):
            prompt = render_prompt(travels, turns, special_tokens=SPECIAL)
            assert holds(prompt, turns)
            assert by_transformers(travels, turns) == prompt
            assert by_transformers(travels, turns, enable_thinking=True) == prompt
            assert holds(by_llamacpp(own, turns), turns)


@pytest.mark.parametrize("name", ["llama3_2", "gptoss"])
def test_the_date_in_a_prompt_is_not_the_days(name: str) -> None:
    prompt = by_transformers(arranging(family(name)), CONVERSATIONS["greeted"])
    assert "2024" in prompt
    assert str(datetime.now().year) not in prompt


def test_turns_in_parts_keep_their_words() -> None:
    """Servers hand turns over in parts where the template reads them so."""
    from transformers.utils.chat_template_utils import render_jinja_template

    parts = [
        {"role": "user", "content": [{"type": "text", "text": "Water"}, {"type": "text", "text": " it"}]}
    ]
    rendered, _ = render_jinja_template([parts], chat_template=arranging(ALTERNATING))
    assert rendered[0] == "<start>user\nWater it<end>\n"


@pytest.mark.parametrize("template", [CLOSED_BOOK_TEMPLATE, OPEN_BOOK_TEMPLATE])
def test_chatml_stays_as_it_is(template: str) -> None:
    assert arranging(template) == template
    assert render_prompt(template, CONVERSATIONS["two-user-turns"]) == (
        "<|im_start|>user\nWait<|im_end|>\n<|im_start|>user\nWater the rose bed<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert render_prompt(template, CONVERSATIONS["greeted"]).startswith("<|im_start|>assistant\nHello")


def test_arranging_twice_is_arranging_once() -> None:
    once = arranging(ALTERNATING)
    assert arranging(once) == once


def refused(template: str, student: StudentSpec, cases: list[Case] | None = None) -> dict[str, int]:
    toolset = Toolset([Tool(name="lamp")])
    return refused_conversations(cases or usual_conversations(), toolset, student, template, SPECIAL)


def test_what_a_template_cannot_take_is_told_in_its_own_words_and_counted() -> None:
    brief = (
        "{% if messages|length > 2 %}{{ raise_exception('one request only') }}{% endif %}"
        "{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    assert refused(ALTERNATING, StudentSpec()) == {}
    assert refused(brief, StudentSpec()) == {"one request only": 4}
    assert refused("{{ messages[-1].content }}", StudentSpec())
    assert refused(ALTERNATING, StudentSpec(system_prompt="Be brief.")) == {}
    told = refused(ALTERNATING, StudentSpec(tools_in_prompt=True))
    assert told == {"the tools are not in the prompt": 6}
