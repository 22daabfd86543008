"""A secret of a service is sent to it, and is said nowhere."""

import base64
import json
import logging
from urllib.parse import quote

import pytest

from distil_dag.adapters.logs.source import open_log, read_traces, without_secrets
from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.system.environment import SourceError
from distil_dag.adapters.tasks.folder import TaskFolderError, read_task
from distil_dag.core.secret_settings import is_left_to_environment, is_secret_name
from distil_dag.runs.provenance import provenance
from distil_dag_tests.adapters.logs.apis.stand_in import Answer, StandIn
from distil_dag_tests.adapters.logs.apis.test_rest import ALL, CURSOR, by_cursor, record, rest
from distil_dag_tests.adapters.logs.loaded_log import load

SECRET = 'Tr0ub4dor & "3/+='
SPELLINGS = (SECRET, quote(SECRET, safe=""), json.dumps(SECRET)[1:-1], SECRET[:9])
AUTHS = (
    {"auth": {"type": "bearer", "token": "${SERVICE_KEY}"}},
    {"auth": {"type": "http_basic", "username": "me", "password": "${SERVICE_KEY}"}},
    {"auth": {"type": "api_key", "name": "X-Api-Key", "api_key": "${SERVICE_KEY}"}},
    {"auth": {"type": "api_key", "name": "auth", "api_key": "${SERVICE_KEY}", "location": "query"}},
    {"headers": {"Authorization": "Token ${SERVICE_KEY}"}},
    {"params": {"apiToken": "${SERVICE_KEY}"}},
    {"body": {"credentials": {"secret": "${SERVICE_KEY}"}}, "method": "POST"},
)


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("SERVICE_KEY", SECRET)


def holds_none(text):
    basic = base64.b64encode(f"me:{SECRET}".encode()).decode()
    return not any(spelled in text for spelled in (*SPELLINGS, basic))


def written(folder, traces):
    (folder / "task.yaml").write_text("name: lamp\n" + traces)


def sent(asked):
    return json.dumps([asked.params, asked.headers, asked.body, asked.path])


@pytest.mark.parametrize("settings", AUTHS)
@pytest.mark.parametrize("form", [json.dumps, str, quote])
def test_not_even_where_a_service_echoes_what_it_got(settings, form):
    def answer(asked):
        basic = asked.headers.get("authorization", "").removeprefix("Basic ")
        known = base64.b64decode(basic).decode() if "Basic" in asked.headers.get("authorization", "") else ""
        return Answer(f"{basic} {form(known)} {form(sent(asked))}".encode() * 5, 400)

    with StandIn(answer) as service, pytest.raises(SourceError) as error:
        read_traces(rest(service.url, **settings), ALL)
    assert not holds_none(sent(service.asked[0]) + known_of(service.asked[0])), "the secret was not sent"
    assert holds_none(str(error.value))
    assert error.value.__cause__ is None


def known_of(asked):
    scheme, _, basic = asked.headers.get("authorization", "").partition(" ")
    return base64.b64decode(basic).decode() if scheme == "Basic" else ""


@pytest.mark.parametrize("settings", AUTHS)
def test_not_where_a_connection_breaks(settings, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with StandIn(lambda asked: Answer([])) as service:
        pass
    with pytest.raises(SourceError) as error:
        read_traces(rest(service.url, **settings), ALL)
    assert holds_none(str(error.value))


@pytest.mark.parametrize("settings", AUTHS)
def test_not_in_logs_the_store_or_the_frozen_task(settings, tmp_path, caplog):
    for name in ("dlt", "tenacity"):
        logging.getLogger(name).setLevel(logging.DEBUG)
        logging.getLogger(name).propagate = True
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.INFO)  # of its own it writes each URL at DEBUG
    try:
        with StandIn(by_cursor([record(n) for n in range(3)])) as service:
            task = rest(service.url, paginator=CURSOR, **settings)
            load(task, tmp_path)
    finally:
        for name in ("dlt", "tenacity", "urllib3"):
            logging.getLogger(name).setLevel(logging.NOTSET)
    assert holds_none(caplog.text)
    assert holds_none(without_secrets(task).model_dump_json())
    assert holds_none(provenance(RunStore(tmp_path), "t.all", without_secrets(task)).model_dump_json())
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert holds_none(stored.decode(errors="replace"))


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ("auth: {type: bearer, token: hunter2}", "traces.auth.token"),
        ("auth: {type: bearer, token: Bearer hunter2}", "traces.auth.token"),
        ("auth: {type: api_key, api_key: hunter2}", "traces.auth.api_key"),
        ("auth: {type: http_basic, username: me, password: hunter2}", "traces.auth.password"),
        ("auth: {type: oauth2_client_credentials, client_secret: hunter2}", "traces.auth.client_secret"),
        ("headers: {Authorization: Bearer hunter2}", "traces.headers.Authorization"),
        ("headers: {DD-API-KEY: hunter2}", "traces.headers.DD-API-KEY"),
        ("headers: {Cookie: session=hunter2}", "traces.headers.Cookie"),
        ("params: {apiToken: hunter2}", "traces.params.apiToken"),
        ("body: {login: {secret: [hunter2]}}", "traces.body.login.secret[0]"),
        ("path: /logs?access_token=hunter2", "traces.path"),
        ("auth: hunter2", "traces.auth"),
        ("auth: {type: bearer, token: 31337}", "traces.auth.token"),
    ],
)
def test_a_secret_in_the_file_is_refused_at_its_place(folder, settings, place):
    written(folder, f"traces:\n  kind: rest\n  url: https://host\n  {settings}\n")
    with pytest.raises(TaskFolderError) as error:
        read_task(folder)
    assert f"{place}: " in str(error.value)
    assert "${NAME}" in str(error.value)
    assert "hunter2" not in str(error.value)
    assert "31337" not in str(error.value)


@pytest.mark.parametrize(
    "settings", ["secret_key: hunter2", "secret_key: [hunter2]", "{secret_key: 31337, public_key: pk-lf-1}"]
)
def test_a_key_of_a_service_is_refused(folder, settings):
    settings = settings if settings.startswith("{") else f"{{{settings}}}"
    written(folder, f"traces: {settings.replace('{', '{kind: langfuse, ', 1)}\n")
    with pytest.raises(TaskFolderError, match=r"traces\.secret_key") as error:
        read_task(folder)
    assert "hunter2" not in str(error.value)
    assert "31337" not in str(error.value)
    assert "public_key" not in str(error.value)


@pytest.mark.parametrize("url", ["https://me:hunter2@host", "https://host/?api_key=hunter2"])
def test_a_secret_in_the_address_is_refused(folder, url):
    written(folder, f"traces: {{kind: rest, url: '{url}'}}\n")
    with pytest.raises(TaskFolderError, match=r"traces\.url: holds a secret") as error:
        read_task(folder)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("traces.auth.token", "hunter2"),
        ("traces.auth", "{type: bearer, token: hunter2}"),
        ("traces.headers.X-Api-Key", "hunter2"),
        ("traces", "{kind: rest, url: https://host, auth: {token: hunter2}}"),
        ("traces.url", "https://me:hunter2@host"),
    ],
)
def test_a_secret_on_the_command_line_is_refused(folder, setting, value):
    written(folder, "traces: {kind: rest, url: https://host}\n")
    with pytest.raises(TaskFolderError, match="holds a secret, which Dagster would keep") as error:
        read_task(folder, {setting: value})
    assert f"override {setting}=" in str(error.value)
    assert "hunter2" not in str(error.value)
    variable = "'${SERVICE_KEY}'" if value.startswith("{") else "${SERVICE_KEY}"
    assert read_task(folder, {setting: value.replace("hunter2", variable)})


def test_a_secret_in_a_broken_override_is_not_quoted(folder):
    written(folder, "traces: {kind: rest, url: https://host}\n")
    with pytest.raises(
        TaskFolderError, match=r"override traces\.auth=\*\*\*: the value is not YAML"
    ) as error:
        read_task(folder, {"traces.auth": "{type: bearer, token: hunter2"})
    assert "hunter2" not in str(error.value)


def test_what_is_no_secret_is_not_refused(folder):
    traces = (
        "traces:\n  kind: rest\n  url: https://${HOST}/v1\n  headers: {Accept: text/json}\n"
        "  params: {max_tokens: 5, sort_key: created, page_token: '', project: lamps}\n"
        "  paginator: {type: cursor, cursor_path: next_page_token, cursor_param: page_token}\n"
        "  auth: {type: api_key, name: X-Api-Key, api_key: 'Bearer ${SERVICE_KEY}'}\n"
    )
    written(folder, traces)
    assert read_task(folder).settings.traces.kind == "rest"


def test_names_and_values_of_secrets():
    assert all(
        map(is_secret_name, ("Authorization", "x-api-key", "apikey", "authToken", "Set-Cookie", "PWD"))
    )
    assert not any(map(is_secret_name, ("keyword", "max_tokens", "access_token_url", "author", "monkey")))
    assert all(map(is_left_to_environment, ("${A}", "Bearer ${A}", "${A}:${B}", "Token token=${A}")))
    assert not any(
        map(is_left_to_environment, ("A", "$A", "sk-123${A}", "Bearer abcdefghijklmnopqrstuvwxyz${A}"))
    )


def test_the_keys_stay_with_the_service():
    """Another host, to which the service sends, gets neither header nor parameter."""
    with StandIn(lambda asked: Answer([record(1)])) as other:
        there = other.url.replace("127.0.0.1", "localhost") + "/moved"
        with StandIn(lambda asked: Answer({}, 302, {"Location": there})) as service:
            for settings in AUTHS[:5]:
                headers = {"X-Mine": "${SERVICE_KEY}", **settings.get("headers", {})}
                assert len(read_traces(rest(service.url, **{**settings, "headers": headers}), ALL)[0]) == 1
    assert len(service.asked) == len(other.asked) == 5
    assert all(not holds_none(sent(asked) + known_of(asked)) for asked in service.asked)
    assert all(holds_none(sent(asked) + known_of(asked)) for asked in other.asked)


@pytest.mark.parametrize("settings", AUTHS[:5])
def test_a_next_page_elsewhere_gets_no_keys_and_says_so(settings):
    with StandIn(lambda asked: Answer({}, 401)) as other:
        there = other.url.replace("127.0.0.1", "localhost")
        page = {"results": [record(1)], "next": f"{there}/logs?page=2"}
        with (
            StandIn(lambda asked: Answer(page)) as service,
            pytest.raises(SourceError, match=f"led to {there}, which got no keys and answers 401") as error,
        ):
            read_traces(rest(service.url, paginator=None, **settings), ALL)
    assert holds_none(str(error.value))
    assert holds_none(sent(other.asked[0]) + known_of(other.asked[0]))


def test_the_keys_go_along_on_the_same_host():
    def answer(asked):
        return Answer([record(1)]) if asked.path == "/there" else Answer({}, 302, {"Location": "/there"})

    with StandIn(answer) as service:
        open_log(rest(service.url))
        assert len(read_traces(rest(service.url, **AUTHS[0]), ALL)[0]) == 1
    assert service.asked[1].headers["authorization"] == f"Bearer {SECRET}"
