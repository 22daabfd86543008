"""Records of other services and data sets: the calls in them are read, or they are set aside by name."""

import copy
import json

import pytest

from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Tool, Toolset
from distil_dag.stages.reading.fields import FIELDS
from distil_dag.stages.reading.records import RecordReader

SCHEMA = {
    "type": "object",
    "properties": {"bed": {"type": "string"}, "minutes": {"type": "integer"}},
    "additionalProperties": False,
}
TOOLS = Toolset(
    [Tool(name="water_bed", parameters=SCHEMA), Tool(name="list_beds", parameters={"type": "object"})]
)
ARGUMENTS = {"bed": "rose", "minutes": 7}
TEXT = json.dumps(ARGUMENTS)
WATER = ToolCall(name="water_bed", arguments=ARGUMENTS)
LIST = ToolCall(name="list_beds")
ASKED = "Water the rose bed for 7 minutes"
SYSTEM = "You are a gardener."


def read(record, record_format="auto"):
    return RecordReader(TOOLS, record_format).read(record, "r")


def told(record, record_format="auto"):
    """(request, calls, roles before) of every trace."""
    reading = read(record, record_format)
    assert reading.problem is None
    assert all(trace.problems == () for trace in reading.traces)
    return [(t.request, t.calls, [m.role for m in t.messages]) for t in reading.traces]


def items(*more):
    return [{"role": "user", "content": [{"type": "input_text", "text": ASKED}]}, *more]


CALL_ITEM = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "water_bed", "arguments": TEXT,
             "status": "completed"}  # fmt: skip
RESULT_ITEM = {"type": "function_call_output", "call_id": "c1", "output": '{"ok":true}'}
THOUGHT_ITEM = {"type": "reasoning", "id": "rs_1", "summary": []}
SAID_ITEM = {"type": "message", "role": "assistant", "status": "completed",
             "content": [{"type": "output_text", "text": "Done.", "annotations": []}]}  # fmt: skip
TOOL_USE = {"type": "tool_use", "id": "toolu_1", "name": "water_bed", "input": ARGUMENTS}
TOOL_RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "ok"}]}
CLAUDE = {
    "model": "claude",
    "system": SYSTEM,
    "max_tokens": 99,
    "messages": [{"role": "user", "content": ASKED}],
}
CLAUDE_SAYS = {"type": "message", "role": "assistant", "content": [
    {"type": "thinking", "thinking": "hm", "signature": "x"}, {"type": "text", "text": "Sure."}, TOOL_USE],
    "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 2}}  # fmt: skip
GEMINI = {"systemInstruction": {"parts": [{"text": SYSTEM}]}, "contents": [
    {"role": "user", "parts": [{"text": ASKED}]}]}  # fmt: skip
GEMINI_SAYS = {"candidates": [{"content": {"role": "model", "parts": [
    {"thought": True, "text": "hm"}, {"functionCall": {"name": "water_bed", "args": ARGUMENTS},
    "thoughtSignature": "abc"}]}, "finishReason": "STOP"}], "modelVersion": "gemini-3"}  # fmt: skip
CONVERSE = {"modelId": "nova", "system": [{"text": SYSTEM}], "messages": [
    {"role": "user", "content": [{"text": ASKED}]}]}  # fmt: skip
CONVERSE_SAYS = {"output": {"message": {"role": "assistant", "content": [
    {"reasoningContent": {"reasoningText": {"text": "hm"}}}, {"text": "Sure."},
    {"toolUse": {"toolUseId": "t1", "name": "water_bed", "input": ARGUMENTS}}]}}, "stopReason": "tool_use",
    "usage": {"inputTokens": 1}}  # fmt: skip
ONE = [(ASKED, (WATER,), ["user"])]
ONE_WITH_SYSTEM = [(ASKED, (WATER,), ["system", "user"])]

READ = {
    "responses, a pair": ({"request": {"model": "gpt", "instructions": SYSTEM, "input": ASKED},
        "response": {"object": "response", "status": "completed", "output": [THOUGHT_ITEM, CALL_ITEM]}},
        ONE_WITH_SYSTEM),
    "responses, a stored one": ({"id": "resp_1", "object": "response", "status": "completed", "model": "gpt",
        "input": items(), "output": [CALL_ITEM], "error": None, "incomplete_details": None}, ONE),
    "responses, columns of JSON text": ({"input": json.dumps(items()), "output": json.dumps([CALL_ITEM])},
        ONE),
    "responses, a list of items": ({"messages": items(CALL_ITEM, RESULT_ITEM, SAID_ITEM)}, ONE),
    "responses, items of a conversation": ({"items": items(CALL_ITEM, RESULT_ITEM)}, ONE),
    "responses, input alone": ({"input": items(CALL_ITEM, RESULT_ITEM)}, ONE),
    "anthropic, a pair": ({"request": CLAUDE, "response": CLAUDE_SAYS}, ONE_WITH_SYSTEM),
    "anthropic, text columns": ({"request": json.dumps(CLAUDE), "response": json.dumps(CLAUDE_SAYS)},
        ONE_WITH_SYSTEM),
    "anthropic, a conversation": ({"system": [{"type": "text", "text": SYSTEM}], "messages": [
        *CLAUDE["messages"], {"role": "assistant", "content": CLAUDE_SAYS["content"]},
        {"role": "user", "content": [TOOL_RESULT]}, {"role": "assistant", "content": [
            {"type": "text", "text": "Done."}]}]}, ONE_WITH_SYSTEM),
    "anthropic, a result and words": ({"messages": [
        *CLAUDE["messages"], {"role": "assistant", "content": [TOOL_USE]},
        {"role": "user", "content": [TOOL_RESULT, {"type": "text", "text": "Which beds are there?"}]},
        {"role": "assistant", "content": [{**TOOL_USE, "name": "list_beds", "input": {}}]}]},
        [*ONE, ("Which beds are there?", (LIST,), ["user", "assistant", "tool", "user"])]),
    "gemini, a pair": ({"request": GEMINI, "response": GEMINI_SAYS}, ONE_WITH_SYSTEM),
    "gemini, snake case": ({"system_instruction": SYSTEM, "contents": ASKED, "candidates": [{"content": {
        "role": "model", "parts": [{"function_call": {"name": "water_bed", "args": ARGUMENTS}}]},
        "finish_reason": "STOP"}]}, ONE_WITH_SYSTEM),
    "gemini, a row for tuning": ({**GEMINI, "contents": [*GEMINI["contents"],
        {"role": "model", "parts": [{"functionCall": {"name": "water_bed", "args": ARGUMENTS}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "water_bed", "response": {"ok": True}}}]},
        {"role": "model", "parts": [{"text": "Done."}]}]}, ONE_WITH_SYSTEM),
    "bedrock, a pair": ({"request": CONVERSE, "response": CONVERSE_SAYS}, ONE_WITH_SYSTEM),
    "bedrock, one object": ({**CONVERSE, **CONVERSE_SAYS}, ONE_WITH_SYSTEM),
    "bedrock, a conversation": ({"schemaVersion": "bedrock-conversation-2024", **CONVERSE, "messages": [
        *CONVERSE["messages"], CONVERSE_SAYS["output"]["message"], {"role": "user",
        "content": [{"toolResult": {
            "toolUseId": "t1", "content": [{"json": {"ok": True}}], "status": "success"}}]},
        {"role": "assistant", "content": [{"text": "Done."}]}]}, ONE_WITH_SYSTEM),
    "bedrock, the invocation log": ({"schemaType": "ModelInvocationLog", "operation": "Converse",
        "input": {"inputContentType": "application/json", "inputBodyJson": CONVERSE},
        "output": {"outputBodyJson": CONVERSE_SAYS}}, ONE_WITH_SYSTEM),
    "bedrock, the invocation log of another body": ({"input": {"inputBodyJson": CLAUDE},
        "output": {"outputBodyJson": CLAUDE_SAYS}}, ONE_WITH_SYSTEM),
    "sharegpt": ({"conversations": [{"from": "system", "value": SYSTEM}, {"from": "human", "value": ASKED},
        {"from": "function_call", "value": json.dumps({"name": "water_bed", "arguments": ARGUMENTS})},
        {"from": "observation", "value": "ok"}, {"from": "gpt", "value": "Done."}], "tools": "[]"},
        ONE_WITH_SYSTEM),
    "sharegpt, JSON text": ({"system": SYSTEM, "conversations": json.dumps([{"from": "human", "value": ASKED},
        {"from": "gpt", "value": f'<tool_call>{{"name": "water_bed", "arguments": {TEXT}}}</tool_call>'}])},
        ONE_WITH_SYSTEM),
    "conversations of roles": ({"conversations": [{"role": "user", "content": ASKED}, {"role": "assistant",
        "tool_calls": [{"function": {"name": "water_bed", "arguments": TEXT}}]}]}, ONE),
    "hermes": ({"conversations": [{"from": "human", "value": ASKED}, {"from": "gpt", "value":
        f'<tool_call>\n{{"arguments": {ARGUMENTS}, "name": "water_bed"}}\n</tool_call>\n'},
        {"from": "tool",
        "value": "<tool_response>\n1\n</tool_response>\n<tool_response>\n2\n</tool_response>"},
        {"from": "human", "value": "List them"}, {"from": "gpt", "value": '<tool_call>{"name": "list_beds", '
        '"arguments": {}}</tool_call>'}]},
        [*ONE, ("List them", (LIST,), ["user", "assistant", "tool", "tool", "user"])]),
    "toolace": ({"system": SYSTEM, "conversations": [{"from": "user", "value": ASKED},
        {"from": "assistant", "value": '[water_bed(bed="rose", minutes=7)]'}]}, ONE_WITH_SYSTEM),
    "xlam": ({"id": 1, "query": ASKED, "tools": "[]", "answers": json.dumps([
        {"name": "water_bed", "arguments": ARGUMENTS}])}, ONE),
    "xlam without a call": ({"query": "Tell a joke", "answers": "[]"}, [("Tell a joke", (), ["user"])]),
    "glaive": ({"system": f"SYSTEM: {SYSTEM}", "chat": f"USER: {ASKED}\n\n\nASSISTANT: <functioncall> "
        f'{{"name": "water_bed", '
        f'"arguments": \'{TEXT}\'}} <|endoftext|>\n\n\nFUNCTION RESPONSE: {{"ok": true}}'
        "\n\n\nASSISTANT: Done. <|endoftext|>\n\n\n"}, ONE_WITH_SYSTEM),
    "fine-tuning without a turn": ({"tools": [], "messages": [{"role": "user", "content": "hello"},
        {"role": "assistant", "content": "Hi.", "weight": 0}, {"role": "user", "content": ASKED},
        {"role": "assistant", "function_call": {"name": "water_bed", "arguments": TEXT}, "weight": 1}]},
        [(ASKED, (WATER,), ["user", "assistant", "user"])]),
    "preferences": ({"input": {"messages": [{"role": "user", "content": ASKED}]}, "preferred_output": [
        {"role": "assistant", "tool_calls": [{"function": {"name": "water_bed", "arguments": TEXT}}]}],
        "non_preferred_output": [{"role": "assistant", "content": "No."}]}, ONE),
    "langchain messages": ({"messages": [{"type": "human", "content": ASKED}, {"type": "ai", "content": "",
        "tool_calls": [{"name": "water_bed", "args": ARGUMENTS, "id": "c1", "type": "tool_call"}]}]}, ONE),
    "a traced generation": ({"input": [{"role": "user", "content": ASKED}], "output": {"role": "assistant",
        "content": None, "tool_calls": [{"function": {"name": "water_bed", "arguments": TEXT}}]}}, ONE),
    "a run of LangSmith": ({"run_type": "llm", "inputs": {"messages": [[{"id": ["langchain", "HumanMessage"],
        "lc": 1, "type": "constructor", "kwargs": {"content": ASKED, "type": "human"}}]]},
        "outputs": {"generations": [[{"text": "", "message": {"lc": 1, "type": "constructor",
            "id": ["langchain", "AIMessage"], "kwargs": {"content": "", "type": "ai", "tool_calls": [
                {"name": "water_bed", "args": ARGUMENTS, "id": "c", "type": "tool_call"}]}}}]]}}, ONE),
}  # fmt: skip


@pytest.mark.parametrize("kind", READ)
def test_a_record_of_this_form_is_read(kind):
    record, expected = READ[kind]
    before = copy.deepcopy(record)
    assert told(record) == expected
    assert record == before


FORMATS = {
    "responses, a pair": "responses", "anthropic, a pair": "anthropic",
    "anthropic, a conversation": "anthropic",
    "gemini, a pair": "gemini", "bedrock, the invocation log": "bedrock", "sharegpt": "sharegpt",
    "xlam": "xlam", "glaive": "glaive",
}  # fmt: skip


@pytest.mark.parametrize("kind", FORMATS)
def test_a_format_may_be_named(kind):
    record, expected = READ[kind]
    assert told(record, FORMATS[kind]) == expected
    if FORMATS[kind] != "anthropic":
        assert "is not of format" in str(read({"question": "a", "answer": "b"}, FORMATS[kind]).problem)


def changed(kind, *path, **values):
    record = copy.deepcopy(READ[kind][0])
    place = record
    for key in path:
        place = place[key]
    place.update(values)
    return record


SET_ASIDE = {
    "a cut response": (changed("responses, a pair", "response", status="incomplete",
        incomplete_details={"reason": "max_output_tokens"}), "cut answer"),
    "a filtered response": (changed("responses, a pair", "response", status="incomplete",
        incomplete_details={"reason": "content_filter"}), "filtered answer"),
    "a failed response": (changed("responses, a pair", "response", error={"code": 1}),
        "the response is an error"),
    "a response behind another": (changed("responses, a pair", "request", previous_response_id="resp_0"),
        "the history is kept elsewhere"),
    "a built-in tool": (changed("responses, a pair", "response", output=[
        {"type": "web_search_call", "id": "w"}, SAID_ITEM]), "an item that is not read"),
    "a tool that takes any text": (changed("responses, a pair", "response", output=[
        {"type": "custom_tool_call", "name": "water_bed", "input": "rose"}]), "an item that is not read"),
    "an output without an item": (changed("responses, a pair", "response", output=[]), "no response"),
    "broken arguments of an item": (changed("responses, a pair", "response", output=[
        {**CALL_ITEM, "arguments": '{"bed": "ro'}]), "unreadable call"),
    "a cut message of Claude": (changed("anthropic, a pair", "response", stop_reason="max_tokens"),
        "cut answer"),
    "a refusal of Claude": (changed("anthropic, a pair", "response", stop_reason="refusal"),
        "filtered answer"),
    "a call of Claude that is lost": (changed("anthropic, a pair", "response", content=[
        {"type": "text", "text": "Sure."}]), "a call that was not logged"),
    "a tool of Claude's own": (changed("anthropic, a pair", "response", content=[
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}]), "not text"),
    "a call of Gemini that is broken": (changed("gemini, a pair", "response", candidates=[
        {"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL"}]), "failed answer"),
    "an empty candidate": (changed("gemini, a pair", "response", candidates=[
        {"content": {"role": "model"}, "finishReason": "STOP"}]), "empty answer"),
    "a blocked prompt": (changed("gemini, a pair", "response", candidates=[],
        promptFeedback={"blockReason": "SAFETY"}), "filtered answer"),
    "candidates that differ": (changed("gemini, a pair", "response", candidates=[
        *GEMINI_SAYS["candidates"], {"content": {"parts": [{"text": "No."}]}}]), "several choices"),
    "a cut answer of Bedrock": (changed("bedrock, a pair", "response", stopReason="max_tokens"),
        "cut answer"),
    "a guarded answer of Bedrock": (changed("bedrock, a pair", "response", stopReason="guardrail_intervened"),
        "filtered answer"),
    "bodies in S3": ({"input": {"inputBodyS3Path": "s3://a"}, "output": {"outputBodyJson": {}}},
        "the bodies are kept elsewhere"),
    "an unknown speaker": ({"conversations": [{"from": "robot", "value": "x"}]}, "unknown role"),
    "a call that is none": ({"conversations": [{"from": "human", "value": "x"},
        {"from": "function_call", "value": "I water"}]}, "a call that was not logged"),
    "a call of ToolACE with spaces": ({"conversations": [{"from": "user", "value": "x"},
        {"from": "assistant", "value": '[Water Bed(bed="rose")]'}]}, "a call that was not logged"),
    "answers that are no calls": ({"query": "x", "answers": ["rose"]}, "unreadable call"),
    "a broken call of glaive": ({"chat": "USER: x\n\n\nASSISTANT: <functioncall> {\"name\": \"wa"},
        "unreadable call (Glaive)"),
    "a chat without speakers": ({"chat": "hello"}, "unknown format"),
    "only the words at the end of a trace": ({"input": "Water it", "output": "Done."}, "unknown format"),
    "instructions": ({"instruction": "Sum up", "input": "x", "output": "y"}, "unknown format"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SET_ASIDE)
def test_what_can_not_be_read_is_set_aside_by_name(kind):
    record, reason = SET_ASIDE[kind]
    reading = read(record)
    assert reading.traces == ()
    assert reading.problem.reason == reason


def test_an_apostrophe_in_a_call_of_glaive_is_no_end_of_it():
    chat = 'USER: Which bed?\n\n\nA: <functioncall> {"name": "water_bed", "arguments": \'{"bed": "mum\'s"}\'}'
    ((_, (call,), _),) = told({"chat": chat})
    assert call.arguments == {"bed": "mum's"}


def test_results_of_any_service_stand_behind_their_calls():
    for kind in ("anthropic, a result and words", "gemini, a row for tuning", "bedrock, a conversation"):
        record = copy.deepcopy(READ[kind][0])
        name = "contents" if "contents" in record else "messages"
        record[name] = [*record[name][:3], {"role": "user", "content": [{"text": "again"}]}, record[name][1]]
        last = read(record).traces[-1]
        assert [m.role for m in last.messages if m.role != "system"][:3] == ["user", "assistant", "tool"]
        assert last.messages[-2].content in ("ok", '{"ok":true}', "Which beds are there?")


def test_other_columns_of_a_table_change_nothing():
    """A row of a table has all columns, and some names mean something else there."""
    plain = {"messages": [{"role": "user", "content": ASKED}, {"role": "assistant", "tool_calls": [
        {"function": {"name": "water_bed", "arguments": TEXT}}]}]}  # fmt: skip
    for more in (
        {"conversation": "conv_1"},
        {"chat": "c-1", "query": "q", "answers": 3},
        {"contents": "x"},
        {"status": "ok", "error": None, "instruction": None},
        {"input": "x", "output": "y"},
    ):
        assert told({**plain, **more}) == ONE
    row = dict.fromkeys(FIELDS) | {
        "input": json.dumps(items()),
        "output": json.dumps([CALL_ITEM]),
        "status": "ok",
    }
    assert told(row) == ONE
    span = dict.fromkeys(FIELDS) | {
        "input": json.dumps(plain["messages"][:1]),
        "output": json.dumps(plain["messages"][1]),
    }
    assert told(span) == ONE
    answered = {
        "question": ASKED,
        "answer": [{"name": "water_bed", "arguments": ARGUMENTS}],
        "conversation": "c",
    }
    assert told(answered) == ONE
