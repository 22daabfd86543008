"""Exchanges on S3, by moto's server: an object for each flush, and the traces of them."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

from distil_dag.adapters.serving.exchanges.background import BackgroundLog
from distil_dag.adapters.serving.exchanges.open_log import open_store
from distil_dag.adapters.serving.exchanges.reader import open_reader
from distil_dag.stages.serving.exchanges.rows import line_of, row_of
from distil_dag_tests.adapters.logs.aggregators.logged import read
from distil_dag_tests.stages.serving.some_exchanges import alone, exchange


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "sesame-seed",
        "AWS_SECRET_ACCESS_KEY": "sesame-oil",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://{}:{}".format(*server.get_host_and_port()),
    }.items():
        monkeypatch.setenv(name, value)
    # A file system that is kept from another test has the address of a server that has ended.
    S3FileSystem.clear_instance_cache()
    boto3.client("s3").create_bucket(Bucket="served")
    yield "served"
    S3FileSystem.clear_instance_cache()
    server.stop()


def test_what_is_flushed_is_an_object_and_all_of_them_are_the_log(bucket: str) -> None:
    store = open_store(f"s3://{bucket}/log")
    with BackgroundLog(store) as log:
        log.put(exchange(1))
        log.put(alone(2))
    assert log.written == 2
    with BackgroundLog(open_store(f"s3://{bucket}/log")) as log:
        log.put(exchange(3))
    held = boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix="log/")["Contents"]
    assert len(held) == 2
    reader = open_reader(f"s3://{bucket}/log")
    assert [one.id for one in reader.recent("t", 9)] == [
        one.id for one in (exchange(1), alone(2), exchange(3))
    ]
    found = read({"kind": "files", "path": f"s3://{bucket}/log"})
    assert {trace["id"] for trace in found.traces} == {exchange(1).id, exchange(3).id}
    # What another process writes is seen by a reader that has looked before.
    line = line_of(row_of(exchange(4)))
    boto3.client("s3").put_object(Bucket=bucket, Key="log/exchanges-9.jsonl", Body=line.encode())
    assert reader.recent("t", 1)[0].id == exchange(4).id
