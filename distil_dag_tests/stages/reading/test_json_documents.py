"""Documents of many records: each is read as it stands, and a broken one is lost alone."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distil_dag.stages.reading.json_documents import read_document
from distil_dag.stages.reading.strict_values import MAX_RECORD_BYTES

TURN = {"role": "user", "content": 'a [b] "{\\'}
RECORD = {"messages": [TURN]}


def read(text, chunk=2**16):
    """(value or the problem's reason) of every record, read in chunks of at most so many bytes."""
    file = io.BytesIO(text if isinstance(text, bytes) else text.encode())
    elements = list(read_document(lambda most: file.read(min(most, chunk))))
    assert [element.number for element in elements] == list(range(1, len(elements) + 1))
    return [element.problem.reason if element.problem else element.value for element in elements]


leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
values = st.recursive(
    leaves, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(), one, max_size=3)
)
records = st.lists(st.fixed_dictionaries({"question": st.text(), "answer": values}), max_size=6)


@settings(deadline=None)
@given(records, st.sampled_from([None, 1]), st.integers(1, 40), st.booleans())
def test_a_list_is_read_as_json_reads_it_whatever_the_chunks(found, indent, chunk, ascii_only):
    text = json.dumps(found, indent=indent, ensure_ascii=ascii_only)
    assert read(text.encode(errors="surrogatepass"), chunk) == found
    around = json.dumps({"object": "list", "data": found, "more": {"data": 1}}, indent=indent)
    assert read(around, chunk) == (found or [json.loads(around)])
    behind = "\n".join(json.dumps(one, indent=2) for one in found)
    assert read("\ufeff" + behind, chunk) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[{"a": 1}, {"b": , }, {"c": 3}]', [{"a": 1}, "broken JSON", {"c": 3}]),
        ('[\n {"a": 1},\n {"b": [1,\n {"c": 3}\n]', [{"a": 1}, "broken JSON", {"c": 3}]),
        ('[\n {"a": 1},\n {"b": "x,\n {"c": 3}\n]', [{"a": 1}, "broken JSON", {"c": 3}]),
        ('{"a": 1}\n{"b": \n{"c": 3}', [{"a": 1}, "broken JSON", {"c": 3}]),
        ('{"data": [{"a": 1}, {"b": }, {"c": 1}]}', [{"a": 1}, "broken JSON", {"c": 1}]),
        ('[{"a": NaN}, {"c": 3}]', ["number that JSON does not have", {"c": 3}]),
        ('[{"a": 1}, {"b": 2', [{"a": 1}, "the file breaks off", "the file breaks off"]),
        ('[{"a": 1}, {"b": 2}', [{"a": 1}, {"b": 2}, "the file breaks off"]),
        ('{"runs": [{"a": 1}, {"b": 2', [{"a": 1}, "the file breaks off", "the file breaks off"]),
        ("[]", []),
        ("", []),
        ('[1, "x"]', [1, "x"]),
        ('{"unknown": {"a": 1}}', [{"unknown": {"a": 1}}]),
        (b'[{"a": "\xff"}, {"c": 3}]', ["not UTF-8 text", {"c": 3}]),
    ],
)
def test_a_broken_record_is_lost_alone(text, found):
    assert read(text) == found
    assert read(text, 3) == found


@pytest.mark.parametrize(
    "key", ["data", "traces", "runs", "rows", "items", "records", "conversations", "results"]
)
def test_lists_in_an_object_are_found_by_their_key(key):
    assert read(json.dumps({"meta": {}, key: [RECORD, RECORD]})) == [RECORD, RECORD]


def test_lists_in_an_object_are_found_by_what_they_hold():
    assert read(json.dumps({"my_log": [RECORD]})) == [RECORD]
    assert read(json.dumps({"hits": {"hits": [{"_id": 1, "_source": RECORD}]}})) == [RECORD]
    assert read(json.dumps({"rows": [{"row_idx": 0, "row": RECORD}]})) == [RECORD]
    shared = {"conversations": [{"from": "human", "value": "x"}]}
    assert read(json.dumps(shared, indent=1)) == [shared]
    assert (
        read(
            json.dumps({"response": {"choices": [{"message": TURN}]}, "request": RECORD, "items": [RECORD]})
        )[1:]
        == []
    )


def test_a_list_of_turns_is_one_conversation():
    assert read(json.dumps([TURN, TURN])) == [{"messages": [TURN, TURN]}]
    assert read(json.dumps([[TURN], [TURN]])) == [RECORD, RECORD]


def test_long_documents_are_read_in_bounded_memory_and_long_records_are_passed_over():
    long = {"question": "x" * (2 * MAX_RECORD_BYTES), "items": ["y" * (2 * MAX_RECORD_BYTES)]}
    assert read(json.dumps({"meta": long, "data": [RECORD, long, RECORD]})) == [
        RECORD,
        "larger than 1 MiB",
        RECORD,
    ]
    lines = ",\n".join([json.dumps(RECORD, indent=1)] * 20_000)
    assert read('{"data": [\n' + lines + "\n]}") == [RECORD] * 20_000
    assert read(json.dumps([RECORD, long, RECORD])) == [RECORD, "larger than 1 MiB", RECORD]

    parts = iter([b'{"data": [', *[json.dumps(RECORD).encode() + b","] * 200_000, b"{}]}"])
    peak = 0
    import tracemalloc

    tracemalloc.start()
    count = 0
    for _ in read_document(lambda most: b"".join(part for part, _ in zip(parts, range(200), strict=False))):
        count += 1
        if count % 20_000 == 0:
            peak = max(peak, tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert count >= 199_000
    assert peak < 12 * 2**20
