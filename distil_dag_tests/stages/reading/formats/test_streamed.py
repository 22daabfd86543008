"""Answers that were logged as the events of their stream."""

import base64
import json

import pytest

from distil_dag_tests.stages.reading.recorders.samples import read_log

ARGUMENTS = {"room": "den", "level": 40}
HALVES = ('{"room": "de', 'n", "level": 40}')
USER = "Set the den light to 40 percent."
CONVERSE = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "I"}}},
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": " will."}}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {
        "contentBlockStart": {
            "contentBlockIndex": 1,
            "start": {"toolUse": {"toolUseId": "t1", "name": "set_light"}},
        }
    },
    *({"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"toolUse": {"input": h}}}} for h in HALVES),
    {"contentBlockStop": {"contentBlockIndex": 1}},
    {"messageStop": {"stopReason": "tool_use"}},
    {"metadata": {"usage": {"inputTokens": 10, "outputTokens": 5}}},
]
CLAUDE = [
    {"type": "message_start", "message": {"type": "message", "role": "assistant", "model": "claude",
        "content": [], "stop_reason": None, "usage": {"input_tokens": 10}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "I will."}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1,
        "content_block": {"type": "tool_use", "id": "t1", "name": "set_light", "input": {}}},
    *({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": half}}
        for half in HALVES),
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}},
    {"type": "message_stop"},
]  # fmt: skip
CHUNKS = [
    {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": ending}]}
    for delta, ending in (
        ({"role": "assistant", "content": "I will."}, None),
        ({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "set_light", "arguments": ""}}]}, None),
        *(({"tool_calls": [{"index": 0, "function": {"arguments": half}}]}, None) for half in HALVES),
        ({}, "tool_calls"),
    )
]
ASKED = {"messages": [{"role": "user", "content": USER}]}
PARTS = {"messages": [{"role": "user", "content": [{"text": USER}]}]}


def invoked(events, operation="InvokeModelWithResponseStream", given=ASKED):
    return {
        "schemaType": "ModelInvocationLog", "operation": operation, "modelId": "m",
        "input": {"inputBodyJson": given}, "output": {"outputBodyJson": events},
    }  # fmt: skip


def sent(events):
    return "".join(f"event: x\ndata: {json.dumps(one)}\n\n" for one in events) + "data: [DONE]\n\n"


def in_bytes(events):
    return [{"chunk": {"bytes": base64.b64encode(json.dumps(one).encode()).decode()}} for one in events]


READ = {
    "Bedrock, ConverseStream": invoked(CONVERSE, "ConverseStream", PARTS),
    "Bedrock, chunks of Claude": invoked(CLAUDE),
    "Bedrock, chunks in bytes": invoked(in_bytes(CLAUDE)),
    "Bedrock, chunks of Nova": invoked(CONVERSE, given=PARTS),
    "Bedrock, chunks of gpt-oss": invoked(CHUNKS),
    "a pair": {"request": ASKED, "response": CHUNKS},
    "a pair of JSON texts": {"request": json.dumps(ASKED), "response": json.dumps(CLAUDE)},
    "events that a server sent": {"request": ASKED, "response": sent(CHUNKS)},
    "events of Anthropic's server": {"request": ASKED, "response": {"body": sent(CLAUDE)}},
}
SET_ASIDE = {
    "Converse, cut": (invoked(CONVERSE[:-2], given=PARTS), "cut answer"),
    "Claude, cut": (invoked(CLAUDE[:-2]), "cut answer"),
    "OpenAI, cut": ({"request": ASKED, "response": CHUNKS[:-1]}, "cut answer"),
    "arguments with a gap": (
        invoked([one for one in CONVERSE if one != CONVERSE[5]], given=PARTS),
        "broken JSON",
    ),
    "a block without a start": (invoked([one for one in CLAUDE if one != CLAUDE[4]]), "a streamed answer"),
    "an error in the stream": (
        invoked([*CONVERSE[:-2], {"throttlingException": {"message": "slow"}}], given=PARTS),
        "failed answer",
    ),
    "a stop for its length": (
        invoked([*CONVERSE[:-2], {"messageStop": {"stopReason": "max_tokens"}}], given=PARTS),
        "cut answer",
    ),
    "events of another model": (invoked([{"generation": "Do"}, {"generation": "ne."}]), "a streamed answer"),
}


@pytest.mark.parametrize("name", READ)
def test_events_make_up_the_answer(name):
    log = read_log(READ[name])
    assert log.reasons == []
    assert log.calls == [[{"name": "set_light", "arguments": ARGUMENTS}]]
    (trace,) = log.traces
    assert (trace.request, trace.text) == (USER, "I will.")


@pytest.mark.parametrize("name", SET_ASIDE)
def test_a_stream_that_lacks_a_part_is_set_aside(name):
    record, reason = SET_ASIDE[name]
    log = read_log(record)
    assert (log.traces, log.reasons) == ([], [reason])
