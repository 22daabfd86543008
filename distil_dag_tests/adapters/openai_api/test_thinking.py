"""Models that think, by answers as servers give them: thoughts are cut, and a lack of room is made good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from distil_dag.adapters.openai_api.chat import EndpointChat
from distil_dag.adapters.openai_api.endpoint import Patience
from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.case import Message
from distil_dag.core.settings import ModelSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.stages.ports import Prompt
from distil_dag_tests.adapters.openai_api.faulty_server import Answer, Server, completion

HURRIED = Patience(known=1.0, unknown=1.0, shortest_wait=0.01, longest_wait=0.1)
TOOLS = ({"type": "function", "function": {"name": "light_on", "parameters": {"type": "object"}}},)
CALL = {"id": "c", "type": "function", "function": {"name": "light_on", "arguments": '{"room": "hall"}'}}
# Words of vLLM 0.32.
NO_PARSER = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
NO_TEMPLATE = "chat_template is not supported for Mistral tokenizers."
TOO_LONG = "This model's maximum context length is 512 tokens."


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(answer: Answer, owner: str = "vllm") -> Server:
        servers.append(Server(answer, owner))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def chat(server: Server, **settings: Any) -> EndpointChat:
    return EndpointChat(
        ModelSpec(mode="attached", model="big", base_url=server.url, timeout_seconds=5, **settings), HURRIED
    )


def ask(words: str = "hello", **options: Any) -> Prompt:
    return Prompt((Message(role="user", content=words),), **options)


def refusal(message: str) -> tuple[int, Any]:
    return 400, {"error": {"message": message, "type": "BadRequestError", "code": 400}}


def counted(body: dict[str, Any], tokens: int) -> dict[str, Any]:
    body["usage"] = {"prompt_tokens": 5, "completion_tokens": tokens, "total_tokens": 5 + tokens}
    return body


@pytest.mark.parametrize("owner", ["vllm", "a-gateway"])
def test_a_vllm_without_a_parser_of_calls_takes_tools_and_calls_come_as_text(serve: Any, owner: str) -> None:
    def answer(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if body.get("tools") and body.get("tool_choice") != "none":
            return refusal(NO_PARSER)
        return 200, completion('<tool_call>{"name": "light_on", "arguments": {"room": "hall"}}</tool_call>')

    server = serve(answer, owner)
    replies = chat(server, max_in_flight=1).generate([ask(str(n), tools=TOOLS) for n in range(3)])
    assert [reply.finish for reply in replies] == ["stop"] * 3
    assert parse_answer(replies[0].text).calls == (ToolCall(name="light_on", arguments={"room": "hall"}),)
    assert len(server.requests) == 4  # the refusal is met once
    assert all(body["tools"] for _, body, _ in server.requests)


def test_a_vllm_with_a_parser_of_calls_is_let_parse(serve: Any) -> None:
    server = serve(lambda *_: (200, completion(None, "tool_calls", tool_calls=[CALL])))
    (reply,) = chat(server).generate([ask(tools=TOOLS)])
    assert (reply.finish, parse_answer(reply.text).calls[0].name) == ("stop", "light_on")
    assert "tool_choice" not in server.requests[0][1]


def test_a_call_that_the_server_dropped_is_no_answer_without_calls(serve: Any) -> None:
    """gpt-oss on a vLLM without its parser: thoughts, and neither words nor a call."""
    dropped = counted(completion(None, reasoning="The user wants light. Call light_on."), 40)
    (reply,) = chat(serve(lambda *_: (200, dropped))).generate([ask(tools=TOOLS)])
    assert reply.finish == "error"
    assert "--tool-call-parser" in reply.error


@pytest.mark.parametrize(("tokens", "finish"), [(128, "length"), (60, "stop")])
def test_a_whole_call_hides_no_cut_behind_it(serve: Any, tokens: int, finish: str) -> None:
    body = counted(completion(None, "tool_calls", tool_calls=[CALL]), tokens)
    (reply,) = chat(serve(lambda *_: (200, body))).generate([ask(tools=TOOLS)])
    assert reply.finish == finish


@pytest.mark.parametrize(
    ("settings", "switch"), [({}, False), ({"thinking": "off"}, False), ({"thinking": "on"}, True)]
)
def test_thinking_is_switched_in_the_template(serve: Any, settings: dict[str, Any], switch: bool) -> None:
    server = serve(lambda *_: (200, completion("hi")))
    chat(server, **settings).generate([ask()])
    body = server.requests[0][1]
    assert body["chat_template_kwargs"] == {"enable_thinking": switch, "thinking": switch}
    assert body["max_tokens"] == (128 + 4096 if switch else 128)


def test_a_server_without_templates_is_asked_without_the_switch(serve: Any) -> None:
    server = serve(
        lambda _, body: refusal(NO_TEMPLATE) if "chat_template_kwargs" in body else (200, completion("hi"))
    )
    assert [r.text for r in chat(server, max_in_flight=1).generate([ask("a"), ask("b")])] == ["hi", "hi"]
    assert len(server.requests) == 3


THINKING = {
    "gpt-oss on vLLM": completion(None, "length", reasoning="We need to", reasoning_content=None),
    "DeepSeek's service": completion("", "length", reasoning_content="First, the user"),
    "Qwen3 without a reasoning parser": completion("<think>\nOkay, the user", "length"),
    "stopped within thoughts": completion("<think>", "stop"),
    "harmony as text": completion("<|channel|>analysis<|message|>We need", "length"),
}
ANSWERED = {
    "gpt-oss on vLLM": completion("turn it on\nmore", reasoning="We need to wait."),
    "DeepSeek's service": completion("turn it on\nmore", reasoning_content="First, the user\nwants."),
    "Qwen3 without a reasoning parser": completion("<think>\nOkay.\n</think>\n\nturn it on\nmore"),
    "stopped within thoughts": completion("<think>\nOkay.\n</think>\n\nturn it on\nmore"),
    "harmony as text": completion(
        "<|channel|>analysis<|message|>We need<|end|><|start|>assistant<|channel|>final<|message|>"
        "turn it on\nmore<|return|>"
    ),
}


@pytest.mark.parametrize("shape", THINKING)
def test_thoughts_get_room_once_they_are_seen_and_are_no_answer(serve: Any, shape: str) -> None:
    server = serve(lambda _, body: (200, (THINKING if body["max_tokens"] == 40 else ANSWERED)[shape]))
    model = chat(server, max_in_flight=1, thinking_tokens=500)
    replies = model.generate([ask(word, max_tokens=40, stop=("\n",)) for word in "ab"])
    assert [(reply.text, reply.finish) for reply in replies] == [("turn it on", "stop")] * 2
    assert [body["max_tokens"] for _, body, _ in server.requests] == [40, 540, 540]
    assert "stop" not in server.requests[1][1]
    assert (replies[0].prompt_tokens, replies[0].completion_tokens) == (10, 4)  # of both tries


def test_the_room_for_thoughts_has_an_end_and_the_answer_is_cut(serve: Any) -> None:
    server = serve(lambda *_: (200, completion("<think>\nOkay, wait", "length")))
    (reply,) = chat(server, thinking_tokens=100).generate([ask(max_tokens=40)])
    assert (reply.text, reply.finish) == ("", "length")
    assert [body["max_tokens"] for _, body, _ in server.requests] == [40, 140, 440]


def test_a_context_without_room_leaves_what_was_said(serve: Any) -> None:
    server = serve(
        lambda _, body: (
            refusal(TOO_LONG)
            if body["max_tokens"] > 500
            else (200, completion(None, "length", reasoning="We"))
        )
    )
    replies = chat(server, max_in_flight=1).generate([ask("a"), ask("b")])
    assert [(reply.text, reply.finish) for reply in replies] == [("", "length")] * 2


def test_a_cut_answer_without_thoughts_is_asked_for_once(serve: Any) -> None:
    server = serve(lambda *_: (200, completion("a long story", "length")))
    (reply,) = chat(server).generate([ask()])
    asked = [path for path, _, _ in server.requests]
    assert (reply.finish, asked) == ("length", ["/v1/chat/completions", "/tokenize"])


def test_a_filtered_answer_is_called_that(serve: Any) -> None:
    (reply,) = chat(serve(lambda *_: (200, completion("half a", "content_filter")))).generate([ask()])
    assert (reply.finish, reply.text) == ("error", "")
    assert "filter" in reply.error


def test_other_thoughts_are_other_replies(serve: Any) -> None:
    server = serve(lambda *_: (200, completion("hi")))
    known = {chat(server, **more).identity for more in ({}, {"thinking": "on"}, {"thinking_tokens": 9})}
    assert len(known) == 3


OPENED = {
    "count": 3,
    "max_model_len": 512,
    "tokens": [1, 2, 3],
    "token_strs": ["<|im_start|>", "<think>", "Ċ"],
}
ROOM = {40: completion("We look at the words", "length"), 540: completion("Yes.\n</think>\n\nturn it on")}


def test_an_answer_is_asked_again_where_the_template_opens_thoughts_and_no_tag_tells(serve: Any) -> None:
    """A server without a reasoning parser, whose template ends in `<think>`."""
    server = serve(lambda path, body: (200, OPENED if path == "/tokenize" else ROOM[body["max_tokens"]]))
    replies = chat(server, max_in_flight=1, thinking_tokens=500).generate(
        [ask(word, max_tokens=40) for word in "ab"]
    )
    assert [(reply.text, reply.finish) for reply in replies] == [("turn it on", "stop")] * 2
    assert [body.get("max_tokens") for _, body, _ in server.requests] == [40, None, 540, 540]
    assert server.requests[1][1]["chat_template_kwargs"] == {"enable_thinking": False, "thinking": False}


@pytest.mark.parametrize("tokens", [(200, OPENED | {"token_strs": ["assistant", "Ċ"]}), refusal("no such")])
def test_a_cut_answer_stays_one_where_the_template_opens_no_thoughts(serve: Any, tokens: Any) -> None:
    server = serve(lambda path, body: tokens if path == "/tokenize" else (200, ROOM[40]))
    replies = chat(server, max_in_flight=1).generate([ask(word, max_tokens=40) for word in "ab"])
    assert {(reply.text, reply.finish) for reply in replies} == {("We look at the words", "length")}
    assert len(server.requests) == 3  # it is found out once


@pytest.mark.parametrize("refuses", [False, True])
def test_given_texts_are_scored_behind_prompts_without_thoughts(serve: Any, refuses: bool) -> None:
    """A template that is told nothing may open thoughts; the tokens that close them are no part of a text."""
    logprobs = [None, *({str(token): {"logprob": -0.5}} for token in (2, 3))]

    def answer(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if path != "/tokenize":
            return 200, {"choices": [{"prompt_logprobs": logprobs}]}
        if "chat_template_kwargs" in body and refuses:
            return refusal(NO_TEMPLATE)
        return 200, {"tokens": [1, 2, 3] if len(body["messages"]) > 1 else [1], "max_model_len": 512}

    server = serve(answer)
    (score,) = chat(server).score([(ask(), "yes")])
    assert (score.logprob, score.tokens) == (-1.0, 2)
    told = [body.get("chat_template_kwargs") for path, body, _ in server.requests if path == "/tokenize"]
    off = {"enable_thinking": False, "thinking": False}
    assert told == ([off, None, None, None] if refuses else [off] * 3)
