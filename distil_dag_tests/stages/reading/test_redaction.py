"""Personal data becomes placeholders, the same one everywhere; ordinary requests stay."""

import json
import string

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import luhn

from distil_dag.core.toolset import Tool, Toolset
from distil_dag.stages.reading.records import RecordReader
from distil_dag.stages.reading.redaction.excerpts import excerpt
from distil_dag.stages.reading.redaction.redactor import Redactor, redact_text


def card(start, length):
    """A card number with its Luhn digit."""
    body = start.ljust(length - 1, "0")
    return body + luhn.calc_check_digit(body)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail bob@example.com now", "mail <EMAIL_1> now"),
        ("write to Bob.Smith+home@mail.example.co.uk.", "write to <EMAIL_1>."),
        ("ask jürgen@müller.de, please", "ask <EMAIL_1>, please"),
        ("a@b.io and c@d.io and A@B.io", "<EMAIL_1> and <EMAIL_2> and <EMAIL_1>"),
        ("call +44 20 7946 0958 at 7 30", "call <PHONE_1> at 7 30"),
        ("call +442079460958 twice", "call <PHONE_1> twice"),
        ("dial (555) 234-5678", "dial <PHONE_1>"),
        ("my number is 555-234-5678.", "my number is <PHONE_1>."),
        ("ring 020 7946 0958", "ring <PHONE_1>"),
        ("ruf 0176-12345678 an", "ruf <PHONE_1> an"),
        ("text 5552345678 that I am late", "text <PHONE_1> that I am late"),
        (
            "call +\u0669\u0666\u0666 \u0665\u0660 \u0661\u0662\u0663 \u0664\u0665\u0666\u0667",
            "call <PHONE_1>",
        ),
        ("pay with 4111 1111 1111 1111 20 euros", "pay with <CARD_1> 20 euros"),
        ("card 378282246310005", "card <CARD_1>"),
        ("send it to DE89 3704 0044 0532 0130 00 please", "send it to <IBAN_1> please"),
        ("iban gb29nwbk60161331926819", "iban <IBAN_1>"),
        ("pay DE89 3704 0044 0532 0130 00 20 euros", "pay <IBAN_1> 20 euros"),
        ("DE89-3704-0044-0532-0130-00, FR14 2004 1010 0505 0001 3M02 606", "<IBAN_1>, <IBAN_2>"),
        ("CR05\u00a00152\u00a00200\u00a01026\u00a02840\u00a066", "<IBAN_1>"),
        ("ping 192.168.1.10", "ping <IP_1>"),
        ("ssh to 2001:db8::8a2e:370:7334", "ssh to <IP_1>"),
        ("key sk-proj-abcdEFGH1234567890abcd", "key <API_KEY_1>"),
        ("token ghp_0123456789abcdefghijABCDEFGHIJ012345", "token <API_KEY_1>"),
        ("Authorization: Bearer abcdef0123456789abcdef", "Authorization: Bearer <API_KEY_1>"),
        ("AKIAIOSFODNN7EXAMPLE", "<API_KEY_1>"),
        ("use npm_abcdefghijklmnopqrstuvwxyzABCDEFGHIJ", "use <API_KEY_1>"),
        ("use SG.abcdefghijklmnopqrstuv.abcdefghijklmnopqrstuvwxyzABCDEFGHIJ", "use <API_KEY_1>"),
        ("use dop_v1_" + "0123456789abcdef" * 4, "use <API_KEY_1>"),
        ("was <EMAIL_1>, now x@y.org", "was <EMAIL_1>, now <EMAIL_2>"),
        ("邮箱是anna@ex.com吗", "邮箱是<EMAIL_1>吗"),
        ("发给张三@例子.公司", "<EMAIL_1>"),
        ("拨打+49 89 1234567吧", "拨打<PHONE_1>吧"),
        ("電話は020 7946 0958です", "電話は<PHONE_1>です"),
        ("โทร(555) 234-5678นะ", "โทร<PHONE_1>นะ"),
        ("卡号4111 1111 1111 1111。", "卡号<CARD_1>。"),
        ("账号DE89 3704 0044 0532 0130 00谢谢", "账号<IBAN_1>谢谢"),
        ("连接192.168.1.10吧", "连接<IP_1>吧"),
        ("密钥sk-proj-abcdEFGH1234567890abcd吗", "密钥<API_KEY_1>吗"),
        ("anna@ex.com即anna at ex dot com吗", "<EMAIL_1>即<EMAIL_1>吗"),
    ],
)
def test_what_is_found(text, expected):
    assert redact_text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "set the thermostat to 21",
        "set the thermostat to 21.5 degrees",
        "channel 5",
        "wake me at 7 30 pm",
        "wake me at 07:30:00 on 2026-11-24",
        "wake me on 24.11.2026 at 06 15",
        "call mum on 24 11 2026",
        "call me in 15 minutes",
        "remind me on 01-02-2026 10 30",
        "text 10 20 30 40 to the display",
        "turn on tv 2 and lamp_living_room_3",
        "turn on sk_living_room_main_lights",
        "dim to 20 30 40 50 60 70 percent",
        "set lights to 255 128 64",
        "version 1.2.3",
        "meet @home at noon",
        "look at example dot com",
        "add 1763983200123 and 1234567890",
        "order 4111 1111 1111 1112",
        "mac aa:bb:cc:dd:ee:ff",
        "it is 12:30:45, std::vector, 10::30",
        "play GB29 by the band",
        "order GB29NWBK60161331926818",
        "part ZZ29NWBK60161331926819",
        "code DE89370400440532013000x",
        "-5 degrees, +5 degrees, +20 30",
        "شغّل الضوء في المطبخ 😀",
    ],
)
def test_ordinary_requests_stay(text):
    assert redact_text(text) == text


COUNTRIES = "US CA GB IE DE AT CH FR ES IT PT NL BE DK SE NO FI PL CZ GR TR RU IN CN JP KR AU BR MX ZA"


@pytest.mark.parametrize(
    ("form", "sentence", "share"),
    [
        (phonenumbers.PhoneNumberFormat.E164, "send it to {} today", 1.0),
        (phonenumbers.PhoneNumberFormat.INTERNATIONAL, "send it to {} today", 1.0),
        (phonenumbers.PhoneNumberFormat.NATIONAL, "my number is {}", 0.93),
        # Without a word for it: what begins with a trunk zero, and North America's groups.
        (phonenumbers.PhoneNumberFormat.NATIONAL, "send it to {} today", 0.55),
    ],
)
def test_phone_numbers_of_thirty_countries_are_found(form, sentence, share):
    """The examples of libphonenumber, a line and a mobile phone of each country."""
    kinds = (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE)
    examples = [
        phonenumbers.example_number_for_type(country, kind) for country in COUNTRIES.split() for kind in kinds
    ]
    texts = [sentence.format(phonenumbers.format_number(number, form)) for number in examples]
    assert sum(redact_text(text) == sentence.format("<PHONE_1>") for text in texts) >= share * len(texts)


def trace_of(request, arguments, tool_result=""):
    messages = [
        {"role": "user", "content": request},
        {"role": "assistant", "tool_calls": [{"function": {"name": "send", "arguments": arguments}}]},
        {"role": "tool", "content": tool_result},
    ]
    reading = RecordReader(None).read({"messages": messages}, "r1")
    (trace,) = reading.traces
    return trace, reading.redacted


@pytest.mark.parametrize(
    ("request_text", "arguments", "redacted_request", "redacted_arguments"),
    [
        ("mail Bob@Example.com", {"to": ["bob@example.com"]}, "mail <EMAIL_1>", {"to": ["<EMAIL_1>"]}),
        ("mail bob at example dot com", {"to": "bob@example.com"}, "mail <EMAIL_1>", {"to": "<EMAIL_1>"}),
        ("call +1 (555) 234-5678", {"n": {"d": "15552345678"}}, "call <PHONE_1>", {"n": {"d": "<PHONE_1>"}}),
        ("call 020 7946 0958", {"phone": "+442079460958"}, "call <PHONE_1>", {"phone": "<PHONE_1>"}),
        ("ruf +49 (0)89 1234567 an", {"n": "+49 89 1234567"}, "ruf <PHONE_1> an", {"n": "<PHONE_1>"}),
        ("call +49891234567", {"to": "0049 (0) 89 1234567"}, "call <PHONE_1>", {"to": "<PHONE_1>"}),
        ("call +49891234567", {"to": "dial 49(0)891234567"}, "call <PHONE_1>", {"to": "dial <PHONE_1>"}),
        ("dial 5 5 5 2 3 4 5", {"phone_number": 5552345}, "dial <PHONE_1>", {"phone_number": "<PHONE_1>"}),
        ("put 5552345678 in", {"phone": "555-234-5678"}, "put <PHONE_1> in", {"phone": "<PHONE_1>"}),
        ("pay 4111 1111 1111 1111", {"card": "4111111111111111"}, "pay <CARD_1>", {"card": "<CARD_1>"}),
        ("to DE89370400440532013000", {"i": "DE89 3704 0044 0532 0130 00"}, "to <IBAN_1>", {"i": "<IBAN_1>"}),
        ("发给anna@ex.com吗", {"to": "anna@ex.com"}, "发给<EMAIL_1>吗", {"to": "<EMAIL_1>"}),
        ("mail b@c.de", {"b@c.de": True, "level": 21}, "mail <EMAIL_1>", {"<EMAIL_1>": True, "level": 21}),
    ],
)  # fmt: skip
def test_request_and_arguments_share_a_placeholder(
    request_text, arguments, redacted_request, redacted_arguments
):
    trace, found = trace_of(request_text, arguments)
    assert trace.request == redacted_request
    assert trace.calls[0].arguments == redacted_arguments
    assert sum(found.values()) == 1


def test_placeholders_hold_through_history_and_results():
    messages = [
        {"role": "user", "content": "who is x@y.org"},
        {"role": "assistant", "tool_calls": [{"function": {"name": "find", "arguments": {"q": "x@y.org"}}}]},
        {"role": "tool", "content": '{"mail": "X@Y.ORG", "phone": "555-234-5678"}'},
        {"role": "assistant", "content": "555-234-5678"},
        {"role": "user", "content": "call (555) 234 5678, and z@y.org"},
        {
            "role": "assistant",
            "tool_calls": [{"function": {"name": "call", "arguments": {"to": "5552345678"}}}],
        },
    ]
    reading = RecordReader(None).read({"messages": messages}, "r1")
    first, second = reading.traces
    assert first.calls[0].arguments == {"q": "<EMAIL_1>"}
    assert [m.content for m in second.messages] == [
        "who is <EMAIL_1>", "", '{"mail": "<EMAIL_1>", "phone": "<PHONE_1>"}', "<PHONE_1>",
        "call <PHONE_1>, and <EMAIL_2>",
    ]  # fmt: skip
    assert second.calls[0].arguments == {"to": "<PHONE_1>"}
    assert reading.redacted == {"EMAIL": 2, "PHONE": 1}


def test_problems_of_a_call_do_not_quote_personal_data():
    schema = {"type": "object", "properties": {"to": {"type": "integer"}}}
    reader = RecordReader(Toolset([Tool(name="send", parameters=schema)]))
    answer = {"name": "send", "arguments": {"to": "bob@example.com"}}
    (trace,) = reader.read({"question": "mail bob@example.com", "answer": answer}, "r1").traces
    assert trace.problems == ("send: '<EMAIL_1>' is not of type 'integer'",)


def test_an_excerpt_is_short_and_clean_even_where_the_text_is_cut_or_escaped():
    text = excerpt(b'{"a": "' + b"x" * 185 + b' bob@example.com", "b": 1}')
    assert "bob" not in text
    assert len(text) <= 201
    assert "<EMAIL_1>" in excerpt('{"a": "bob\\u0040example.com"')
    assert excerpt(b"\x00\xff\x1b[2J") == "\ufffd\ufffd\ufffd[2J"
    assert "<EMAIL_1>" in excerpt({"a": ["bob@example.com"]})


local = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)
word = st.text(string.ascii_lowercase, min_size=2, max_size=8)
emails = st.builds("{}@{}.{}".format, local, word, st.sampled_from(["com", "de", "co.uk", "io"]))
phones = st.from_regex(r"\+[1-9][0-9]{1} [2-9][0-9]{2} [0-9]{3} [0-9]{4}", fullmatch=True)
cards = st.builds(card, st.from_regex(r"4[0-9]{14}|5[1-5][0-9]{13}", fullmatch=True), st.just(16))
ips = st.ip_addresses(v=4).map(str)
values = st.one_of(emails, phones, cards, ips)
plain = st.text(st.characters(codec="utf-8", exclude_categories=["Nd", "Cc"]), max_size=30).map(
    lambda text: text.replace("@", "").replace("\uff20", "").replace("<", "")
)


@settings(max_examples=150, deadline=None)
@given(values, word, word)
def test_no_value_survives_anywhere(value, before, after):
    trace, found = trace_of(
        f"{before} {value} {after}", {"to": value, "list": [{"in": value}]}, f"ok {value}"
    )
    stored = json.dumps(trace.row(), ensure_ascii=False)
    assert value not in stored
    (placeholder,) = {trace.calls[0].arguments["to"], trace.calls[0].arguments["list"][0]["in"]}
    assert trace.request == f"{before} {placeholder} {after}"
    assert sum(found.values()) == 1


@settings(max_examples=150, deadline=None)
@given(plain)
def test_text_without_digits_and_addresses_stays(text):
    assert redact_text(text) == text


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(values, st.text(max_size=20)), max_size=6).map(" ".join))
def test_twice_is_once(text):
    once = redact_text(text)
    assert redact_text(once) == once


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), values),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
        max_leaves=12,
    )
)
def test_any_json_value_keeps_its_shape(value):
    def shape(item):
        if isinstance(item, list):
            return [shape(part) for part in item]
        return sorted(map(str, map(shape, item.values()))) if isinstance(item, dict) else None

    redactor = Redactor([value])
    redacted = redactor.value(value)
    assert shape(redacted) == shape(value)
    assert redactor.found or redacted == value
