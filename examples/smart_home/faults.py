"""How the old agent goes wrong: the kinds of mistakes that are planted in the log, and their share."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from household_words import AREAS, COLORS, COVERS, DEVICES, ITEMS, LISTS, TIMERS, Household

Call = tuple[str, dict[str, Any]]

# Share of the logged calls of each kind. A kind that a call does not allow (nothing to drop)
# falls to the next one.
KINDS = {
    "tool_swapped": 0.30,
    "value_changed": 0.26,
    "argument_dropped": 0.18,
    "argument_added": 0.14,
    "call_missed": 0.12,
}

_SWAPS = {
    "turn_on": ("turn_off",),
    "turn_off": ("turn_on",),
    "open_cover": ("close_cover", "turn_on"),
    "close_cover": ("open_cover", "turn_off"),
    "set_brightness": ("set_volume", "turn_on"),
    "set_volume": ("set_brightness", "pause_media"),
    "set_color": ("turn_on",),
    "set_temperature": ("turn_on", "turn_off"),
    "pause_media": ("turn_off",),
    "add_to_list": ("announce",),
    "announce": ("add_to_list",),
    "start_timer": ("announce",),
    "clean": ("turn_on", "turn_off"),
}
_TOOLS = {
    tool["function"]["name"]: tool["function"]["parameters"]
    for tool in json.loads(Path(__file__).with_name("job_description.json").read_text())["tools"]
}
ARGUMENTS = {name: tuple(schema["properties"]) for name, schema in _TOOLS.items()}
REQUIRED = {name: schema["required"][0] for name, schema in _TOOLS.items() if schema.get("required")}


def wrong_call(call: Call, house: Household, rng: random.Random) -> tuple[str, Call | None]:
    """A kind of fault and the call with it; None where the agent missed to call at all."""
    kinds = rng.choices(list(KINDS), weights=list(KINDS.values()), k=8)
    for kind in [*kinds, "value_changed", "call_missed"]:
        wrong = _FAULTS[kind](call, house, rng)
        if wrong != call:
            return kind, wrong
    raise AssertionError("a missed call differs from any call")


def invented_call(house: Household, rng: random.Random) -> Call:
    """A call where none was right."""
    tool = rng.choice(("turn_on", "turn_off", "set_temperature", "open_cover", "announce", "start_timer"))
    arguments = {name: _value(name, tool, house, rng) for name in ARGUMENTS[tool][:1]}
    if "area" in ARGUMENTS[tool] and rng.random() < 0.5:
        arguments["area"] = house.area(rng)
    return tool, arguments


def _swap_tool(call: Call, house: Household, rng: random.Random) -> Call:
    tool, arguments = call
    other = rng.choice(_SWAPS[tool])
    kept = {name: value for name, value in arguments.items() if name in ARGUMENTS[other]}
    needed = REQUIRED.get(other)
    if needed and needed not in kept:
        spoken = [str(value) for value in arguments.values() if isinstance(value, str)]
        spare = [value for value in spoken if value not in kept.values()]
        kept[needed] = spare[0] if spare else _value(needed, other, house, rng)
    return other, kept


def _change_value(call: Call, house: Household, rng: random.Random) -> Call:
    tool, arguments = call
    if not arguments:
        return call
    name = rng.choice(sorted(arguments))
    other = _value(name, tool, house, rng)
    return tool, {**arguments, name: other}


def _drop_argument(call: Call, house: Household, rng: random.Random) -> Call:
    tool, arguments = call
    optional = sorted(name for name in arguments if name != REQUIRED.get(tool))
    if not optional:
        return call
    dropped = rng.choice(optional)
    return tool, {name: value for name, value in arguments.items() if name != dropped}


def _add_argument(call: Call, house: Household, rng: random.Random) -> Call:
    """Mostly an argument that the tool has and nobody said; now and then one that it hasn't."""
    tool, arguments = call
    spare = [name for name in ARGUMENTS[tool] if name not in arguments]
    if spare and rng.random() < 0.85:
        name = rng.choice(spare)
        return tool, {**arguments, name: _value(name, tool, house, rng)}
    return tool, {**arguments, "room_id" if "area" in ARGUMENTS[tool] else "user": rng.randint(1, 40)}


def _miss_call(call: Call, house: Household, rng: random.Random) -> None:
    return None


_FAULTS: dict[str, Callable[[Call, Household, random.Random], Call | None]] = {
    "tool_swapped": _swap_tool,
    "value_changed": _change_value,
    "argument_dropped": _drop_argument,
    "argument_added": _add_argument,
    "call_missed": _miss_call,
}


def _value(name: str, tool: str, house: Household, rng: random.Random) -> Any:
    """A value that the argument could well have had."""
    match name:
        case "area":
            return rng.choice(house.areas if rng.random() < 0.7 else AREAS)
        case "device" if tool.endswith("cover"):
            return rng.choice(COVERS)
        case "device":
            return rng.choice(DEVICES[_DOMAINS.get(tool, "switch")])
        case "level":
            return rng.randrange(5, 101, 5)
        case "temperature":
            return rng.randint(16, 26)
        case "minutes":
            return rng.randrange(5, 60, 5)
        case "hours":
            return rng.randint(1, 8)
    return rng.choice({"color": COLORS, "list": LISTS, "name": TIMERS}.get(name, ITEMS))


_DOMAINS = {
    "set_brightness": "light",
    "set_color": "light",
    "set_temperature": "climate",
    "set_volume": "media_player",
    "pause_media": "media_player",
    "clean": "vacuum",
}
