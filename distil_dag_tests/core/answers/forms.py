"""Calls written out in the forms of many model families, for tests and benchmarks of the parser."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from distil_dag.core.tool_call import ToolCall, render_calls

Renderer = Callable[[Sequence[ToolCall]], str]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _objects(calls: Sequence[ToolCall], arguments: str = "arguments") -> list[dict[str, Any]]:
    return [{"name": call.name, arguments: call.arguments} for call in calls]


def _each(before: str, one: Callable[[ToolCall], str], behind: str = "", between: str = "\n") -> Renderer:
    return lambda calls: before + between.join(map(one, calls)) + behind


def _python(call: ToolCall) -> str:
    return f"{call.name}({', '.join(f'{key}={value!r}' for key, value in call.arguments.items())})"


def _raw(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _qwen(call: ToolCall) -> str:
    inside = "".join(f"<parameter={k}>\n{_raw(v)}\n</parameter>\n" for k, v in call.arguments.items())
    return f"<function={call.name}>\n{inside}</function>"


def _invoke(call: ToolCall, prefix: str = "") -> str:
    inside = "".join(
        f'<{prefix}parameter name="{k}">{_raw(v)}</{prefix}parameter>\n' for k, v in call.arguments.items()
    )
    return f'<{prefix}invoke name="{call.name}">\n{inside}</{prefix}invoke>'


def _dsml(call: ToolCall) -> str:
    mark = "\uff5cDSML\uff5c"
    inside = "".join(
        f'<{mark}parameter name="{k}" string="{_json(isinstance(v, str))}">{_raw(v)}</{mark}parameter>\n'
        for k, v in call.arguments.items()
    )
    return f'<{mark}invoke name="{call.name}">\n{inside}</{mark}invoke>'


def _old_invoke(call: ToolCall) -> str:
    inside = "".join(f"<{k}>{_raw(v)}</{k}>\n" for k, v in call.arguments.items())
    return f"<invoke>\n<tool_name>{call.name}</tool_name>\n<parameters>\n{inside}</parameters>\n</invoke>"


def _glm(call: ToolCall) -> str:
    pairs = "".join(
        f"\n<arg_key>{k}</arg_key>\n<arg_value>{_raw(v)}</arg_value>" for k, v in call.arguments.items()
    )
    return f"<tool_call>{call.name}{pairs}\n</tool_call>"


def _gemma(value: Any, token: str) -> str:
    if isinstance(value, str):
        return f"{token}{value}{token}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{k}:{_gemma(v, token)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_gemma(item, token) for item in value) + "]"
    return _json(value)


def _printed(call: ToolCall) -> str:
    function = f"Function(arguments={_json(call.arguments)!r}, name={call.name!r})"
    return f"ChatCompletionMessageToolCall(id='call_1', function={function}, type='function')"


def _fields(call: ToolCall) -> str:
    function = f"Function(arguments={_json(call.arguments)!r}, name={call.name!r})"
    return f"id='call_1' function={function} type='function'"


def _harmony(call: ToolCall) -> str:
    return (
        f"<|start|>assistant<|channel|>commentary to=functions.{call.name} <|constrain|>json"
        f"<|message|>{_json(call.arguments)}<|call|>"
    )


_QUOTE = '<|"|>'
_BEGINS, _BEGIN, _SEP, _END, _ENDS = (
    f"<\uff5ctool\u2581{name}\uff5c>"
    for name in ("calls\u2581begin", "call\u2581begin", "sep", "call\u2581end", "calls\u2581end")
)

# Forms that take several calls in one answer.
SEVERAL: dict[str, Renderer] = {
    "hermes": render_calls,
    "json list": lambda calls: _json(_objects(calls)),
    "json lines": lambda calls: "\n".join(map(_json, _objects(calls))),
    "json list, parameters": lambda calls: _json(_objects(calls, "parameters")),
    "json fenced": lambda calls: f"```json\n{json.dumps(_objects(calls), indent=2)}\n```",
    "words, then json": lambda calls: f"On my way.\n\n{_json(_objects(calls))}",
    "words, then json fenced": lambda calls: f"On my way:\n```json\n{_json(_objects(calls))}\n```",
    "tool_calls object": lambda calls: _json({"tool_calls": _objects(calls)}),
    "openai objects": lambda calls: _json(
        [
            {"id": "c1", "type": "function", "function": {"name": c.name, "arguments": _json(c.arguments)}}
            for c in calls
        ]
    ),
    "printed dicts": lambda calls: repr(_objects(calls)),
    "mistral": _each("", lambda c: f"[TOOL_CALLS]{c.name}[ARGS]{_json(c.arguments)}", between=""),
    "mistral with ids": _each(
        "", lambda c: f"[TOOL_CALLS]{c.name}[CALL_ID]abc123XYZ[ARGS]{_json(c.arguments)}", between=""
    ),
    "mistral, no marks": _each("", lambda c: f"[TOOL_CALLS]{c.name}{_json(c.arguments)}", between=""),
    "mistral, older": lambda calls: f"[TOOL_CALLS] {_json(_objects(calls))}</s>",
    "lfm2": _each("<|tool_call_start|>[", _python, "]<|tool_call_end|>", ", "),
    "python list": _each("[", _python, "]", ", "),
    "python list behind words": _each("Sure.\n\n[", _python, "]", ", "),
    "python lines": _each("", _python),
    "tool_code": _each("```tool_code\n", lambda c: f"print(default_api.{_python(c)})", "\n```"),
    "llama 4": _each("<|python_start|>[", _python, "]<|python_end|>", ", "),
    "llama 3": _each(
        "<|python_tag|>", lambda c: _json({"name": c.name, "parameters": c.arguments}), "<|eom_id|>", "; "
    ),
    "llama 3 functions": _each(
        "", lambda c: f"<function={c.name}>{_json(c.arguments)}</function>", between=""
    ),
    "qwen coder": _each("", lambda c: f"<tool_call>\n{_qwen(c)}\n</tool_call>"),
    "qwen coder, naked": _each("", _qwen),
    "granite": lambda calls: f"<|tool_call|>{_json(_objects(calls))}",
    "granite 3.1": lambda calls: f"<tool_call>{_json(_objects(calls))}",
    "granite 20b": _each(
        "", lambda c: f"<function_call> {_json({'name': c.name, 'arguments': c.arguments})}"
    ),
    "functiongemma": _each(
        "",
        lambda c: f"<start_function_call>call:{c.name}{_gemma(c.arguments, '<escape>')}<end_function_call>",
        between="",
    ),
    "gemma 4": _each(
        "", lambda c: f"<|tool_call>call:{c.name}{_gemma(c.arguments, _QUOTE)}<tool_call|>", between=""
    ),
    "deepseek v3": _each(
        _BEGINS,
        lambda c: f"{_BEGIN}function{_SEP}{c.name}\n```json\n{_json(c.arguments)}\n```{_END}",
        _ENDS + "<\uff5cend\u2581of\u2581sentence\uff5c>",
    ),
    "deepseek v3.1": _each(_BEGINS, lambda c: f"{_BEGIN}{c.name}{_SEP}{_json(c.arguments)}{_END}", _ENDS, ""),
    "deepseek v3.2": _each(
        "<\uff5cDSML\uff5cfunction_calls>\n", _dsml, "\n</\uff5cDSML\uff5cfunction_calls>"
    ),
    "kimi k2": _each(
        "<|tool_calls_section_begin|>",
        lambda c: (
            f"<|tool_call_begin|>functions.{c.name}:0<|tool_call_argument_begin|>{_json(c.arguments)}"
            "<|tool_call_end|>"
        ),
        "<|tool_calls_section_end|>",
        "",
    ),
    "glm 4.5": _each("", _glm),
    "minimax m2": _each("<minimax:tool_call>\n", _invoke, "\n</minimax:tool_call>"),
    "minimax m1": _each(
        "<tool_calls>\n", lambda c: _json({"name": c.name, "arguments": c.arguments}), "\n</tool_calls>"
    ),
    "phi 4 mini": lambda calls: f"functools{_json(_objects(calls))}",
    "cohere": lambda calls: (
        "Action: ```json\n"
        + json.dumps([{"tool_name": c.name, "parameters": c.arguments} for c in calls], indent=4)
        + "\n```"
    ),
    "cohere r7b": lambda calls: (
        "<|START_ACTION|>"
        + _json([{"tool_call_id": "0", "tool_name": c.name, "parameters": c.arguments} for c in calls])
        + "<|END_ACTION|>"
    ),
    "xlam fenced": lambda calls: f"```\n{_json(_objects(calls))}\n```",
    "internlm": _each(
        "<|action_start|><|plugin|>",
        lambda c: _json({"name": c.name, "parameters": c.arguments}),
        "<|action_end|>",
    ),
    "hunyuan": lambda calls: f"<tool_calls>{_json(_objects(calls))}</tool_calls>",
    "seed oss": _each("", lambda c: f"<seed:tool_call>\n{_qwen(c)}\n</seed:tool_call>"),
    "harmony": _each("<|channel|>analysis<|message|>I think of f(a=1).<|end|>", _harmony, between=""),
    "anthropic xml": _each("<function_calls>\n", _invoke, "\n</function_calls>"),
    "apertus": lambda calls: (
        "<|tools_prefix|>" + _json([{c.name: c.arguments} for c in calls]) + "<|tools_suffix|>"
    ),
    "nemotron": lambda calls: f"<TOOLCALL>{_json(_objects(calls))}</TOOLCALL>",
    "printed objects": _each("[", _printed, "]", ", "),
    "function call objects": _each(
        "[", lambda c: f"FunctionCall(id=None, args={c.arguments!r}, name={c.name!r})", "]", ", "
    ),
    "thoughts first": lambda calls: "<think>\nmaybe <tool_call>?\n</think>\n\n" + render_calls(calls),
    "thoughts without opening": lambda calls: "so I call it\n</think>\n\n" + _json(_objects(calls)),
    "mistral thoughts": lambda calls: "[THINK]hm[/THINK]" + f"[TOOL_CALLS]{_json(_objects(calls))}",
}

# Forms that hold one call.
ONE: dict[str, Callable[[ToolCall], str]] = {
    "json": lambda call: _json({"name": call.name, "arguments": call.arguments}),
    "json text of arguments": lambda call: _json({"name": call.name, "arguments": _json(call.arguments)}),
    "react": lambda call: f"Thought: I need it.\nAction: {call.name}\nAction Input: {_json(call.arguments)}",
    "langchain action": lambda call: (
        "Thought: hm\nAction:\n```\n" + _json({"action": call.name, "action_input": call.arguments}) + "\n```"
    ),
    "printed fields": _fields,
    "printed response item": lambda call: (
        f"ResponseFunctionToolCall(arguments={_json(call.arguments)!r}, "
        f"call_id='call_1', name={call.name!r}, type='function_call', id=None, status=None)"
    ),
    "llama built-in": lambda call: "<|python_tag|>" + _python(call).replace("(", ".call(", 1),
    "glaive": lambda call: (
        f"<functioncall> {_json({'name': call.name, 'arguments': call.arguments})} <|endoftext|>"
    ),
    "gigachat": lambda call: (
        "function call<|role_sep|>\n" + _json({"name": call.name, "arguments": call.arguments})
    ),
    "anthropic xml, old": lambda call: f"<function_calls>\n{_old_invoke(call)}\n</function_calls>",
}
