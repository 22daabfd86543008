"""Files on S3, by moto's server: JSON lines, and what the collector writes."""

import gzip
import json

import boto3
import pytest
from moto.server import ThreadedMotoServer

from distil_dag_tests.adapters.logs.aggregators.logged import line, read
from distil_dag_tests.adapters.logs.protobuf_files import message
from distil_dag_tests.stages.reading.recorders.test_spans import genai, otlp, span


@pytest.fixture
def bucket(monkeypatch):
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    for name, value in {
        "AWS_ACCESS_KEY_ID": "sesame-seed", "AWS_SECRET_ACCESS_KEY": "sesame-oil",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": url,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="logs")
    yield client
    server.stop()


def test_lines_and_objects_of_a_collector_are_read(bucket):
    bucket.put_object(Bucket="logs", Key="agent/a.jsonl.gz", Body=gzip.compress(line(1).encode()))
    bucket.put_object(Bucket="logs", Key="agent/b/c.jsonl", Body=line(2).encode())
    found = read({"kind": "files", "path": "s3://logs/agent"})
    assert found.numbers == [1, 2]
    spans = message(otlp(*(span(genai(), number) for number in (1, 2))))
    bucket.put_object(Bucket="logs", Key="otlp/year=2026/traces_1.binpb.gz", Body=gzip.compress(spans))
    bucket.put_object(Bucket="logs", Key="json/year=2026/traces_1.json", Body=json.dumps(
        otlp(*(span(genai(), number) for number in (1, 2)))
    ))  # fmt: skip
    written = read({"kind": "files", "path": "s3://logs/otlp"})
    assert len(written.traces) == 2
    assert written.traces == read({"kind": "files", "path": "s3://logs/json"}).traces
