"""What the student reads and what it says: one rendering for training, evaluation and serving.

The tools are frozen with the run, so the student learns them by heart (*closed book*): its prompt holds the
conversation and nothing else. The template travels in the tokenizer, the GGUF file and the Modelfile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from jinja2 import Template

from distil_dag.core.case import Case, Message
from distil_dag.core.context import NOTHING, ContextRule, joined
from distil_dag.core.control_tokens import neutralise
from distil_dag.core.conversation import with_results_named
from distil_dag.core.tool_call import render_calls
from distil_dag.core.toolset import Toolset
from distil_dag.stages.student.base_template import CHATML_OPEN, arranging
from distil_dag.stages.student.template_sandbox import REFUSALS, read_template

CHATML_CLOSE = "<|im_end|>"

# Calls of the history stand in the form that the student itself answers in; tool results in the
# user's turn, as the Hermes form has it.
_TURNS = """\
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if message.role == 'tool' %}
        {{- '<|im_start|>user\\n<tool_response>\\n' + content + '\\n</tool_response>' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- for tool_call in message.tool_calls or [] %}
            {%- set call = tool_call.function or tool_call %}
            {%- if content or not loop.first %}{{- '\\n' }}{%- endif %}
            {{- '<tool_call>{"name":' + call.name | tojson + ',"arguments":' }}
            {%- if call.arguments is string %}
                {{- call.arguments }}
            {%- else %}
                {{- call.arguments | tojson(separators=(',', ':')) }}
            {%- endif %}
            {{- '}</tool_call>' }}
        {%- endfor %}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""

_TOOLS = """\
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {{- 'Answer with calls of these functions, one JSON object in <tool_call></tool_call> each:\\n' }}
    {{- '<tools>\\n' }}
    {%- for tool in tools %}
        {{- tool | tojson + '\\n' }}
    {%- endfor %}
    {{- '</tools><|im_end|>\\n' }}
{%- endif %}
"""

# Never renders tools, even when a client passes them: servers need the list only to read the answer.
CLOSED_BOOK_TEMPLATE = _TURNS
# Renders the tools that are passed, in a system turn of their own before all others.
OPEN_BOOK_TEMPLATE = _TOOLS + _TURNS


@lru_cache(maxsize=8)
def _template(source: str) -> Template:
    return read_template(arranging(source))


def template_for(
    base_template: str | None, vocabulary_has_chatml: bool, tools_in_prompt: bool = False
) -> str:
    """The chat template that a student is trained and served with.

    Args:
        base_template: the template of the base model; None where it has none.
        vocabulary_has_chatml: whether `<|im_start|>` is one token of its vocabulary. If not, the base model
            keeps its own template, with a beginning that arranges turns for it.
        tools_in_prompt: whether ChatML has the tools in a system turn.

    Raises:
        ValueError: for a base model with neither ChatML nor a template.
    """
    if vocabulary_has_chatml:
        return OPEN_BOOK_TEMPLATE if tools_in_prompt else CLOSED_BOOK_TEMPLATE
    if not base_template:
        raise ValueError(
            f"the student's tokenizer has neither {CHATML_OPEN} nor a chat template: "
            "choose an instruction-tuned base, or add a `chat_template` to its tokenizer"
        )
    return arranging(base_template)


def student_messages(
    case: Case, system_prompt: str = "", context: ContextRule = NOTHING
) -> tuple[Message, ...]:
    """The conversation as the student sees it: with the task's system prompt, not production's.

    The history of a longer conversation stays. The prompt that taught the old agent its tools goes, but for
    the context that changes from request to request. Both are one system turn.

    Args:
        case: the conversation as it was logged or is sent.
        system_prompt: the task's system prompt.
        context: what is kept of production's.
    """
    turns = tuple(message for message in case.messages if message.role != "system")
    system = joined([system_prompt, context.of(case.messages)])
    return (Message(role="system", content=system), *turns) if system else turns


def render_prompt(
    template: str,
    messages: Sequence[Message],
    tools: list[dict[str, Any]] | None = None,
    special_tokens: Mapping[str, str] | None = None,
) -> str:
    """The prompt up to where the assistant begins to speak.

    A base model's own template gets its turns arranged, as :func:`arranging` says.

    It equals the tokenizer's `apply_chat_template(..., add_generation_prompt=True)` on plain text. What
    spells a control token in a message is neutralised first, so tokenize the result with control tokens
    enabled.

    Args:
        template: a chat template in Jinja.
        messages: the conversation.
        tools: OpenAI function definitions, for templates that render them.
        special_tokens: `bos_token` and the like, for templates of base models that ask.

    Raises:
        ValueError: when the template refuses the conversation.
    """
    turns = [plain_turn(message) for message in with_results_named(messages)]
    try:
        text: str = _template(template).render(
            messages=turns, tools=tools or None, add_generation_prompt=True, **dict(special_tokens or {})
        )
    except REFUSALS as error:
        roles = ", ".join(message.role for message in messages)
        raise ValueError(f"the chat template cannot render a conversation of {roles}: {error}") from error
    return text


def completion(case: Case, toolset: Toolset) -> str:
    """What the student should say for a case, without the end token that ends the turn."""
    return render_calls([toolset.canonical(call) for call in case.calls])


def plain_turn(message: Message) -> dict[str, str]:
    """A turn of role and words only, which every base model's template can render."""
    content = neutralise(message.content)
    if message.role == "tool":
        return {"role": "user", "content": f"<tool_response>\n{content}\n</tool_response>"}
    if message.tool_calls:
        content = "\n".join(filter(None, (content, render_calls(message.tool_calls))))
    return {"role": message.role, "content": content}
