"""What is known of tools that no trusted case calls: that a user may say what their description says."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from distil_dag.core.case import Case, Example, Message
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset

_SENTENCE_END = re.compile(r"(?<=[.!?])\s")


def described(trusted: Sequence[Case], toolset: Toolset, clean: Callable[[str], str]) -> list[Example]:
    """For each tool that `trusted` never calls its description's first sentence, as a request for it.

    "Turn off smart lights." asks for what it describes, which says more of a tool than its absence does.
    `clean` gives the words the look of the log. Tools without a description, and those that can't be called
    without arguments, are left out: what a user would say for these no description tells.
    """
    shown = {call.name for case in trusted for call in case.calls}
    found = []
    for tool in toolset.tools:
        call = ToolCall(name=tool.name, arguments={})
        words = clean(_SENTENCE_END.split(tool.description.strip())[0])
        if tool.name not in shown and words and not toolset.problems(call):
            message = Message(role="user", content=words)
            found.append(
                Example(
                    id=f"description-{tool.name}",
                    messages=(message,),
                    calls=(toolset.canonical(call),),
                    origin="synthetic",
                )
            )
    return found
