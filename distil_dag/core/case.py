"""A case: one request with its history and the calls that answer it.

Traces, seeds, test cases and synthetic rows are all cases; they differ in where they come
from and how far they are trusted.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from distil_dag.core.feedback import Feedback
from distil_dag.core.tool_call import ToolCall

Role = Literal["system", "user", "assistant", "tool"]


class Message(BaseModel):
    """One chat turn.

    Attributes:
        role: who speaks.
        content: the words of the turn.
        tool_calls: calls that an assistant's turn makes.
        result_of: the call that a tool's result answers, counted from 1 over the conversation, and 0 for none
            of them. Unset where results stand in the order of their calls.
    """

    model_config = ConfigDict(frozen=True)

    role: Role
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    result_of: int | None = None

    def openai(self) -> dict[str, Any]:
        """The turn as OpenAI's chat API takes it."""
        body: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.tool_calls:
            body["tool_calls"] = [
                {
                    "type": "function",
                    "function": {
                        "name": call.name,
                        "arguments": json.dumps(call.arguments, ensure_ascii=False),
                    },
                }
                for call in self.tool_calls
            ]
        return body


class Case(BaseModel):
    """A request (the last user turn, with its history before it) and the calls that answer it.

    Attributes:
        id: unique within its table.
        messages: the conversation that leads to the answer, oldest turn first.
        calls: the calls of the answer; empty where no tool is called.
        text: the words of the answer.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    messages: tuple[Message, ...]
    calls: tuple[ToolCall, ...] = ()
    text: str = ""

    @property
    def request(self) -> str:
        """The words of the last user turn; empty without one."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")

    @property
    def step(self) -> int:
        """Number of turns after the last user turn: 0, or more where calls and their results led here."""
        roles = [message.role for message in reversed(self.messages)]
        return roles.index("user") if "user" in roles else 0

    def row(self) -> dict[str, Any]:
        """The case as one flat table row.

        Returns:
            Column -> value, nested values as JSON strings; `request` is a column of its own.
        """
        row = self.model_dump(mode="json", exclude={"messages", "calls"})
        row["request"] = self.request
        row["messages"] = json.dumps(
            [m.model_dump(mode="json", exclude_defaults=True) for m in self.messages], ensure_ascii=False
        )
        row["calls"] = json.dumps([c.model_dump(mode="json") for c in self.calls], ensure_ascii=False)
        return {key: _flat(value) for key, value in row.items()}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        """Read a case from a row that :meth:`row` made.

        Args:
            row: column -> value; columns that the class does not know are ignored.

        Raises:
            ValueError: for values that are no such case.
        """
        values = {key: row[key] for key in cls.model_fields if key in row and row[key] is not None}
        for key in cls.nested():
            if isinstance(values.get(key), str):
                values[key] = json.loads(values[key])
        return cls.model_validate(values)

    @classmethod
    def nested(cls) -> tuple[str, ...]:
        """The columns of :meth:`row` that hold JSON."""
        return tuple(name for name, field in cls.model_fields.items() if "tuple" in str(field.annotation))


class Trace(Case):
    """A case as production logged it: its calls are what the old agent did, not what was right.

    Attributes:
        time: when it was logged.
        problems: why its calls are not valid under the tools; empty when they are.
        model: name of the model that answered.
        latency_ms: time of the answer in milliseconds.
        input_tokens: tokens of the request, as logged.
        output_tokens: tokens of the answer, as logged.
        cost: what the answer cost, as logged; mostly in US dollars.
        feedback: scores of people and programs.
    """

    time: datetime | None = None
    problems: tuple[str, ...] = ()
    model: str = ""
    latency_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    feedback: tuple[Feedback, ...] = ()


class HeldOut(Case):
    """A case of the frozen test.

    Attributes:
        production: what the old agent answered; None where the log does not know.
    """

    production: tuple[ToolCall, ...] | None = None


class Example(Case):
    """A case to learn from.

    Attributes:
        origin: where it comes from: a trusted trace that was chosen as seed, another trusted trace, or
            synthesis.
        cell: the cell of the coverage plan that it fills; empty if it was not planned.
    """

    origin: Literal["seed", "context", "synthetic"]
    cell: str = ""


def _flat(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value
