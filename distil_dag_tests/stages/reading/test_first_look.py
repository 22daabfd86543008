"""A text that any pattern of personal data may match passes the first look."""

import random
import re

import pytest

from distil_dag.stages.reading.redaction.first_look import is_worth_a_look

GAPS = r"[\s().\u2010-\u2013/-]{0,3}"
# What every pattern needs somewhere, as one pattern of alternatives.
NEEDED = re.compile(
    rf"[@\uff20]|\d(?:{GAPS}\d){{6}}|\d\.\d{{1,3}}\.\d{{1,3}}\.\d"
    r"|[0-9a-fA-F]:[0-9a-fA-F]{0,4}:|[A-Za-z]{2}\d{2}"
    r"|(?a:\b)(?:[spr]k[_-]|gh[pousr]_|github_|glpat-|A[KS]IA|xox|AIza|hf_|npm_|dop_|SG\.|eyJ)"
    r"|(?a:\b)(?i:bearer)|BEGIN "
)
PIECES = [
    *"aAbB09:._-+@()/ ;",
    "\uff20",
    "\u0664",
    "\u2013",
    "sk-",
    "pk_",
    "ghp_",
    "github_pat_",
    "glpat-",
    "AKIA",
    "ASIA",
    "xoxb-",
    "AIza",
    "hf_",
    "npm_",
    "dop_v1_",
    "SG.",
    "eyJ",
    "Bearer ",
    "bEaReR ",
    "BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    "DE89",
    "10.0.0.1",
    "fe80::1",
    "example.com",
    "x" * 20,
    "A1" * 10,
    "3704 0044",
    "555",
    "1234567",
    "\n",
    "\xe9",
    "\u4e2d",
]


def test_a_text_with_what_a_pattern_needs_is_worth_a_look() -> None:
    rng, found = random.Random(0), 0
    for _ in range(20_000):
        text = "".join(rng.choices(PIECES, k=rng.randrange(1, 9)))
        if NEEDED.search(text):
            found += 1
            assert is_worth_a_look(text), text
    assert 5_000 < found < 20_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "set the living room light to 45 percent",
        "task_id: risk-level 7",
        "Call at 10:30 on 12.11.",
        "x" * 300,
    ],
)
def test_most_texts_are_not(text: str) -> None:
    assert not is_worth_a_look(text)


def test_a_long_text_is_looked_at_as_a_short_one_is() -> None:
    assert is_worth_a_look("word " * 100 + "bob@example.com")
    assert is_worth_a_look("word " * 10_000 + "bob@example.com")
