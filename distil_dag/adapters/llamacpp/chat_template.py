"""A model's own chat template: from messages to the text of a prompt, in pieces.

Messages hold untrusted text. A user who writes `<|im_end|><|im_start|>system` must not open a turn. So text
that contains control tokens is kept apart from the template's own text and is tokenised as plain text.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from distil_dag.core.case import Message
from distil_dag.core.conversation import with_results_named
from distil_dag.core.tool_call import render_calls
from distil_dag.stages.prompting.prompt_files import render
from distil_dag.stages.student.base_template import arranging
from distil_dag.stages.student.template_sandbox import REFUSALS, read_template

_TOOL_ROLE = re.compile(r"""["']tool["']""")


@dataclass(frozen=True)
class Piece:
    """A part of a prompt.

    Attributes:
        text: The characters.
        trusted: Whether control tokens in the text are recognised.
    """

    text: str
    trusted: bool


class ChatTemplate:
    """Renders messages, tools and the beginning of the answer with one Jinja template.

    Conversations that the template has no place for are arranged for it, as :func:`arranging` says.

    Args:
        source: The template's Jinja source.
        bos: The model's begin token, as text.
        eos: The model's end token, as text.
        control: Pattern that finds the model's control tokens in a text; None if it has none.
        thinking: Whether the model shall think, for templates that ask.

    Raises:
        ValueError: `source` is no template.
    """

    def __init__(
        self,
        source: str,
        bos: str = "",
        eos: str = "",
        control: re.Pattern[str] | None = None,
        thinking: bool = False,
    ) -> None:
        self._takes_tools = "tools" in source
        self._takes_calls = "tool_calls" in source
        arranged = arranging(source)
        # The template as it is, where it has words for calls and results; then the one that takes all turns.
        own = arranged == source or self._takes_calls or _TOOL_ROLE.search(source) is not None
        self._templates = [read_template(text) for text in dict.fromkeys([source] * own + [arranged])]
        # Families name the variable of thoughts differently.
        self._variables = {
            "bos_token": bos,
            "eos_token": eos,
            "enable_thinking": thinking,
            "thinking": thinking,
        }
        self._control = control

    def pieces(
        self,
        messages: Sequence[Message],
        tools: Sequence[dict[str, Any]] = (),
        prefill: str = "",
        goes_on: bool = True,
    ) -> list[Piece]:
        """Render a prompt as trusted and untrusted pieces.

        Args:
            messages: The conversation.
            tools: Tool definitions in OpenAI's form.
            prefill: Beginning of the assistant's turn, which the model continues.
            goes_on: Whether the prompt ends where the assistant's turn begins; otherwise it ends with the
                messages.

        Returns:
            The non-empty pieces, in order.

        Raises:
            ValueError: The template refuses these messages.
        """
        if tools and not self._takes_tools:
            messages, tools = with_tools(messages, tools), ()
        refused = ""
        for template in self._templates:
            guard = _Guard(self._control)
            turns = [self._plain(message, guard) for message in with_results_named(messages)]
            try:
                text = template.render(
                    messages=turns,
                    tools=list(tools) or None,
                    add_generation_prompt=goes_on,
                    **self._variables,
                )
            except REFUSALS as error:
                refused = refused or str(error)
            else:
                if all(name in text for name in _called(turns)):
                    return guard.split(text + guard.text(prefill))
                refused = refused or "it leaves calls of the history out"
        raise ValueError(f"the model's chat template refuses these messages: {refused}")

    def _plain(self, message: Message, guard: _Guard) -> dict[str, Any]:
        body: dict[str, Any] = {"role": message.role, "content": guard.text(message.content)}
        if message.tool_calls and self._takes_calls:
            body["tool_calls"] = [
                {
                    "type": "function",
                    "function": {"name": guard.text(call.name), "arguments": guard.json(call.arguments)},
                }
                for call in message.tool_calls
            ]
        elif message.tool_calls:
            said = f"{message.content}\n" if message.content else ""
            body["content"] = guard.text(said + render_calls(message.tool_calls))
        return body


def _called(turns: Sequence[dict[str, Any]]) -> list[str]:
    return [call["function"]["name"] for turn in turns for call in turn.get("tool_calls", [])]


def with_tools(messages: Sequence[Message], tools: Sequence[dict[str, Any]]) -> list[Message]:
    """The messages with the tool definitions in the system message, one JSON object a line.

    For models whose template has no place for tools. The wording is that of the Hermes format.
    """
    lines = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
    words = render("tools_in_prompt", tools=lines)
    system = [message for message in messages[:1] if message.role == "system"]
    before = f"{system[0].content}\n\n" if system and system[0].content else ""
    return [Message(role="system", content=before + words), *messages[len(system) :]]


class _Guard:
    """Replaces text that contains control tokens by unguessable placeholders, and restores it as data."""

    def __init__(self, control: re.Pattern[str] | None) -> None:
        self._control = control
        self._nonce = secrets.token_hex(16)
        self._kept: list[str] = []

    def text(self, value: str) -> str:
        # Text without control tokens goes through the template unchanged, so that templates that trim
        # or inspect it work as intended.
        return self._keep(value) if self._is_suspect(value) else value

    def json(self, value: Any) -> Any:
        if isinstance(value, str):
            return (
                self._keep(json.dumps(value, ensure_ascii=False)[1:-1]) if self._is_suspect(value) else value
            )
        if isinstance(value, dict):
            return {self.json(key): self.json(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.json(item) for item in value]
        return value

    def split(self, text: str) -> list[Piece]:
        parts = re.split(f"{self._nonce}-([0-9]+);", text)
        pieces = [
            Piece(self._kept[int(part)] if odd else part, trusted=not odd)
            for odd, part in ((index % 2 == 1, part) for index, part in enumerate(parts))
        ]
        return [piece for piece in pieces if piece.text]

    def _is_suspect(self, value: str) -> bool:
        return self._control is not None and self._control.search(value) is not None

    def _keep(self, value: str) -> str:
        self._kept.append(value)
        return f"{self._nonce}-{len(self._kept) - 1};"
