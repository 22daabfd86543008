"""Requests with the call that each asks for, sampled from Home Assistant's own sentence templates.

The templates come from the package `home-assistant-intents` (Apache-2.0), which recognises what
people may say; `hassil` parses and samples them. One rule says which words become which
argument: an argument is what the words say, as they say it, without its article. Nothing is
inferred; what is not said is left out.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from hassil import Intents
from hassil.expression import (
    Alternative,
    Expression,
    ListReference,
    Permutation,
    RuleReference,
    Sentence,
    Sequence,
    TextChunk,
)
from hassil.parse_expression import parse_sentence
from hassil.sample import sample_sentence
from home_assistant_intents import get_intents
from household_words import (
    CHIT_CHAT,
    COLORS,
    COVERS,
    DEVICES,
    ITEMS,
    LISTS,
    MESSAGES,
    PEOPLE,
    PERSONAL,
    TIMERS,
    Household,
    favourite,
)

# A recogniser's rules accept more than people say ("bring the lights throughout the den out"):
# these say it as people do, the commoner words more often.
_RULES = {
    "all": "(all the|all of the|all)",
    "the": "(the|the|the|my|our)",
    "here": "([in] here|in this room)",
    "in": "in",
    "turn": "(turn|turn|switch)",
    "set": "(set|set|make|change|turn)",
    "numeric_value_set": "(set|set|change|turn)",
    "temp": "(temperature|temperature|temp)",
    "open": "(open|open|raise)",
    "close": "(close|close|shut|lower)",
    "light": "(lights|lights|lights|light)",
    "media": "(music|movie|song|[tv] show)",
    "timer_set": "(set|set|start|create)",
    "is": "are",
    "are_any": "are any",
    "are_all": "are all the",
    "which": "which",
    "how_many": "how many",
    "what_is": "(what's|what is|tell me)",
}
# Lists of the templates whose words say a number without naming it ("maximum", "half an hour").
_LEFT_OUT = ("brightness_level", "timer_half")
_UNNATURAL = re.compile(
    r"\b(the|my|our|an?|all) (the|my|our|an?)\b|\ball (my|our)\b|\bevery\b"  # two articles
    r"|\b(my|our) (brightness|volume|temp|temperature|color)\b"
    r"|\b(all|which|many|any)\b.*\b(light|awning|blind|curtain|door|gate|window)\b"
    r"|\ban (?!8|11\b|18\b)|\ba (8|11\b|18\b)|-(minutes|hours)|\b1 (hours|minutes)\b"
    r"|\bfor (?!1\b)\d+[ -](minute|hour)\b|\b(minutes|hours) timer"
    r"|\bhours? (and )?\d+[ -]minute\b(?!.* timer)|\bhours (and )?\d+[ -]minute\b"
    r"|\bto (on|off)$|^(light up|illuminate|light it)\b|°|\d%? brightness$| %|degree$|^make .* to "
    r"|^(raise|lower) .*\b(windows?|door|gate|hatch|skylight|flap)\b"
    r"|^(set|turn|change) (up|down)\b|^turn .*\b(brightness|color|temp|temperature) |^change .*volume"
    r"|^put .* in |\bthat (send|email|call|ask|everybody|please|who|time|happy|shoes|turn|feed|homework)\b"
    r"|^do you know|\bvalue\b|^tell me the weather like"
    r"|^(how's|hows|how is) |^(what's|what is) (?!the)|^tell me (?!the)"
)


@dataclass(frozen=True)
class Request:
    """What a user says, and the call that was right: a tool's name and arguments, or none."""

    words: str
    tool: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """One block of the package's templates, the tool it stands for and how often it is said."""

    tool: str | None
    intent: str
    slots: str
    domain: str = ""
    weight: float = 1.0


SOURCES = (
    Source("turn_on", "HassTurnOn", "area_domain", "light", 5),
    Source("turn_on", "HassTurnOn", "domain_only", "light", 1),
    Source("turn_on", "HassTurnOn", "name_only", "switch", 5),
    Source("turn_on", "HassTurnOn", "name_area", "switch", 4),
    Source("turn_off", "HassTurnOff", "area_domain", "light", 5),
    Source("turn_off", "HassTurnOff", "domain_only", "light", 1),
    Source("turn_off", "HassTurnOff", "name_only", "switch", 5),
    Source("turn_off", "HassTurnOff", "name_area", "switch", 4),
    Source("open_cover", "HassTurnOn", "area_device_class_cover", "cover", 4),
    Source("open_cover", "HassTurnOn", "device_class_cover", "cover", 1.5),
    Source("open_cover", "HassTurnOn", "name_only", "cover", 2),
    Source("open_cover", "HassTurnOn", "name_area", "cover", 1.5),
    Source("close_cover", "HassTurnOff", "area_device_class_cover", "cover", 4),
    Source("close_cover", "HassTurnOff", "device_class_cover", "cover", 1.5),
    Source("close_cover", "HassTurnOff", "name_only", "cover", 2),
    Source("close_cover", "HassTurnOff", "name_area", "cover", 1.5),
    Source("set_brightness", "HassLightSet", "area_brightness", "light", 5),
    Source("set_brightness", "HassLightSet", "name_brightness", "light", 4),
    Source("set_brightness", "HassLightSet", "brightness_only", "light", 1.5),
    Source("set_color", "HassLightSet", "area_color", "light", 4),
    Source("set_color", "HassLightSet", "name_color", "light", 3),
    Source("set_color", "HassLightSet", "color_only", "light", 1.5),
    Source("set_temperature", "HassClimateSetTemperature", "area_temperature", "", 4),
    Source("set_temperature", "HassClimateSetTemperature", "name_temperature", "climate", 3.5),
    Source("set_temperature", "HassClimateSetTemperature", "temperature_only", "", 2),
    Source("set_volume", "HassSetVolume", "area_only", "", 3),
    Source("set_volume", "HassSetVolume", "name_only", "media_player", 4),
    Source("set_volume", "HassSetVolume", "default", "", 1.5),
    Source("pause_media", "HassMediaPause", "area_only", "", 3),
    Source("pause_media", "HassMediaPause", "name_only", "media_player", 2.5),
    Source("pause_media", "HassMediaPause", "default", "", 1.5),
    Source("add_to_list", "HassListAddItem", "name_item", "todo", 6),
    Source("add_to_list", "HassShoppingListAddItem", "item_only", "", 3),
    Source("start_timer", "HassStartTimer", "minutes_only", "", 3),
    Source("start_timer", "HassStartTimer", "hours_only", "", 1.5),
    Source("start_timer", "HassStartTimer", "hours_minutes", "", 2),
    Source("start_timer", "HassStartTimer", "name_minutes", "", 3),
    Source("start_timer", "HassStartTimer", "name_hours", "", 1.5),
    Source("clean", "HassVacuumCleanArea", "area_only", "", 4),
    Source("clean", "HassVacuumCleanArea", "name_area", "vacuum", 2.5),
    Source("clean", "HassVacuumStart", "name_only", "vacuum", 1.5),
    Source("announce", "HassBroadcast", "message_only", "", 5),
)
# Close to a tool's words, yet no tool serves them.
NO_CALL_SOURCES = (
    Source(None, "HassClimateGetTemperature", "area_only", "", 3),
    Source(None, "HassGetWeather", "default", "", 1),
    Source(None, "HassGetCurrentTime", "default", "", 1),
    Source(None, "HassGetState", "domain_state_area", "light", 3),
    Source(None, "HassGetState", "domain_state", "light", 1),
    Source(None, "HassGetState", "device_class_state_area", "cover", 2.5),
    Source(None, "HassGetState", "name_only", "light", 1.5),
    Source(None, "HassTimerStatus", "name_only", "", 2),
    Source(None, "HassTimerStatus", "default", "", 1),
)
# Some templates leave the verb out; without it these say too little.
_VERBS = {
    "turn_on": ("turn", "switch", "activate", "lights on"),
    "turn_off": ("turn", "switch", "deactivate", "lights off", "lights out"),
    "set_brightness": ("set", "change", "turn"),
    "set_color": ("set", "change", "turn", "make"),
    "set_volume": ("set", "turn"),
    "pause_media": ("pause", "stop playing", "stop the"),
}
# Without one of these, "turn the den up to 30" may as well be about its lights.
_MEDIA = r"\b(volume|music|shows?|media)\b"
_NAMED = {name for names in (COVERS, *DEVICES.values()) for name in names}
# A place or device behind one of these lacks its "in" or "on".
_RUN_ON = r"on|off|out|music|shows?|media|players?|volume|percent|\d%?"


def sample_request(house: Household, rng: random.Random) -> Request:
    """A command that one tool serves."""
    source = rng.choices(SOURCES, weights=[source.weight for source in SOURCES])[0]
    return _sample(source, house, rng)


def sample_question(house: Household, rng: random.Random) -> Request:
    """A question or chit-chat that no tool serves."""
    if rng.random() < 0.25:
        return Request(rng.choice(CHIT_CHAT))
    source = rng.choices(NO_CALL_SOURCES, weights=[source.weight for source in NO_CALL_SOURCES])[0]
    return Request(_sample(source, house, rng).words)


def _sample(source: Source, house: Household, rng: random.Random) -> Request:
    intents, rules = _grammar()
    data = intents.intents[source.intent].data
    texts = [
        text
        for block in data
        if block.metadata["slot_combination"] == source.slots
        and (not source.domain or source.domain in block.domains)
        for text in block.sentence_texts
        if not any(name in text for name in _LEFT_OUT)
    ]
    while True:
        template = parse_sentence(rng.choice(texts))
        said: dict[str, Any] = {}
        fill = _filler(source, house, rng, said)
        chosen = Sentence(_choose(template.expression, rules, fill, rng))
        words = next(iter(sample_sentence(chosen))).strip()
        if not _UNNATURAL.search(words) and _fits(source, words, said):
            return Request(words, source.tool, _arguments(source, words, said))


def _choose(
    part: Expression, rules: dict[str, Sentence], fill: Callable[[str, str], str], rng: random.Random
) -> Expression:
    """The part of a template with one way to say it: alternatives drawn, slots filled."""
    if isinstance(part, Alternative):
        return _choose(rng.choice(part.items), rules, fill, rng)
    if isinstance(part, Permutation):
        order = rng.sample(part.items, len(part.items))
        return Sequence(items=[_choose(item, rules, fill, rng) for item in order])
    if isinstance(part, Sequence):
        return Sequence(items=[_choose(item, rules, fill, rng) for item in part.items])
    if isinstance(part, RuleReference):
        spoken = _choose(rules[part.rule_name].expression, rules, fill, rng)
        if part.rule_name == "light":
            word = next(iter(sample_sentence(Sentence(spoken))))
            return TextChunk(fill("light", word))
        return spoken
    if isinstance(part, ListReference):
        return TextChunk(fill(part.list_name, part.slot_name))
    return part


def _filler(
    source: Source, house: Household, rng: random.Random, said: dict[str, Any]
) -> Callable[[str, str], str]:
    """What fills the slots of a template; notes what it said under the argument's name."""

    def number(name: str, choices: list[int]) -> str:
        said[name] = rng.choice(choices)
        return str(said[name])

    def word(name: str, value: str) -> str:
        said[name] = value
        return value

    def fill(list_name: str, slot: str) -> str:
        match list_name:
            case "light":
                return word("device", slot)
            case "area":
                return word("area", house.area(rng))
            case "name" if source.intent == "HassListAddItem":
                return word("list", favourite(LISTS, rng))
            case "name":
                return word("device", house.device(source.domain, rng))
            case "cover_classes":
                return word("device", favourite(COVERS, rng))
            case "cover_states":
                return rng.choice(["open", "closed"])
            case "on_off_states":
                return rng.choice(["on", "off"])
            case "color":
                return word("color", rng.choice(COLORS))
            case "brightness" | "volume":
                return number("level", [*range(5, 101, 5), rng.randint(1, 99)])
            case "temperature":
                return number("temperature", list(range(16, 27)) + list(range(60, 80, 2)))
            case "timer_minutes":
                return number("minutes", [*range(5, 60, 5), *range(2, 60)])
            case "timer_hours":
                return number("hours", list(range(1, 9)))
            case "timer_name":
                return word("name", favourite(TIMERS, rng))
            case "todo_list_item" | "shopping_list_item":
                return word("item", _text(ITEMS, rng))
            case "message":
                return word("message", _text(MESSAGES, rng))
        raise KeyError(f"{source.intent}: no words for the list {list_name!r}")

    return fill


def _text(choices: list[str], rng: random.Random) -> str:
    """An item or message; one in twenty holds an e-mail address or a phone number."""
    if rng.random() < 0.05:
        return rng.choice(PERSONAL).format(person=rng.choice(PEOPLE))
    return rng.choice(choices).format(number=rng.randint(2, 45), hour=rng.randint(5, 11))


def _fits(source: Source, words: str, said: dict[str, Any]) -> bool:
    """Refuse what the templates allow and nobody says, and what the one rule cannot label."""
    area, device = str(said.get("area", "")), str(said.get("device", ""))
    if f"{area} {device}" in _NAMED:  # "garage door": a device of that name, or the door of the garage?
        return False
    if area and (area in device or re.search(rf"\b{re.escape(area)} (the|my|our)\b", words)):
        return False
    place = rf"((the|my|our) )?({re.escape(area or device)}|{re.escape(device or area)})$"
    if (area or device) and re.search(rf"({_RUN_ON}|{re.escape(device) or 'lights'}) {place}", words):
        return False
    if area and re.search(rf"\bvolume ((the|my|our) )?{area}\b", words):
        return False
    if source.domain == "light" and words.startswith(("activate", "deactivate")):
        return False
    if source.tool in ("set_volume", "pause_media") and area and not re.search(_MEDIA, words):
        return False
    if source.tool in _VERBS:
        return words.startswith(_VERBS[source.tool])
    if source.slots == "name_only" and source.intent == "HassGetState":
        return "state" in words
    if source.tool == "add_to_list":
        return re.search(r" (the|my) (\S+ )*list$", words) is not None
    return (
        source.tool is not None or re.search(rf"(open|closed|on|off) ((the|my|our) )?{area}$", words) is None
    )


def _arguments(source: Source, words: str, said: dict[str, Any]) -> dict[str, Any]:
    if source.intent == "HassShoppingListAddItem" and words.endswith("shopping list"):
        said["list"] = "shopping"
    return dict(said)


@cache
def _grammar() -> tuple[Intents, dict[str, Sentence]]:
    data = get_intents("en")
    if data is None:
        raise FileNotFoundError("home-assistant-intents has no English sentences: install distil_dag[demo]")
    intents = Intents.from_dict(data)
    rules = dict(intents.expansion_rules)
    rules.update({name: parse_sentence(text) for name, text in _RULES.items()})
    return intents, rules
