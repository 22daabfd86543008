"""ClickHouse over HTTP: what is asked, by a stand-in; what it gives, by the real engine where `chdb` is."""

import json
import threading
from contextlib import contextmanager

import pytest

from distil_dag.adapters.system.environment import SourceError, SourceUnavailable
from distil_dag_tests.adapters.logs.aggregators.logged import call, read
from distil_dag_tests.adapters.logs.apis.stand_in import Answer, StandIn

HOUR = "t.20261130T110000Z_20261130T100000Z"
NEXT = "t.20261130T120000Z_20261130T110000Z"
LOCK = threading.Lock()


def source(service, **settings):
    return {"kind": "clickhouse", "url": service.url, "table": "log", "password": None, **settings}


@pytest.fixture(scope="module")
def engine():
    """The engine of ClickHouse in this process; its package is too large for every developer."""
    session = pytest.importorskip("chdb.session").Session()
    yield session
    session.close()


@contextmanager
def clickhouse(engine, written=lambda: None):
    """A stand-in of the HTTP interface, which runs the SQL that it is given."""

    def answer(asked):
        assert (asked.method, asked.path) == ("GET", "/")
        values = {name[6:]: value for name, value in asked.params.items() if name.startswith("param_")}
        try:
            with LOCK:
                found = engine.query(asked.params["query"], params=values).bytes() or b""
                written()
        except RuntimeError as error:
            return Answer(str(error).encode(), 404, {"X-ClickHouse-Exception-Code": "60"})
        return Answer(found)

    with StandIn(answer) as service:
        yield service


def table(engine, time_type, rows, name="log", more=""):
    """A table of calls; `rows` are (time as SQL, id, number)."""
    engine.query(f"DROP TABLE IF EXISTS `{name}`")
    engine.query(
        f"CREATE TABLE `{name}` (timestamp {time_type}, id String, request String, response String{more})"
        " ENGINE = MergeTree ORDER BY tuple()"
    )
    for time, key, number in rows:
        insert(engine, time, key, number, name)


def insert(engine, time, key, number, name="log"):
    texts = [
        json.dumps(call(number)[part]).replace("\\", "\\\\").replace("'", "\\'")
        for part in ("request", "response")
    ]
    values = f"({time}, '{key}', '{texts[0]}', '{texts[1]}')"
    engine.query(f"INSERT INTO `{name}` (timestamp, id, request, response) VALUES {values}")


def at(time, digits=3):
    return f"toDateTime64('2026-11-30 {time}', {digits}, 'UTC')"


@pytest.mark.parametrize("page_records", [1, 3, 1000])
@pytest.mark.parametrize("id_column", [None, "id"])
def test_pages_neither_lose_nor_double_rows_of_one_time(engine, page_records, id_column):
    # Two rows share time and id too.
    rows = [(at(f"10:0{number // 4}:00.5"), f"i{min(number, 8)}", number) for number in range(10)]
    table(engine, "DateTime64(3, 'America/New_York')", rows)
    with clickhouse(engine) as service:
        found = read(source(service, page_records=page_records, id_column=id_column), HOUR)
        again = read(source(service, page_records=1000, id_column=id_column), HOUR)
    assert [row["reason"] for row in found.quarantine] == ["duplicate id"]
    assert len(found.numbers) == 9
    assert found.traces == again.traces
    assert found.traces[0]["time"] == "2026-11-30T10:00:00.500000Z"


@pytest.mark.parametrize(
    ("time_type", "written"),
    [
        ("DateTime64(9, 'America/New_York')", lambda time: at(time, 9)),
        ("Nullable(DateTime64(3))", at),
        ("DateTime('Asia/Kolkata')", lambda time: f"toDateTime({at(time)})"),
        ("UInt64", lambda time: f"toUnixTimestamp64Nano({at(time, 9)})"),
        ("Int64", lambda time: f"toUnixTimestamp64Milli({at(time)})"),
        ("UInt32", lambda time: f"toUnixTimestamp({at(time)})"),
        ("Float64", lambda time: f"toUnixTimestamp64Milli({at(time)}) / 1000"),
        ("String", lambda time: f"'2026-11-30T{time}Z'"),
        ("LowCardinality(String)", lambda time: f"'2026-11-30 {time}'"),
    ],
)
@pytest.mark.parametrize("page_records", [1, 1000])
def test_windows_are_complete_and_disjoint_by_times_of_any_type(engine, time_type, written, page_records):
    times = ("09:59:59", "10:00:00", "10:30:00", "10:59:59", "11:00:00", "11:59:59")
    table(engine, time_type, [(written(time), f"i{number}", number) for number, time in enumerate(times)])
    with clickhouse(engine) as service:
        settings = {"page_records": page_records, "id_column": "id"}
        assert read(source(service, **settings), HOUR).numbers == [1, 2, 3]
        assert read(source(service, **settings), NEXT).numbers == [4, 5]
        assert read(source(service, **settings)).numbers == [0, 1, 2, 3, 4, 5]


def test_rows_without_a_time_are_told_in_a_window_and_read_in_the_whole_log(engine):
    table(engine, "Nullable(DateTime64(3))", [("NULL", "a", 1), (at("10:00:00"), "b", 2), ("NULL", "c", 3)])
    with clickhouse(engine) as service:
        whole = read(source(service, id_column="id", page_records=1))
        window = read(source(service, id_column="id", page_records=1), HOUR)
    assert sorted(whole.numbers) == [1, 2, 3]
    assert window.numbers == [2]
    assert [row["reason"] for row in window.quarantine] == ["no time"] * 2


def test_the_hour_that_comes_twice_is_read_once(engine):
    rows = [(f"toDateTime64('2026-10-25 0{hour}:30:00', 3, 'UTC')", f"i{hour}", hour) for hour in range(4)]
    table(engine, "DateTime64(3, 'Europe/Berlin')", rows)
    with clickhouse(engine) as service:
        settings = {"page_records": 1, "id_column": "id"}
        assert read(source(service, **settings)).numbers == [0, 1, 2, 3]
        assert read(source(service, **settings), "t.20261025T010000Z_20261025T000000Z").numbers == [0]


def test_rows_that_are_written_while_pages_are_read_lose_and_double_none(engine):
    table(engine, "DateTime64(3)", [(at(f"10:0{number}:00"), f"i{number}", number) for number in range(5)])
    more = iter(range(5, 12))

    def written():
        if (number := next(more, None)) is not None:
            insert(engine, at("10:01:00" if number % 2 else "10:04:00"), f"i{number}", number)

    with clickhouse(engine, written) as service:
        numbers = read(source(service, page_records=2, id_column="id"), HOUR).numbers
    assert set(range(5)) <= set(numbers)
    assert len(numbers) == len(set(numbers))


def test_no_name_and_no_value_becomes_sql(engine):
    name = "we`ird'; DROP TABLE log --"
    table(engine, "DateTime64(3)", [])
    quoted = name.replace("`", "\\`")
    ids = ["a\\b", "a\tb", "a'b", "a\\nb"]
    table(engine, "DateTime64(3)", [], quoted)
    for number, key in enumerate(ids):
        insert(engine, at("10:00:00"), key.replace("\\", "\\\\").replace("'", "\\'"), number, quoted)
    engine.query(f"ALTER TABLE `{quoted}` RENAME COLUMN timestamp TO `ti``me`")
    with clickhouse(engine) as service:
        found = read(source(service, table=name, time_column="ti`me", id_column="id", page_records=1), HOUR)
        assert read(source(service)).quarantine == []
    assert sorted(found.numbers) == [0, 1, 2, 3]
    assert not any(name in asked.params["query"] or "a'b" in asked.params["query"] for asked in service.asked)


def test_a_query_may_stand_in_place_of_a_table(engine):
    table(engine, "DateTime64(3)", [(at("10:00:00"), "a", 1), (at("10:00:01"), "b", 2)])
    query = "SELECT timestamp AS t, request AS prompt, response FROM log WHERE id = 'b';"
    with clickhouse(engine) as service:
        settings = {"table": None, "query": query, "time_column": "t", "columns": {"request": "prompt"}}
        assert read(source(service, **settings), HOUR).numbers == [2]


def test_text_in_a_column_is_unwrapped_and_keeps_the_rows_id(engine):
    engine.query("DROP TABLE IF EXISTS lines")
    engine.query(
        "CREATE TABLE lines (at DateTime64(3), uid UInt64, body String) ENGINE = MergeTree ORDER BY at"
    )
    for number, text in enumerate((json.dumps(call(1)), "started", json.dumps(call(2))[:-9])):
        escaped = text.replace("\\", "\\\\").replace("'", "\\'")
        engine.query(f"INSERT INTO lines VALUES ({at('10:00:00')}, {number}, '{escaped}')")
    with clickhouse(engine) as service:
        found = read(source(service, table="lines", time_column="at", id_column="uid", page_records=1), HOUR)
    assert [(row["id"], row["time"]) for row in found.traces] == [("0", "2026-11-30T10:00:00Z")]
    assert found.others == {"a line that is no record of a call": 1}
    assert [row["reason"] for row in found.quarantine] == ["broken JSON"]


def test_spans_of_the_collectors_exporter_are_read(engine):
    engine.query("DROP TABLE IF EXISTS otel_traces")
    engine.query(
        "CREATE TABLE otel_traces (Timestamp DateTime64(9), TraceId String, SpanId String,"
        " ParentSpanId String, SpanName LowCardinality(String),"
        " SpanAttributes Map(LowCardinality(String), String), Duration UInt64)"
        " ENGINE = MergeTree ORDER BY Timestamp"
    )
    asked = [{"role": "user", "parts": [{"type": "text", "content": "Turn 1 on."}]}]
    part = {"type": "tool_call", "id": "c", "name": "on", "arguments": {"n": 1}}
    answered = [{"role": "assistant", "parts": [part], "finish_reason": "tool_call"}]
    held = {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": json.dumps(asked),
        "gen_ai.output.messages": json.dumps(answered),
    }
    attributes = ", ".join(f"'{name}', '{value}'" for name, value in held.items())
    for number, more in ((1, attributes), (2, "'http.method', 'GET'")):
        ids = f"'ab{'0' * 30}', '0{number}{'0' * 14}', ''"
        engine.query(f"INSERT INTO otel_traces VALUES ({at('10:00:00', 9)}, {ids}, 'chat', map({more}), 5)")
    with clickhouse(engine) as service:
        found = read(source(service, table="default.otel_traces", time_column="Timestamp"), HOUR)
    assert (found.numbers, found.quarantine) == ([1], [])
    assert found.traces[0]["id"] == f"ab{'0' * 30}-01{'0' * 14}"
    assert found.others == {"a span of something else": 1}


def test_a_table_that_is_not_there_is_told(engine):
    with clickhouse(engine) as service, pytest.raises(SourceError, match="log_of_nobody"):
        read(source(service, table="log_of_nobody"))


def test_user_and_password_are_headers(monkeypatch):
    monkeypatch.setenv("CLICKHOUSE_PASSWORD", "sesame-seed")
    refused = Answer(b"Code: 516. Authentication failed: sesame-seed", 403)
    with StandIn(lambda _: refused) as service, pytest.raises(SourceError, match="403") as told:
        read({"kind": "clickhouse", "url": service.url, "table": "log", "user": "me", "database": "logs"})
    sent = service.asked[0].headers
    assert [sent[f"x-clickhouse-{name}"] for name in ("user", "key", "database")] == [
        "me",
        "sesame-seed",
        "logs",
    ]
    assert "sesame-seed" not in str(told.value)


@pytest.mark.parametrize(
    "end", [b'{"exception": "Memory limit exceeded"}\n', b"Code: 241. Memory limit exceeded\n", b'{"id']
)
def test_an_answer_that_breaks_off_is_no_whole_window(end):
    def answer(asked):
        first = b'{"type": "DateTime"}\n' if "toTypeName" in asked.params["query"] else b""
        return Answer(first or b'{"distil_dag_key": "1", "distil_dag_name": ""}\n' + end)

    with StandIn(answer) as service, pytest.raises(SourceUnavailable, match="breaks off in an answer"):
        read(source(service))


def test_either_a_table_or_a_query_is_named():
    with pytest.raises(SourceError, match="either the table or the query"):
        read({"kind": "clickhouse", "url": "http://127.0.0.1:9", "password": None})
