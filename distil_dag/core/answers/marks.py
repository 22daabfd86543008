"""Forms that set calls off by tags or special tokens: a table of marks, one row a family of models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from distil_dag.core.answers.form import Found, NotReadable, outside
from distil_dag.core.answers.notations import read_body
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset


class _Marks(NamedTuple):
    """Marks of one form.

    Attributes:
        form: its name.
        sign: what every text in it holds.
        opens: pattern of the mark before a call or a list of calls.
        closes: pattern of the mark behind it.
        around: pattern of marks around all calls, which say nothing.
    """

    form: str
    sign: str
    opens: str
    closes: str
    around: str = ""


_BAR = r"[|\uff5c]"
_GAP = r"[_\u2581 ]"
_ALL = (
    _Marks("Hermes", "<tool_call>", r"<tool_call>", r"</tool_call>"),
    _Marks(
        "DeepSeek or Kimi K2",
        "call",
        rf"<{_BAR}tool{_GAP}call{_GAP}begin{_BAR}>",
        rf"<{_BAR}tool{_GAP}call{_GAP}end{_BAR}>",
        rf"<{_BAR}tool{_GAP}calls{_GAP}(?:section{_GAP})?(?:begin|end){_BAR}>",
    ),
    _Marks("Mistral", "[TOOL_CALLS]", r"\[TOOL_CALLS\]", r"\[/TOOL_CALLS\]"),
    _Marks("LFM2", "<|tool_call_start|>", r"<\|tool_call_start\|>", r"<\|tool_call_end\|>"),
    _Marks("Granite or Phi-4", "<|tool_call", r"<\|tool_calls?\|>", r"<\|/tool_calls?\|>"),
    _Marks("Gemma", "call", r"<start_function_call>|<\|tool_call>", r"<end_function_call>|<tool_call\|>"),
    _Marks("Llama", "<|python_", r"<\|python_tag\|>|<\|python_start\|>", r"<\|python_end\|>|<\|eom_id\|>"),
    _Marks("Phi-4-mini", "functools[", r"functools(?=\[)", r"(?!)"),
    _Marks("Seed-OSS", "<seed:tool_call>", r"<seed:tool_call>", r"</seed:tool_call>"),
    _Marks("MiniMax", "<minimax:tool_call>", r"<minimax:tool_call>", r"</minimax:tool_call>"),
    _Marks("Hunyuan", "<tool_calls>", r"<tool_calls>", r"</tool_calls>"),
    _Marks(
        "Anthropic XML",
        "function_calls>",
        r"<(?:[\w|\uff5c]{1,20}[:|\uff5c])?function_calls>",
        r"</(?:[\w|\uff5c]{1,20}[:|\uff5c])?function_calls>",
    ),
    _Marks(
        "InternLM", "<|action_start|>", r"<\|action_start\|>\s{0,8}(?:<\|plugin\|>)?", r"<\|action_end\|>"
    ),
    _Marks("Cohere Command", "<|START_ACTION|>", r"<\|START_ACTION\|>", r"<\|END_ACTION\|>"),
    _Marks("Apertus", "<|tools_prefix|>", r"<\|tools_prefix\|>", r"<\|tools_suffix\|>"),
    _Marks("GigaChat", "function", r"<\|function_call\|>|function call<\|role_sep\|>", r"<\|message_sep\|>"),
    _Marks("Nemotron", "<TOOLCALL>", r"<TOOLCALL>", r"</TOOLCALL>"),
    _Marks("LongCat", "<longcat_tool_call>", r"<longcat_tool_call>", r"</longcat_tool_call>"),
    _Marks("Granite 20B", "<function_call>", r"<function_call>", r"</function_call>"),
    _Marks("Glaive", "<functioncall>", r"<functioncall>", r"</functioncall>|<\|endoftext\|>"),
)


class _Row(NamedTuple):
    """Compiled marks; a text without `sign` has none of them."""

    form: str
    sign: str
    edges: re.Pattern[str]
    around: re.Pattern[str] | None


_ROWS = [
    _Row(
        row.form,
        row.sign,
        re.compile(f"(?P<opens>{row.opens})|(?P<closes>{row.closes})"),
        re.compile(row.around) if row.around else None,
    )
    for row in _ALL
]
# An opening behind one of these is no part of a value in the block before it.
_WHOLE = ("}", "]", ")", ">", "```")


def read(text: str, tools: Toolset | None) -> Found | None:
    """The calls of a text that sets them off by the marks of one form.

    Args:
        text: what a model said, without thoughts.
        tools: the known tools.

    Raises:
        NotReadable: what stands between marks is no call that can be read.
    """
    row, start = None, len(text)
    present = [row for row in _ROWS if row.sign in text]
    for one in present:
        found = next((edge for edge in one.edges.finditer(text) if edge.lastgroup == "opens"), None)
        if found and found.start() < start:
            row, start = one, found.start()
    if row is None:
        if broken := next((one for one in present if one.around and one.around.search(text)), None):
            raise NotReadable(broken.form, "marks without a call")
        return None
    form, _, edges, around = row
    calls: list[ToolCall] = []
    spans = []
    for start, end, body in _blocks(text, edges):
        calls += read_body(around.sub("", body) if around else body, form, tools)
        spans.append((start, end))
    words = outside(text, spans)
    return Found(tuple(calls), around.sub("", words).strip() if around else words)


def _blocks(text: str, edges: re.Pattern[str]) -> Iterator[tuple[int, int, str]]:
    """(start, end, body) of every block between marks; the next opening or the end closes one, too."""
    opened: re.Match[str] | None = None
    for edge in edges.finditer(text):
        before = text[max(edge.start() - 80, 0) : edge.start()].rstrip()
        if opened and (edge.lastgroup == "closes" or before.endswith(_WHOLE)):
            end = edge.end() if edge.lastgroup == "closes" else edge.start()
            yield opened.start(), end, text[opened.end() : edge.start()]
            opened = None
        if edge.lastgroup == "opens":
            opened = edge
    if opened:
        yield opened.start(), len(text), text[opened.end() :]
