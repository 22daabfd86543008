"""What is read in one go is what all rules would give; a record that needs a rule is left to them."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distil_dag.core.toolset import Toolset
from distil_dag.stages.reading import records
from distil_dag.stages.reading.records import RecordReader
from distil_dag.stages.reading.records_in import records_in
from distil_dag_tests.paths import ROOT

CASES = ROOT / "distil_dag_tests" / "public_cases"
TOOLS = Toolset.from_openai(json.loads((CASES / "tools.json").read_text())["tools"])
CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "water_bed", "arguments": '{"bed": "rose", "minutes": 7}'},
}
PLAIN = {
    "id": "a",
    "request": {
        "model": "asked",
        "messages": [
            {"role": "system", "content": 'You "water"\nbeds. \u00e9'},
            {"role": "user", "content": "Water the rose bed"},
        ],
    },
    "response": {
        "model": "m-1",
        "choices": [
            {
                "index": 0,
                "finish_reason": "tool_calls",
                "message": {"role": "assistant", "content": None, "tool_calls": [CALL]},
            }
        ],
    },
    "latency_ms": 12.5,
}


def changed(**changes):
    """The plain record with values at places such as `response.choices.0.finish_reason`."""
    record = copy.deepcopy(PLAIN)
    for place, value in changes.items():
        *path, last = place.split("__")
        holder = record
        for name in path:
            holder = holder[int(name) if name.isdecimal() else name]
        holder[int(last) if last.isdecimal() else last] = value
    return record


CALLS = "response__choices__0__message__tool_calls"
ARGUMENTS = f"{CALLS}__0__function__arguments"
USER = "request__messages__1__content"
VARIANTS = [
    {},
    {"request": json.dumps(PLAIN["request"])},
    {"response": json.dumps(PLAIN["response"])},
    {"response": '{"model": NaN}'},
    {"response": "{"},
    {"response": None},
    {"request": None},
    {"request": {}},
    {"response__error": {"code": 1}},
    {"response__choices": []},
    {"response__choices__0__message": None},
    {"response__choices__0__finish_reason": "length"},
    {"response__choices__0__finish_reason": "stop"},
    {"response__choices__0__stop_reason": "max_tokens"},
    {"response__stop_reason": "length"},
    {"finish_reason": "content_filter"},
    {"finish_reason": None},
    {"request__max_tokens": 5},
    {"request__max_tokens": 5, "response__usage": {"completion_tokens": 5}},
    {"request__system": "More."},
    {"request__body": {"messages": []}},
    {"response__model": 7},
    {"response__model": "m\x00"},
    {"response__model": "x" * 300},
    {"response__choices__0__message__content": "Fine."},
    {"response__choices__0__message__content": ""},
    {"response__choices__0__message__content": 0},
    {"response__choices__0__message__content": []},
    {"response__choices__0__message__refusal": "No."},
    {"response__choices__0__message__refusal": 0},
    {"response__choices__0__message__role": "user"},
    {"response__choices__0__message__role": None},
    {"response__choices__0__message__parsed": {"a": 1}},
    {"response__choices__0__message__function_call": {"name": "list_beds", "arguments": "{}"}},
    {CALLS: []},
    {CALLS: None},
    {CALLS: [CALL, CALL]},
    {CALLS: [CALL, 1]},
    {CALLS: json.dumps([CALL])},
    {f"{CALLS}__0__name": "other"},
    {f"{CALLS}__0__index": 3},
    {f"{CALLS}__0__function__extra": 1},
    {f"{CALLS}__0__function__name": ""},
    {f"{CALLS}__0__function__name": "no_such_tool"},
    {ARGUMENTS: ""},
    {ARGUMENTS: "{}"},
    {ARGUMENTS: "[]"},
    {ARGUMENTS: "{"},
    {ARGUMENTS: '{"bed": NaN}'},
    {ARGUMENTS: '{"bed": "a\nb"}'},
    {ARGUMENTS: '{"bed": "rose", "minutes": 7.0}'},
    {ARGUMENTS: '{"bed": ["rose", {"a": null}], "minutes": true}'},
    {ARGUMENTS: '{"bed": null, "minutes": true}'},
    {ARGUMENTS: '{"bed": "[redacted]"}'},
    {ARGUMENTS: '{"bed": "b@example.com"}'},
    {ARGUMENTS: '{"bed": "\\u0007"}'},
    {ARGUMENTS: '{"minutes": 4915112345678}'},
    {ARGUMENTS: '{"minutes": 123456789012345678901234567890}'},
    {ARGUMENTS: '{"bed": "a \\"quoted\\" one\\t\\u2028"}'},
    {ARGUMENTS: '{"a": 1, "a": 2}'},
    {ARGUMENTS: {"bed": "rose"}},
    {USER: ""},
    {USER: "  "},
    {USER: None},
    {USER: "Mail b@example.com"},
    {USER: "Call +49 89 1234567"},
    {USER: "Call +49 89 1234567", ARGUMENTS: '{"bed": "+49 (89) 123 45 67", "minutes": 49891234567}'},
    {
        USER: "Mail b@example.com",
        ARGUMENTS: '{"b@example.com": "B at Example.com", "minutes": "b@example.com"}',
    },
    {USER: "Mail b@example.com and <EMAIL_1>", "response__model": "b@example.com"},
    {USER: " ".join(f"u{number}@example.com" for number in range(400))},
    {USER: "redacted"},
    {USER: "***"},
    {USER: "half \ud800"},
    {USER: "bell \x07"},
    {USER: "tab\tand line\n"},
    {USER: "<think>"},
    {USER: "x" * 300},
    {USER: "[Scrubbed due to 'x'] " + "x" * 300},
    {USER: "x" * 30_000},
    {USER: "word " * 100 + "b@example.com"},
    {USER: [{"type": "text", "text": "Water"}]},
    {"request__messages__1__name": "bob"},
    {"request__messages__1__role": "developer"},
    {"request__messages__1__role": "assistant"},
    {"request__messages__1__role": "system"},
    {"request__messages": []},
    {"request__messages": [1]},
    {"request__messages": PLAIN["request"]["messages"] * 120},
    {"latency_ms": None},
    {"latency_ms": "8"},
    {"latency_ms": float("nan")},
    {"messages": [], "question": "x"},
    {"trace_id": "t", "attributes": {}},
    {"input": "x", "output": "y"},
]


def same_without_it(record, monkeypatch, record_format="auto", time="2026-11-20T10:00:00.5+01:00"):
    """The reading, after it is compared with what all rules give."""
    found = RecordReader(TOOLS, record_format).read(record, "id", time)
    with monkeypatch.context() as patch:
        patch.setattr(records, "plain_parts", lambda record: None)
        expected = RecordReader(TOOLS, record_format).read(record, "id", time)
    assert found.traces == expected.traces
    assert str(found.problem) == str(expected.problem)
    assert (found.redacted, found.by_order, found.is_no_answer, found.is_recorded) == expected[2:6]
    if found.plain:
        assert found.plain.values() == tuple(expected.complete[0].row().values())
    return found


@pytest.mark.parametrize("changes", VARIANTS, ids=[str(number) for number in range(len(VARIANTS))])
def test_a_variant_of_a_plain_record_is_read_as_by_all_rules(changes, monkeypatch):
    for record_format in ("auto", "openai_chat", "messages"):
        same_without_it(changed(**changes), monkeypatch, record_format)
    same_without_it(changed(**changes), monkeypatch, time=None)


def test_most_variants_are_not_plain_and_some_are(monkeypatch):
    plain = [bool(same_without_it(changed(**changes), monkeypatch).plain) for changes in VARIANTS]
    assert plain[0]
    assert 15 < sum(plain) < len(plain) / 2


def test_samples_of_recorders_and_public_cases_are_read_as_by_all_rules(monkeypatch):
    folders = (ROOT / "distil_dag_tests" / name for name in ("trace_samples", "public_cases"))
    plain = 0
    for path in (path for folder in folders for path in sorted(folder.glob("*.jsonl"))):
        for line in path.read_text().splitlines():
            for record in records_in(json.loads(line)):
                plain += bool(same_without_it(record, monkeypatch).plain)
    assert plain > 0


WORDS = st.one_of(
    st.sampled_from(
        [
            "Water the rose bed", "mail b@example.com", "B AT example.com", "call +49 89 1234567", "***",
            "089 1234567", "[redacted]", "<EMAIL_1>", "4111 1111 1111 1111", "it's 10.0.0.1", "", " ",
            "[Scrubbed due to 'x'] and more words", "sk-" + "a1" * 20, "long words " * 30, "rose", "\x07",
        ]
    ),
    st.text(max_size=30),
)  # fmt: skip
TEXTS = st.lists(WORDS, min_size=1, max_size=3).map(" and ".join)
VALUES = st.one_of(
    TEXTS, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False), st.lists(TEXTS)
)
NAMES = st.one_of(st.sampled_from(["bed", "minutes", "b@example.com"]), TEXTS)
CALLS_MADE = st.builds(
    lambda name, arguments: {"type": "function", "function": {"name": name, "arguments": arguments}},
    st.one_of(st.just("water_bed"), TEXTS),
    st.dictionaries(NAMES, VALUES, max_size=3).map(json.dumps),
)
MESSAGES = st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "user"]), "content": TEXTS})
RECORDS = st.builds(
    lambda messages, calls, model, content, as_text: {
        "request": (as_text or dict)({"messages": messages}),
        "response": (as_text or dict)(
            {"model": model, "choices": [{"message": {"content": content, "tool_calls": calls}}]}
        ),
    },
    st.lists(MESSAGES, min_size=1, max_size=4),
    st.lists(CALLS_MADE, min_size=1, max_size=2),
    TEXTS,
    st.sampled_from([None, None, "", "Fine."]),
    st.sampled_from([json.dumps, None]),
)


@settings(max_examples=300, deadline=None)
@given(RECORDS)
def test_any_record_of_this_form_is_read_as_by_all_rules(record):
    same_without_it(record, pytest.MonkeyPatch())


def test_personal_data_of_a_plain_record_is_replaced(monkeypatch):
    found = same_without_it(
        changed(**{USER: "Mail b@example.com", ARGUMENTS: '{"bed": "b@example.com"}'}), monkeypatch
    )
    assert found.plain
    assert found.redacted == {"EMAIL": 1}
    assert found.plain.calls[0].arguments == {"bed": "<EMAIL_1>"}
