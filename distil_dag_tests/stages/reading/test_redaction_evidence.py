"""Which numbers are telephone numbers: words, names of arguments and schemas decide."""

from __future__ import annotations

import json
from typing import Any

import pytest

from distil_dag.core.case import Trace
from distil_dag.core.toolset import Tool, Toolset
from distil_dag.stages.reading.records import RecordReader
from distil_dag_tests.paths import ROOT

CASES = ROOT / "distil_dag_tests" / "public_cases"
LINES = (CASES / "14-numbers-that-are-no-phone-numbers.jsonl").read_text().splitlines()
RECORDS = {record["id"]: record for record in map(json.loads, LINES)}
PHONES = {
    "control-phone": ("Call me back on <PHONE_1>", {"phone": "<PHONE_1>"}),
    "control-phone-number": ("My phone number is <PHONE_1>", {"phone": "<PHONE_1>"}),
}


@pytest.fixture
def garden() -> Toolset:
    return Toolset.from_openai(json.loads((CASES / "tools.json").read_text())["tools"])


def read(record: dict[str, Any], toolset: Toolset | None = None) -> Trace:
    (trace,) = RecordReader(toolset).read(record, "r1").traces
    return trace


def pair(request: str, arguments: dict[str, Any], toolset: Toolset | None = None) -> tuple[str, Any]:
    """Request and arguments as they are read."""
    trace = read({"question": request, "answer": {"name": "act", "arguments": arguments}}, toolset)
    return trace.request, trace.calls[0].arguments


@pytest.mark.parametrize("identity", RECORDS)
def test_numbers_of_the_public_case_are_read_right(identity: str, garden: Toolset) -> None:
    record = RECORDS[identity]
    logged = record["response"]["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    as_it_is = (record["request"]["messages"][-1]["content"], json.loads(logged))
    trace = read(record, garden)
    assert (trace.request, trace.calls[0].arguments) == PHONES.get(identity, as_it_is)
    assert trace.problems == ()


@pytest.mark.parametrize(
    ("request_text", "arguments"),
    [
        ("Check parcel 01234567890123456789", {"parcel": "01234567890123456789"}),
        ("Where is 0123456789?", {"reference": "0123456789"}),
        ("Where is my parcel, 0123456789?", {"trackingCode": "0123456789"}),
        ("Track 1Z999AA10123456784 and 9400111899223197428490", {}),
        ("Is invoice INV-212-555-0147 paid?", {"invoice": "INV-212-555-0147"}),
        ("Is invoice 212-555-0147 paid?", {"invoice_no": "212-555-0147"}),
        ("Which agent took call number 4829102311?", {"call_number": 4829102311}),
        ("Did message 48291023 arrive?", {"message_number": 48291023}),
        ("Call 20391827 was dropped, why?", {}),
        ("Call me about ticket 2125550199", {"ticket_id": 2125550199}),
        ("text 48291023 to the buyer of voucher 48291023", {"voucher_number": 48291023}),
        ("orders 0123456789, 0223456789 and 0323456789", {}),
        ("Refund order 4111111111111111", {"order_id": 4111111111111111}),
        ("Call at 2026-01-15T10:30:00+02:00, not 20260115103000", {"when": "20260115103000"}),
        ("call the office 2019-2023", {}),
        ("call a cab to 52.520008, 13.404954", {"lat": 52.520008}),
        ("message: version 10.2.30.4", {}),
        ("message 01234567-8901-4abc-8def-0123456789ab", {}),
        ("text 1767225600123 to the log", {"at_ms": 1767225600123}),
        ("¿Dónde está el pedido número 0123456789?", {}),
        ("Ist Bestellnummer 0123456789 da?", {}),
        ("订单号是0123456789吗", {}),
    ],
)
def test_other_numbers_stay(request_text: str, arguments: dict[str, Any]) -> None:
    assert pair(request_text, arguments) == (request_text, arguments)


@pytest.mark.parametrize(
    ("request_text", "arguments", "redacted_request", "redacted_arguments"),
    [
        ("48291023", {"callback_number": "48291023"}, "<PHONE_1>", {"callback_number": "<PHONE_1>"}),
        ("use 48291023", {"phone": {"number": 48291023}},
         "use <PHONE_1>", {"phone": {"number": "<PHONE_1>"}}),
        ("32 12 34 56", {"contactPhone": "32123456"}, "<PHONE_1>", {"contactPhone": "<PHONE_1>"}),
        ("call me on 20391827 about order 48291023", {"order_id": 48291023},
         "call me on <PHONE_1> about order 48291023", {"order_id": 48291023}),
        ("Pay bill 0123456789, then ring 0176 12345678", {}, "Pay bill 0123456789, then ring <PHONE_1>", {}),
        ("my phone number is 2125550147", {"customer_id": "2125550147"},
         "my phone number is <PHONE_1>", {"customer_id": "<PHONE_1>"}),
        ("call +45 48291023 about 48291023", {"order_id": 48291023},
         "call <PHONE_1> about 48291023", {"order_id": 48291023}),
        ("Send the invoice to 020 7946 0958", {}, "Send the invoice to <PHONE_1>", {}),
        ("mail bob@x.de or 0176 12345678", {}, "mail <EMAIL_1> or <PHONE_1>", {}),
        ("save Anna's number 5552345678", {}, "save Anna's number <PHONE_1>", {}),
        ("2125550147 is my number", {}, "<PHONE_1> is my number", {}),
        ("account 378282246310005", {"account_number": 378282246310005},
         "account <CARD_1>", {"account_number": "<CARD_1>"}),
        ('{"order_id": "0123456789", "phone": "48291023"}', {},
         '{"order_id": "0123456789", "phone": "<PHONE_1>"}', {}),
    ],
)  # fmt: skip
def test_telephone_numbers_are_found_beside_others(
    request_text: str, arguments: dict[str, Any], redacted_request: str, redacted_arguments: dict[str, Any]
) -> None:
    assert pair(request_text, arguments) == (redacted_request, redacted_arguments)


@pytest.mark.parametrize(
    ("schema", "stays"),
    [
        ({"type": "string"}, False),
        ({"type": "string", "format": "uuid"}, True),
        ({"type": "integer", "description": "The order to look up."}, True),
        ({"type": "string", "description": "Telephone number to dial."}, False),
        ({"type": "string", "format": "phone"}, False),
    ],
)
def test_a_schema_decides_where_a_name_says_nothing(schema: dict[str, Any], stays: bool) -> None:
    toolset = Toolset([Tool(name="act", parameters={"type": "object", "properties": {"it": schema}})])
    value: Any = 5552345678 if schema["type"] == "integer" else "5552345678"
    request, arguments = pair("text 5552345678 now", {"it": value}, toolset)
    assert (request, arguments["it"]) == (
        ("text 5552345678 now", value) if stays else ("text <PHONE_1> now", "<PHONE_1>")
    )


@pytest.mark.parametrize("schema", [{"format": "tel"}, {"description": "Mobile number of the guest"}])
def test_a_schema_alone_makes_a_telephone_number(schema: dict[str, Any]) -> None:
    toolset = Toolset([Tool(name="act", parameters={"properties": {"to": {"type": "string", **schema}}})])
    assert pair("use 48291023", {"to": "48291023"}, toolset) == ("use <PHONE_1>", {"to": "<PHONE_1>"})
