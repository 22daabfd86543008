#!/usr/bin/env bash
# dlt 1.31.0, its REST client: a log of six records is read as two, or as none, and the load succeeds.
#
# Expected: a client that cannot tell how an API's pages go on, or where its records are, ends with an error.
# Seen: an answer whose cursor has a name that dlt does not know (`meta.after`) is taken for the only page; a warning
# in the log says that a fallback is used, and the first page is all that is loaded. A `data_selector` that matches
# nothing gives one empty page, without a word.
# Why it matters: an incremental load of production traces looks complete. Name the paginator, and check that the
# selector finds a list.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dlt==1.31.0
cd "$folder"
RUNTIME__DLTHUB_TELEMETRY=false "$folder/venv/bin/python" - <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from urllib.parse import parse_qs, urlparse

from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

ROWS = [{"id": number} for number in range(6)]


class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        at = int(parse_qs(urlparse(self.path).query).get("after", ["0"])[0])
        body = {"data": ROWS[at : at + 2], "meta": {"after": at + 2 if at < 4 else None}}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = RESTClient(f"http://127.0.0.1:{server.server_port}")
named = JSONResponseCursorPaginator(cursor_path="meta.after", cursor_param="after")
read = {
    "paginator named": [list(page) for page in client.paginate("/rows", paginator=named, data_selector="data")],
    "paginator left to dlt": [list(page) for page in client.paginate("/rows", data_selector="data")],
    "selector that matches nothing": [list(page) for page in client.paginate("/rows", data_selector="rows")],
}
print("dlt", version("dlt"))
for how, pages in read.items():
    print(f"{how}: {sum(map(len, pages))} of {len(ROWS)} records, pages {[len(page) for page in pages]}")
assert [len(page) for page in read["paginator named"]] == [2, 2, 2]
assert read["paginator left to dlt"] == [ROWS[:2]]
assert read["selector that matches nothing"] == [[]]
PYTHON
