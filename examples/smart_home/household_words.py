"""What the users of the smart-home log say: their rooms, devices, lists and messages.

Every household uses a part of these, its favourites more often, so the log has a few common
words and a long tail.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import yaml

_WORDS = yaml.safe_load(Path(__file__).with_name("vocabulary.yaml").read_text(encoding="utf-8"))
AREAS: list[str] = _WORDS["areas"]
DEVICES: dict[str, list[str]] = _WORDS["devices"]
COVERS: list[str] = _WORDS["covers"]
COLORS: list[str] = _WORDS["colors"]
LISTS: list[str] = _WORDS["lists"]
TIMERS: list[str] = _WORDS["timers"]
ITEMS: list[str] = _WORDS["items"]
MESSAGES: list[str] = _WORDS["messages"]
CHIT_CHAT: list[str] = _WORDS["chit_chat"]
PEOPLE: list[str] = _WORDS["people"]
PERSONAL: list[str] = _WORDS["personal"]

_SIZES = {"switch": 9, "light": 5, "cover": 3, "climate": 2, "media_player": 3, "vacuum": 1}


@dataclass(frozen=True)
class Household:
    """One house: its users and its own words, favourites first."""

    users: tuple[str, ...]
    areas: tuple[str, ...]
    devices: dict[str, tuple[str, ...]]

    def area(self, rng: random.Random) -> str:
        return favourite(self.areas, rng)

    def device(self, domain: str, rng: random.Random) -> str:
        return favourite(self.devices[domain], rng)


def households(count: int, rng: random.Random) -> list[Household]:
    """That many houses, each with a kitchen, a living room and its own part of the vocabulary."""
    return [
        Household(
            users=tuple(f"user-{place:02d}{letter}" for letter in "abc"[: rng.randint(1, 3)]),
            areas=tuple(_own(AREAS, 9, rng)),
            devices={domain: tuple(_own(words, _SIZES[domain], rng)) for domain, words in DEVICES.items()},
        )
        for place in range(count)
    ]


def favourite(words: tuple[str, ...] | list[str], rng: random.Random) -> str:
    """A word, the earlier ones more often (weights 1, 1/2, 1/3, ...)."""
    return rng.choices(words, weights=[1 / place for place in range(1, len(words) + 1)])[0]


def _own(words: list[str], size: int, rng: random.Random) -> list[str]:
    """A few of the words that every house has, the rest of the size from anywhere."""
    common = rng.sample(words[: size + 3], size // 3)
    rare = rng.sample([word for word in words if word not in common], size - len(common))
    own = common + rare
    rng.shuffle(own)
    return own
