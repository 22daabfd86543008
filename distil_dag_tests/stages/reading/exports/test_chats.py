"""Chats as Open WebUI and LibreChat export them, and those of applications without tools."""

import json

import pytest

from distil_dag_tests.stages.reading.recorders.samples import read_log

USER, NEXT = "Set the den light to 40 percent.", "And the hall to 10."
DEN, HALL = {"room": "den", "level": 40}, {"room": "hall", "level": 10}
QUOTED = "&quot;{\\&quot;room\\&quot;: \\&quot;den\\&quot;, \\&quot;level\\&quot;: 40}&quot;"


def details(arguments=QUOTED, name="set_light"):
    return (
        f'<details type="tool_calls" done="true" id="c" name="{name}" arguments="{arguments}" '
        'result="&quot;ok&quot;" files="">\n<summary>Tool Executed</summary>\n</details>\nDone.'
    )


def open_webui(answer, **more):
    turns = [
        {"id": "1", "parentId": None, "role": "user", "content": USER},
        {"id": "x", "parentId": "1", "role": "assistant", "content": "Another branch."},
        {"id": "2", "parentId": "1", "role": "assistant", "content": answer, **more},
        {"id": "3", "parentId": "2", "role": "user", "content": NEXT},
        {"id": "4", "parentId": "3", "role": "assistant", "content": "I can't.", "done": True},
    ]
    history = {"messages": {turn["id"]: turn for turn in turns}, "currentId": "4"}
    return {"id": "i", "title": "t", "chat": {"title": "t", "history": history, "messages": turns}}


def libre_chat(*answers, **more):
    messages, before = [], "0"
    for number, (words, parts) in enumerate(zip((USER, NEXT), answers, strict=True)):
        for is_user, held in ((True, {"text": words}), (False, {"text": "", "content": parts})):
            identity = f"{number}{is_user}"
            messages.append(
                {"messageId": identity, "parentMessageId": before, "isCreatedByUser": is_user, **held}
            )
            before = identity
    return {"conversationId": "c", "recursive": False, "messages": messages, **more}


def called(arguments):
    call = {
        "id": "c",
        "type": "tool_call",
        "name": "set_light",
        "args": json.dumps(arguments),
        "output": "ok",
    }
    return [{"type": "tool_call", "tool_call": call}, {"type": "text", "text": "Done."}]


def test_open_webui_along_the_open_branch():
    log = read_log([open_webui(details())])
    assert log.reasons == []
    assert log.calls == [[{"name": "set_light", "arguments": DEN}], []]
    roles = [turn.role for turn in log.traces[1].messages]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]


def test_libre_chat():
    log = read_log(libre_chat(called(DEN), called(HALL)))
    assert log.reasons == []
    assert log.calls == [[{"name": "set_light", "arguments": one}] for one in (DEN, HALL)]


SET_ASIDE = {
    "Open WebUI, broken arguments": (open_webui(details("&quot;{")), "broken JSON"),
    "Open WebUI, a call without a name": (open_webui(details(name="")), "unreadable call"),
    "Open WebUI, a failed answer": (open_webui("", error={"content": "x"}), "failed answer"),
    "LibreChat, branches in a tree": (
        libre_chat([], [], messages=None, messagesTree=[{}]),
        "a chat with branches",
    ),
    "ChatGPT": ({"title": "t", "mapping": {"a": {}}, "current_node": "a"}, "an export of ChatGPT"),
    "Claude": ({"uuid": "u", "chat_messages": [{"sender": "human", "text": USER}]}, "an export of Claude"),
}


@pytest.mark.parametrize("name", SET_ASIDE)
def test_what_is_not_read_is_named(name):
    record, reason = SET_ASIDE[name]
    log = read_log(record)
    assert (log.traces, log.reasons) == ([], [reason])


def test_branches_of_libre_chat_in_a_list():
    chat = libre_chat(called(DEN), called(HALL))
    chat["messages"][3]["parentMessageId"] = chat["messages"][0]["messageId"]
    assert read_log(chat).reasons == ["a chat with branches"]


def test_a_call_of_open_webui_outside_its_export_is_no_answer_without_calls():
    log = read_log(
        {"messages": [{"role": "user", "content": USER}, {"role": "assistant", "content": details()}]}
    )
    assert (log.traces, log.reasons) == ([], ["a call in a form that is not read"])
