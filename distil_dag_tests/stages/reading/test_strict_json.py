"""The quick parser reads what the strict one reads, and nothing else."""

import json
import random
import struct
from typing import Any

import pytest

from distil_dag.stages.reading import strict_values
from distil_dag.stages.reading.strict_values import Unreadable, parse_json

TEXTS = [
    "-0",
    "-0.0",
    "1e400",
    "1E5",
    "5e-324",
    "1" * 400,
    "9223372036854775808",
    "0.1",
    "01",
    "+1",
    "1.",
    ".5",
    "1e",
    '"\\ud800"',
    '"\\ud83d\\ude00"',
    '"\\u0000"',
    '"\t"',
    '"\x7f"',
    '{"a": 1, "b": 2, "a": 3}',
    "[1,]",
    '{"a": 1,}',
    "NaN",
    "-Infinity",
    '{"a": [1.5, null, {"b": true}]}',
    "[" * 300 + "]" * 300,
    "\ufeff1",
    " 1 ",
    "1 2",
    "",
    '"\ud800"',
    '{"n": 123456789012345678901234567890}',
]


def read(text: Any) -> Any:
    try:
        return parse_json(text)
    except Unreadable as problem:
        return problem.reason


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("d", one) == struct.pack("d", other)
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def test_both_parsers_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, texts = random.Random(0), list(TEXTS)
    for _ in range(5_000):
        signs = list(rng.choice(TEXTS[:13] + TEXTS[18:26]))
        signs.insert(rng.randrange(len(signs) + 1), rng.choice('0123456789eE+-.,[]{}":\\ untrfals\n'))
        texts.append("".join(signs))
    quick = [read(text) for text in texts]

    def refuse(*_: Any, **__: Any) -> Any:
        raise ValueError

    monkeypatch.setattr(strict_values, "from_json", refuse)
    for text, found in zip(texts, quick, strict=True):
        assert same(found, read(text)), text
    assert json.loads(TEXTS[0]) == 0
