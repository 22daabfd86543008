"""How much personal data is found, and how much else is taken for it, on a made set.

    python benchmarks/redaction.py [--json FILE]

Personal: libphonenumber's examples of 30 countries (a line and a mobile phone each, in four spellings and six
sentences), cards, IBANs, e-mail addresses, keys. Not personal: numbers of orders, parcels, invoices and the
like, times, codes, coordinates; with and without a call whose argument holds them. Prints a table.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# A package of the `dev` extra, where the benchmarks are run.
import phonenumbers  # deptry: ignore[DEP004]
from phonenumbers import PhoneNumberFormat, PhoneNumberType  # deptry: ignore[DEP004]
from stdnum import iban, luhn

from distil_dag.stages.reading.records import RecordReader

COUNTRIES = (
    "US", "CA", "GB", "IE", "DE", "AT", "CH", "FR", "ES", "IT", "PT", "NL", "BE", "DK", "SE", "NO", "FI",
    "PL", "CZ", "GR", "TR", "RU", "IN", "CN", "JP", "KR", "AU", "BR", "MX", "ZA",
)  # fmt: skip
PHONE_SENTENCES = (
    "call me at {}", "please text {} that I am late", "my number is {}", "Phone: {}", "her cell is {}",
    "can you ring {} for me?",
)  # fmt: skip
# One example of a bank's part of the number for each country.
BANKS = {
    "DE": "370400440532013000", "GB": "NWBK60161331926819", "FR": "20041010050500013M02606",
    "ES": "21000418450200051332", "NL": "ABNA0417164300", "PL": "109010140000071219812874",
    "CH": "00762011623852957", "AT": "1904300234573201", "SE": "50000000058398257466", "NO": "86011117947",
}  # fmt: skip
THINGS = (
    "order", "parcel", "tracking", "invoice", "account", "ticket", "message", "call", "booking", "case",
    "policy", "member", "reference", "serial",
)  # fmt: skip
# Words of which the redactor knows nothing.
UNKNOWN = ("voucher", "locker", "meter", "container", "pallet", "warranty", "coupon", "tenant")
THING_SENTENCES = (
    "Where is {thing} number {number}?", "Check {thing} {number}", "Show {thing} #{number}",
    "What became of the {thing} no. {number}, please?", "my {thing} id is {number}",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One request, the arguments of its call, and what is in it.

    Attributes:
        kind: row of the table.
        request: what the user says.
        value: the number or address in it.
        personal: whether it has to become a placeholder; if not, all has to stay.
        arguments: arguments of the call.
    """

    kind: str
    request: str
    value: str
    personal: bool
    arguments: dict[str, Any] = field(default_factory=dict)


def phones() -> Iterator[Case]:
    """Examples of libphonenumber in sentences, and as an argument behind a bare number."""
    forms = {
        "+ and digits": PhoneNumberFormat.E164,
        "international": PhoneNumberFormat.INTERNATIONAL,
        "national": PhoneNumberFormat.NATIONAL,
    }
    for country in COUNTRIES:
        for kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE):
            example = phonenumbers.example_number_for_type(country, kind)
            assert example is not None
            spelled = {name: phonenumbers.format_number(example, form) for name, form in forms.items()}
            spelled["national, digits"] = re.sub(r"\D", "", spelled["national"])
            for name, number in spelled.items():
                for sentence in PHONE_SENTENCES:
                    yield Case(f"phone, {name}", sentence.format(number), number, True)
                yield Case(f"phone, {name}, bare", f"send it to {number} today", number, True)
                yield Case(
                    "phone, bare, in `callback_number`", number, number, True, {"callback_number": number}
                )


def other_personal(rng: random.Random) -> Iterator[Case]:
    """Cards, IBANs, e-mail addresses and keys."""
    for start, length in (("4", 16), ("51", 16), ("2221", 16), ("37", 15), ("6011", 16), ("35", 16)):
        for _ in range(20):
            body = start + "".join(rng.choices("0123456789", k=length - len(start) - 1))
            number = body + luhn.calc_check_digit(body)
            groups = [number[:4], number[4:10], number[10:]] if length == 15 else re.findall("....", number)
            for text in (number, " ".join(groups)):
                for sentence in ("pay with {}", "charge card number {} please", "account {}", "{}"):
                    yield Case("card", sentence.format(text), text, True)
    for country, bank in BANKS.items():
        number = country + iban.calc_check_digits(f"{country}00{bank}") + bank
        for text in (number, " ".join(re.findall(".{1,4}", number))):
            for sentence in ("send it to {}", "account {} please", "iban: {}"):
                yield Case("IBAN", sentence.format(text), text, True)
    for name in ("bob", "anna.smith+home", "jürgen", "x_1"):
        for host in ("example.com", "mail.example.co.uk", "müller.de"):
            yield Case("e-mail", f"write to {name}@{host}, please", f"{name}@{host}", True)
    for prefix, length in (("sk-proj-1", 24), ("ghp_", 36), ("AKIA", 16), ("glpat-", 24), ("hf_", 34)):
        key = prefix + "".join(rng.choices("ABCDEFGH0123456789", k=length))
        yield Case("key", f"use {key} for it", key, True)


def other_numbers(rng: random.Random) -> Iterator[Case]:
    """Numbers of things: by themselves, as text in a call, as a whole number in a call."""
    for thing in (*THINGS, *UNKNOWN):
        kind = "of unknown things" if thing in UNKNOWN else "of known things"
        for length in range(7, 16):
            for first in ("0", "123456789"):
                number = rng.choice(first) + "".join(rng.choices("0123456789", k=length - 1))
                for sentence in THING_SENTENCES:
                    request = sentence.format(thing=thing, number=number)
                    yield Case(f"number {kind}", request, number, False)
                    if first != "0":
                        whole = {f"{thing}_number": int(number)}
                        yield Case(f"whole number {kind}, in the call too", request, number, False, whole)
                named = {f"{thing}_id": number}
                yield Case(
                    f"bare number {kind}, named by an argument", f"Check {number}", number, False, named
                )
        number = "2" + "-".join("".join(rng.choices("0123456789", k=k)) for k in (2, 3, 4))
        yield Case(f"number with dashes {kind}", f"Find {thing} number {number}", number, False)
        yield Case(f"number with dashes {kind}", f"Find {thing[:3].upper()}-{number}", number, False)


def times_and_codes(rng: random.Random) -> Iterator[Case]:
    """Times, ranges of years, coordinates, versions, UUIDs, behind words that could ask for a call."""
    for _ in range(40):
        day = f"20{rng.randrange(10, 40)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"
        clock = f"{rng.randrange(24):02}:{rng.randrange(60):02}"
        year = rng.randrange(1950, 2020)
        seconds = rng.randrange(1_500_000_000, 1_900_000_000)
        compact = day.replace("-", "")
        numbers = ".".join(str(rng.randrange(90)) for _ in range(4))
        made = {
            "time": (
                f"{day}T{clock}:00Z",
                f"{day} {clock}",
                compact,
                f"{compact}T1030",
                seconds,
                seconds * 1000,
            ),
            "years": (f"{year}-{year + 9}", f"{year} - {year + 9}"),
            "coordinates": (f"{rng.uniform(10, 80):.6f}, {rng.uniform(10, 80):.6f}",),
            "UUID": (str(uuid.UUID(int=rng.getrandbits(128))),),
            "version": (f"version {numbers}",),
        }
        for kind, values in made.items():
            for value in values:
                for sentence in ("call the office {}", "set it to {}", "text {} into the field"):
                    yield Case(kind, sentence.format(value), str(value), False)


def cases() -> list[Case]:
    """The whole set, the same each time."""
    rng = random.Random(0)
    return [*phones(), *other_personal(rng), *other_numbers(rng), *times_and_codes(rng)]


def is_right(case: Case, reader: RecordReader) -> bool:
    """Whether a case is read as it should be.

    Args:
        case: the case.
        reader: what reads it.
    """
    answer = {"name": "act", "arguments": case.arguments}
    (trace,) = reader.read({"question": case.request, "answer": answer}, "r").traces
    said = [trace.request, *map(str, trace.calls[0].arguments.values())]
    if case.personal:
        return not any(case.value in text for text in said)
    return trace.request == case.request and trace.calls[0].arguments == case.arguments


def table(made: list[Case]) -> dict[str, dict[str, Any]]:
    """What is measured of each kind of case.

    Args:
        made: the cases.

    Returns:
        kind -> `personal`, `cases`, `right`.
    """
    reader = RecordReader(None)
    rows: dict[str, dict[str, Any]] = {}
    for case in made:
        row = rows.setdefault(case.kind, {"personal": case.personal, "cases": 0, "right": 0})
        row["cases"] += 1
        row["right"] += is_right(case, reader)
    return rows


def totals(rows: dict[str, dict[str, Any]], prefix: str = "") -> dict[str, float]:
    """Precision and recall over rows.

    Args:
        rows: what :func:`table` gives.
        prefix: how the names of the personal rows begin that count; all others count in any case.
    """
    wanted = [row for kind, row in rows.items() if row["personal"] and kind.startswith(prefix)]
    found = sum(row["right"] for row in wanted)
    taken = sum(row["cases"] - row["right"] for row in rows.values() if not row["personal"])
    others = sum(row["cases"] for row in rows.values() if not row["personal"])
    return {
        "recall": found / sum(row["cases"] for row in wanted),
        "precision": found / (found + taken),
        "taken_by_mistake": taken / others,
    }


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    made = cases()
    started = time.process_time()
    rows = table(made)
    each = (time.process_time() - started) / len(made) * 1000
    print(f"{'kind':40} {'personal':9} {'cases':>6} {'right':>7}")
    for kind, row in rows.items():
        print(f"{kind:40} {row['personal']!s:9} {row['cases']:>6} {row['right'] / row['cases']:>7.1%}")
    found = {"all": totals(rows), "phone": totals(rows, "phone"), "cpu_ms": each}
    print(json.dumps(found))
    if given.json:
        given.json.write_text(json.dumps({"rows": rows, **found}) + "\n")


if __name__ == "__main__":
    main()
