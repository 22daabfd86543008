"""One log written out in many forms: how much of it is read right, set aside, and misread.

    DISTIL_DAG_MASSIVE_TRACES=FILE python benchmarks/misread.py

Each call of the log is written as an answer in the forms of model families, in the records of services, and
cut in several ways. A record is *right* if its trace has exactly the logged call, *set aside* if it has a
reason and no trace, *misread* if its trace has other calls or none. A cut answer has to be set aside.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from distil_dag.adapters.tasks.folder import read_task
from distil_dag.core.tool_call import ToolCall, calls_key
from distil_dag.core.toolset import Toolset
from distil_dag.stages.reading.records import RecordReader
from distil_dag_tests.core.answers.forms import ONE, SEVERAL, Renderer  # deptry: ignore[DEP003]

TASK = Path(__file__).parents[1] / "examples" / "massive_iot"
Record = dict[str, Any]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _chat(request: str, message: Record, finish: str | None = None) -> Record:
    choice = {"index": 0, "message": {"role": "assistant", **message}}
    body = {"choices": [{**choice, "finish_reason": finish} if finish else choice]}
    return {"request": {"messages": [{"role": "user", "content": request}]}, "response": body}


def _openai(call: ToolCall) -> Record:
    arguments = _json(call.arguments)
    return {"id": "call_1", "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _said(request: str, text: str) -> Record:
    return {"messages": [{"role": "user", "content": request}, {"role": "assistant", "content": text}]}


def _anthropic(request: str, call: ToolCall) -> Record:
    block = {"type": "tool_use", "id": "toolu_1", "name": call.name, "input": call.arguments}
    return {
        "request": {"messages": [{"role": "user", "content": [{"type": "text", "text": request}]}]},
        "response": {"role": "assistant", "content": [block], "stop_reason": "tool_use"},
    }


def _gemini(request: str, call: ToolCall) -> Record:
    part = {"functionCall": {"name": call.name, "args": call.arguments}}
    return {
        "request": {"contents": [{"role": "user", "parts": [{"text": request}]}]},
        "response": {"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}]},
    }


def _bedrock(request: str, call: ToolCall) -> Record:
    part = {"toolUse": {"toolUseId": "t1", "name": call.name, "input": call.arguments}}
    return {
        "request": {"messages": [{"role": "user", "content": [{"text": request}]}]},
        "response": {
            "output": {"message": {"role": "assistant", "content": [part]}},
            "stopReason": "tool_use",
        },
    }


def _responses(request: str, call: ToolCall) -> Record:
    item = {
        "type": "function_call", "call_id": "c1", "name": call.name, "arguments": _json(call.arguments),
        "status": "completed",
    }  # fmt: skip
    return {"input": request, "output": [item], "status": "completed"}


def _sharegpt(request: str, call: ToolCall) -> Record:
    said = _json({"name": call.name, "arguments": call.arguments})
    return {"conversations": [{"from": "human", "value": request}, {"from": "function_call", "value": said}]}


def _span(attributes: Record, **more: Any) -> Record:
    pairs = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
    return {"traceId": "a", "spanId": "b", "name": "chat", "attributes": pairs, **more}


def _genai(request: str, call: ToolCall) -> Record:
    asked = [{"role": "user", "parts": [{"type": "text", "content": request}]}]
    part = {"type": "tool_call", "id": "c1", "name": call.name, "arguments": call.arguments}
    said = [{"role": "assistant", "parts": [part], "finish_reason": "tool_call"}]
    messages = {"gen_ai.input.messages": _json(asked), "gen_ai.output.messages": _json(said)}
    return _span({"gen_ai.operation.name": "chat", **messages})


def _events(request: str, call: ToolCall) -> Record:
    choice = {"index": 0, "message": {"role": "assistant", "tool_calls": [_openai(call)]}}
    events = [("gen_ai.user.message", {"content": request}), ("gen_ai.choice", choice)]
    held = [{"name": name, "body": body} for name, body in events]
    return _span({"gen_ai.operation.name": "chat"}, messageEvents=held)


def _numbered(request: str, call: ToolCall) -> Record:
    answer = "gen_ai.completion.0.tool_calls.0"
    named = {f"{answer}.name": call.name, f"{answer}.arguments": _json(call.arguments)}
    return _span({"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": request, **named})


def _openinference(request: str, call: ToolCall) -> Record:
    asked, answer = "llm.input_messages.0.message", "llm.output_messages.0.message"
    function = f"{answer}.tool_calls.0.tool_call.function"
    said = {f"{function}.name": call.name, f"{function}.arguments": _json(call.arguments)}
    return _span(
        {
            "openinference.span.kind": "LLM",
            f"{asked}.role": "user",
            f"{asked}.content": request,
            f"{answer}.role": "assistant",
            **said,
        }
    )


def _ai_sdk(request: str, call: ToolCall) -> Record:
    asked = [{"role": "user", "content": [{"type": "text", "text": request}]}]
    calls = [{"toolCallId": "c1", "toolName": call.name, "input": call.arguments}]
    messages = {"ai.prompt.messages": _json(asked), "ai.response.toolCalls": _json(calls)}
    return _span({"ai.operationId": "ai.generateText.doGenerate", **messages})


def _mlflow(request: str, call: ToolCall) -> Record:
    pair = _chat(request, {"tool_calls": [_openai(call)]}, "tool_calls")
    return _span(
        {
            "mlflow.spanType": '"LLM"',
            "mlflow.spanInputs": _json(pair["request"]),
            "mlflow.spanOutputs": _json(pair["response"]),
        }
    )


def _observation(request: str, call: ToolCall) -> Record:
    answer = {"role": "assistant", "content": None, "tool_calls": [_openai(call)]}
    asked = [{"role": "user", "content": request}]
    return {"id": "o", "traceId": "t", "type": "GENERATION", "input": _json(asked), "output": _json(answer)}


def _run(request: str, call: ToolCall) -> Record:
    pair = _chat(request, {"tool_calls": [_openai(call)]}, "tool_calls")
    return {
        "id": "r", "run_type": "llm", "start_time": "2026-11-30T10:00:00", "end_time": "2026-11-30T10:00:01",
        "inputs": pair["request"], "outputs": pair["response"],
    }  # fmt: skip


def _langchain(request: str, call: ToolCall) -> Record:
    made = {"name": call.name, "args": call.arguments, "id": "c1", "type": "tool_call"}
    message = {"lc": 1, "id": ["AIMessage"], "kwargs": {"type": "ai", "content": "", "tool_calls": [made]}}
    return {**_run(request, call), "inputs": {"prompts": [f"Human: {request}"]},
            "outputs": {"generations": [[{"text": "", "message": message}]]}}  # fmt: skip


def _agents(request: str, call: ToolCall) -> Record:
    answer = {"role": "assistant", "content": None, "tool_calls": [_openai(call)]}
    asked = [{"role": "user", "content": request}]
    return {"object": "trace.span", "span_data": {"type": "generation", "input": asked, "output": [answer]}}


def _braintrust(request: str, call: ToolCall) -> Record:
    pair = _chat(request, {"tool_calls": [_openai(call)]}, "tool_calls")
    return {
        "span_id": "s", "root_span_id": "r", "span_attributes": {"type": "llm"},
        "input": pair["request"]["messages"], "output": pair["response"]["choices"],
    }  # fmt: skip


def _litellm(request: str, call: ToolCall) -> Record:
    pair = _chat(request, {"tool_calls": [_openai(call)]}, "tool_calls")
    return {"litellm_call_id": "l", "messages": pair["request"]["messages"], "response": pair["response"]}


def _step(request: str, call: ToolCall) -> Record:
    asked = [{"role": "user", "content": [{"type": "text", "text": f"New task:\n{request}"}]}]
    answer = {"role": "assistant", "content": None, "tool_calls": [_openai(call)], "raw": None}
    return {"step_number": 1, "model_input_messages": asked, "model_output_message": answer}


# How recorders write the same.
RECORDERS: dict[str, Callable[[str, ToolCall], Record]] = {
    "otel genai span": _genai,
    "otel genai events": _events,
    "openllmetry, numbered": _numbered,
    "openinference": _openinference,
    "ai sdk, legacy": _ai_sdk,
    "mlflow span": _mlflow,
    "langfuse observation": _observation,
    "langsmith run": _run,
    "langchain run": _langchain,
    "openai agents span": _agents,
    "braintrust row": _braintrust,
    "litellm payload": _litellm,
    "smolagents step": _step,
}
# How services write the one call of an answer.
RECORDS: dict[str, Callable[[str, ToolCall], Record]] = {
    "openai chat": lambda r, c: _chat(r, {"content": None, "tool_calls": [_openai(c)]}, "tool_calls"),
    "openai chat, arguments as object": lambda r, c: _chat(
        r, {"tool_calls": [{"function": {"name": c.name, "arguments": c.arguments}}]}
    ),
    "openai function_call": lambda r, c: _chat(r, {"function_call": _openai(c)["function"]}, "function_call"),
    "arguments as args": lambda r, c: _chat(r, {"tool_calls": [{"name": c.name, "args": c.arguments}]}),
    "arguments as input": lambda r, c: _chat(r, {"tool_calls": [{"name": c.name, "input": c.arguments}]}),
    "anthropic": _anthropic,
    "gemini": _gemini,
    "bedrock converse": _bedrock,
    "openai responses": _responses,
    "sharegpt": _sharegpt,
    "second choice": lambda r, c: {
        **_chat(r, {"content": None, "tool_calls": [_openai(c)]}),
        "response": {
            "choices": [
                {"message": {"role": "assistant", "content": "I can't."}},
                {"message": {"role": "assistant", "tool_calls": [_openai(c)]}},
            ]
        },
    },
    "thoughts in a field": lambda r, c: _chat(
        r, {"content": "", "reasoning_content": "Which tool?", "tool_calls": [_openai(c)]}
    ),
}
# Answers that came to no end.
CUT: dict[str, Callable[[str, ToolCall], Record]] = {
    "cut: no text": lambda r, c: _chat(r, {"content": ""}, "length"),
    "cut: half a text": lambda r, c: _chat(r, {"content": "I will now"}, "length"),
    "cut: half a call": lambda r, c: _said(r, f'<tool_call>{{"name": "{c.name}", "argum'),
    "cut: a whole call": lambda r, c: _chat(r, {"tool_calls": [_openai(c)]}, "length"),
    "filtered": lambda r, c: _chat(r, {"content": ""}, "content_filter"),
    "tool_calls without a call": lambda r, c: _chat(r, {"content": ""}, "tool_calls"),
}


def _spelled(write: Renderer) -> Callable[[str, ToolCall], Record]:
    return lambda request, call: _said(request, write([call]))


def _alone(write: Callable[[ToolCall], str]) -> Renderer:
    return lambda calls: write(calls[0])


def traces(path: Path) -> list[tuple[str, ToolCall]]:
    """Request and call of each row of the log."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        user, answer = json.loads(line)["messages"][-2:]
        for call in (answer.get("tool_calls") or [])[:1]:
            body = call["function"]
            found.append(
                (user["content"], ToolCall(name=body["name"], arguments=json.loads(body["arguments"])))
            )
    return found


def counted(
    rows: list[tuple[str, ToolCall]], write: Callable[[str, ToolCall], Record], tools: Toolset, cut: bool
) -> Counter[str]:
    """How many records of one form are `right`, `set aside` and `misread`."""
    reader, found = RecordReader(tools), Counter[str]()
    for number, (request, call) in enumerate(rows):
        read = reader.read(write(request, call), str(number))
        if not read.traces:
            found["set aside" if read.problem else "misread"] += 1
        elif cut:
            found["misread"] += 1
        else:
            said = calls_key(map(tools.canonical, read.traces[-1].calls))
            found["right" if said == calls_key([tools.canonical(call)]) else "misread"] += 1
    return found


def main() -> int:
    """Print a row for each form and the sums; 1 where anything is misread."""
    rows = traces(Path(os.environ["DISTIL_DAG_MASSIVE_TRACES"]))
    tools = read_task(TASK, {}).toolset
    texts = {name: _spelled(write) for name, write in SEVERAL.items()}
    texts |= {name: _spelled(_alone(write)) for name, write in ONE.items()}
    whole, sums = {**texts, **RECORDS, **RECORDERS}, Counter[str]()
    print(f"{len(rows)} calls in {len(whole)} forms, and {len(CUT)} ways to end early")
    for name, write in (*whole.items(), *CUT.items()):
        found = counted(rows, write, tools, name in CUT)
        kind = "early" if name in CUT else "whole"
        sums.update({f"{kind}, {what}": count for what, count in found.items()})
        print(f"{name:36}" + "".join(f"{found[what]:8}" for what in ("right", "set aside", "misread")))
    for what, count in sorted(sums.items()):
        print(f"{what:24}{count:8}")
    return int(any(what.endswith("misread") and count for what, count in sums.items()))


if __name__ == "__main__":
    sys.exit(main())
