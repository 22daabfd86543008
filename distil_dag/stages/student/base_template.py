"""A base model's own chat template, made to take every conversation of a log.

Many templates refuse two turns of one role in a row, a greeting first, a system turn or a tool's turn.
So a template gets a beginning, itself in Jinja, that arranges the turns first. It travels with the template:
training, measuring, `Student` and any other runtime read the same prompt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from distil_dag.stages.student.template_sandbox import REFUSALS, read_template

CHATML_OPEN = "<|im_start|>"

# An empty turn of the user stands before a greeting, so that the greeting stays the assistant's own words.
# The date and `enable_thinking` are fixed: a prompt that changes with the day or the client would not be the
# trained one. It ends in an expression, since a newline behind a block would be trimmed.
_BEGINNING = """\
{%- set enable_thinking = false %}
{%- macro strftime_now(format) %}
    {{- format | replace('%Y', '2024') | replace('%m', '07') | replace('%d', '26') | replace('%B', 'July') \
| replace('%b', 'Jul') | replace('%A', 'Friday') | replace('%a', 'Fri') | replace('%H', '00') \
| replace('%M', '00') | replace('%S', '00') }}
{%- endmacro %}
{%- set arranged = namespace(turns=[], role='', content='') %}
{%- for message in messages %}
    {%- set arranged.role = message.role %}
    {%- set arranged.content = message.content if message.content is string else '' %}
    {%- if message.content is not string %}
        {%- for part in message.content or [] %}
            {%- set arranged.content = arranged.content + (part.text or '') %}
        {%- endfor %}
    {%- endif %}
    {%- for tool_call in message.tool_calls or [] %}
        {%- set call = tool_call.function or tool_call %}
        {%- set said = call.arguments if call.arguments is string \
else call.arguments | tojson(separators=(',', ':')) %}
        {%- set arranged.content = arranged.content + ('\\n' if arranged.content else '') \
+ '<tool_call>{"name":' + (call.name | tojson) + ',"arguments":' + said + '}</tool_call>' %}
    {%- endfor %}
    {%- if message.role == 'tool' %}
        {%- set arranged.role = 'user' %}
        {%- set arranged.content = '<tool_response>\\n' + arranged.content + '\\n</tool_response>' %}
    {%- elif message.role in SYSTEM_AS_USER %}
        {%- set arranged.role = 'user' %}
    {%- endif %}
    {%- set before = arranged.turns[-1].role if arranged.turns else '' %}
    {%- if arranged.role == before %}
        {%- set joined = arranged.turns[-1].content + '\\n' + arranged.content %}
        {%- set arranged.turns = arranged.turns[:-1] + [{'role': before, 'content': joined}] %}
    {%- else %}
        {%- if arranged.role == 'assistant' and before != 'user' %}
            {%- set arranged.turns = arranged.turns + [{'role': 'user', 'content': ''}] %}
        {%- endif %}
        {%- set arranged.turns = arranged.turns + [{'role': arranged.role, 'content': arranged.content}] %}
    {%- endif %}
{%- endfor %}
{%- set messages = arranged.turns %}
{{- '' }}"""

# Behind a template whose prompts end within thoughts: the student has none.
_OPENED = re.compile(r"<think>\s*\Z")
_CLOSED = "{%- if add_generation_prompt %}{{- '\\n</think>\\n\\n' }}{%- endif %}"

# Some templates add these to text, and fail where they are not defined.
_NO_TOKENS = {"bos_token": "", "eos_token": ""}

_SYSTEM_STAYS = _BEGINNING.replace("SYSTEM_AS_USER", "[]")
_SYSTEM_AS_USER = _BEGINNING.replace("SYSTEM_AS_USER", "['system', 'developer']")


@lru_cache(maxsize=32)
def arranging(template: str) -> str:
    """The template with the beginning that arranges turns.

    Neighbouring turns of one role are joined, tools' turns become the user's, and a greeting gets an empty
    turn of the user before it. Where the template has no place for a system turn, that joins the user's too.
    Thoughts that a prompt opens at its end are closed.

    Args:
        template: a chat template in Jinja. ChatML takes turns in any order and stays as it is, and so does
            a template that has the beginning.

    Raises:
        ValueError: for what is no template.
    """
    if CHATML_OPEN in template or template.startswith((_SYSTEM_STAYS, _SYSTEM_AS_USER)):
        return template
    system = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    stays = not template_fault(_SYSTEM_STAYS + template, system)
    whole = (_SYSTEM_STAYS if stays else _SYSTEM_AS_USER) + template
    return whole + _CLOSED if _opens_thoughts(whole) else whole


def _opens_thoughts(template: str) -> bool:
    turns = [{"role": "user", "content": "Hello"}]
    try:
        text = read_template(template).render(messages=turns, add_generation_prompt=True, **_NO_TOKENS)
    except REFUSALS:
        return False
    return _OPENED.search(text) is not None


def template_fault(
    template: str,
    turns: list[dict[str, Any]],
    tools: list[dict[str, Any]] | None = None,
    special_tokens: Mapping[str, str] | None = None,
) -> str:
    """What keeps a template from rendering turns whole, in its own words; empty for nothing.

    Args:
        template: a chat template in Jinja.
        turns: turns of role and words.
        tools: OpenAI function definitions, which have to be in the prompt by their names.
        special_tokens: `bos_token` and the like; empty ones by default.

    Raises:
        ValueError: for what is no template.
    """
    compiled = read_template(template)
    try:
        text = compiled.render(
            messages=turns, tools=tools, add_generation_prompt=True, **(special_tokens or _NO_TOKENS)
        )
    except REFUSALS as error:
        return str(error) or type(error).__name__
    at = 0
    for turn in turns:
        at = text.find(turn["content"], at)
        if at < 0:
            return f"the words of a turn of {turn['role']} are not in the prompt"
    if tools and not all(tool["function"]["name"] in text for tool in tools):
        return "the tools are not in the prompt"
    return ""
