"""The address of a log may hold secrets: nothing that is stored or told of has them."""

import pytest

from distil_dag.adapters.logs.source import source_error, without_secrets
from distil_dag.adapters.system.environment import SourceError, expand, masked, with_variables
from distil_dag_tests.adapters.logs.loaded_log import load, task_of


@pytest.mark.parametrize(
    ("url", "stored"),
    [
        ("postgresql://me:p@ss/w:d@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:${PASSWORD}@host/db", "postgresql://me:${PASSWORD}@host/db"),
        ("postgresql://me:${PASSWORD}rest@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me@azure:hunter2@host/db", "postgresql://me@azure:***@host/db"),
        ("mysql://me@host/db?ssl_key=abc&timeout=5", "mysql://me@host/db?ssl_key=***&timeout=5"),
        ("mysql://me@host/db?ssl_key=${KEY}&timeout=5", "mysql://me@host/db?ssl_key=${KEY}&timeout=5"),
        ("mssql+pyodbc:///?odbc_connect=PWD%3Dabc", "mssql+pyodbc:///?odbc_connect=***"),
        ("sqlite:///log.db", "sqlite:///log.db"),
    ],
)
def test_what_is_stored_of_the_task_holds_no_password(url, stored):
    task = task_of({"kind": "sql", "url": url, "table": "log"})
    assert without_secrets(task).settings.traces.url == stored


@pytest.mark.parametrize(
    ("url", "written", "secrets"),
    [
        ("postgresql://me:p@ss/w:d@host/db", "postgresql://me:${LOG_PASSWORD}@host/db",
         {"LOG_PASSWORD": "p@ss/w:d"}),
        ("postgresql://me:${PGPASSWORD}@host/db", "postgresql://me:${PGPASSWORD}@host/db", {}),
        ("mysql://me@host/db?ssl_key=abc&timeout=5", "mysql://me@host/db?ssl_key=${LOG_SSL_KEY}&timeout=5",
         {"LOG_SSL_KEY": "abc"}),
        ("mysql://me:x@host/db?ssl_key=abc", "mysql://me:${LOG_PASSWORD}@host/db?ssl_key=${LOG_SSL_KEY}",
         {"LOG_PASSWORD": "x", "LOG_SSL_KEY": "abc"}),
        ("https://hf_abc@host/a.jsonl", "https://${LOG_PASSWORD}@host/a.jsonl", {"LOG_PASSWORD": "hf_abc"}),
        ("/logs/a.jsonl", "/logs/a.jsonl", {}),
    ],
)  # fmt: skip
def test_variables_take_the_place_of_secrets(url, written, secrets, monkeypatch):
    text, names = with_variables(url, "LOG")
    assert (text, set(names)) == (written, set(secrets))
    assert masked(text) == text
    for name, value in {"PGPASSWORD": "${PGPASSWORD}", **secrets}.items():
        monkeypatch.setenv(name, value)
    assert expand(text, "traces.url") == url


def chain_of(error):
    """All that Dagster's event log would quote of an exception."""
    while error is not None:
        yield f"{type(error).__name__}: {error}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"kind": "sql", "url": "sqlite:////nowhere/${TOKEN}.db", "table": "t"}, "/nowhere/${TOKEN}.db"),
        ({"kind": "sql", "url": "postgresql+psycopg2://me:x@127.0.0.1:9/log?sslmode=${TOKEN}", "table": "t"},
         "sslmode=${TOKEN} can't be read"),
        ({"kind": "files", "path": "/nowhere/a.jsonl?token=${TOKEN}"}, "at /nowhere/a.jsonl?token=${TOKEN}"),
        ({"kind": "files", "path": "memory://me:${TOKEN}@nowhere/log.jsonl"}, "at memory://me:${TOKEN}@nowhere"),
        ({"kind": "files", "path": "memory://me:hunter2@nowhere/log.jsonl"}, "at memory://me:***@nowhere"),
        ({"kind": "files", "path": "no${TOKEN}://me/log.jsonl"}, "can't be read"),
    ],
)  # fmt: skip
def test_what_the_environment_adds_to_an_address_is_not_said(tmp_path, monkeypatch, source, said):
    monkeypatch.setenv("TOKEN", "hunter2")
    with pytest.raises(SourceError) as caught:
        load(task_of(source), tmp_path / "store")
    assert said in str(caught.value)
    assert "hunter2" not in "".join(chain_of(caught.value))


def test_a_file_system_that_fails_is_told_of_without_the_path_that_it_quotes(tmp_path, monkeypatch):
    from fsspec.implementations.memory import MemoryFileSystem

    def refuse(_self, path, *_, **__):
        raise PermissionError(f"403 for {path}?token=hunter2")

    monkeypatch.setenv("TOKEN", "hunter2")
    MemoryFileSystem().pipe("/hunter2/log/a.jsonl", b"{}")
    monkeypatch.setattr(MemoryFileSystem, "_open", refuse)
    with pytest.raises(Exception) as caught:  # noqa: PT011 (dlt wraps it)
        load(task_of({"kind": "files", "path": "memory://${TOKEN}/log"}), tmp_path / "store")
    told = source_error(caught.value)
    assert "memory://${TOKEN}/log (a.jsonl) can't be read: PermissionError: 403" in str(told)
    assert "hunter2" not in "".join(chain_of(caught.value))
