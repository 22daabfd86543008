#!/usr/bin/env bash
# moto 5.2.5 beside boto3 1.43.117: `filter_log_events` of CloudWatch Logs takes a prefix of streams and ignores it.
#
# Expected: with `logStreamNamePrefix`, which AWS documents, only events of streams whose name begins so are returned.
# Seen: events of all streams are returned; with `logStreamNames` only those of the named ones are.
# Why it matters: a reader of logs that keeps agents apart by their streams passes its tests whether it asks rightly
# or not, or fails them where it does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'moto==5.2.5' boto3==1.43.117
cd "$folder"
AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=us-east-1 "$folder/venv/bin/python" - <<'PYTHON'
import time
from importlib.metadata import version

import boto3
from moto import mock_aws

with mock_aws():
    logs = boto3.client("logs")
    logs.create_log_group(logGroupName="agents")
    for stream in ("lights/1", "travel/1"):
        logs.create_log_stream(logGroupName="agents", logStreamName=stream)
        event = {"timestamp": int(time.time() * 1000), "message": f"of {stream}"}
        logs.put_log_events(logGroupName="agents", logStreamName=stream, logEvents=[event])
    asked = {"logStreamNamePrefix": "lights/"}, {"logStreamNames": ["lights/1"]}
    found = [
        sorted(event["logStreamName"] for event in logs.filter_log_events(logGroupName="agents", **one)["events"])
        for one in asked
    ]
print("moto", version("moto"), "boto3", version("boto3"))
for one, streams in zip(asked, found, strict=True):
    print(f"{one}: events of {', '.join(streams)}")
assert found == [["lights/1", "travel/1"], ["lights/1"]]
PYTHON
