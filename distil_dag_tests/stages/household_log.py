"""A small log of a household assistant, made of a few phrases, with known faults."""

from __future__ import annotations

import random
from collections.abc import Sequence

from distil_dag.core.case import Message, Trace
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Tool, Toolset
from distil_dag.stages.ports import OnReply, OnScore, Prompt, Reply, Score, unheeded

AREAS = ("kitchen", "bedroom", "garage", "living room", "attic", "hall", "cellar", "office")
DEVICES = ("lamp", "fan", "radio", "heater", "desk lamp", "television")
ON = ("turn on the {d} in the {a}", "switch on the {a} {d}", "please activate {d} in {a}", "turn the {d} on")
OFF = ("turn off the {d} in the {a}", "switch off the {a} {d}", "shut down {d} in {a}", "turn the {d} off")
DIM = ("dim the {a} to {n} percent", "set brightness in the {a} to {n}", "make the {d} {n} percent bright")
TALK = ("tell me a joke", "what is the capital of {c}", "how is the weather in {c}", "who wrote {c}")

_STRING, _NUMBER = {"type": "string"}, {"type": "integer"}
TOOLSET = Toolset(
    [
        Tool(
            name=name,
            description=about,
            parameters={
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": False,
            },
        )
        for name, about, properties, required in (
            ("turn_on", "Switch a device on.", {"device": _STRING, "area": _STRING}, ["device"]),
            ("turn_off", "Switch a device off.", {"device": _STRING, "area": _STRING}, ["device"]),
            (
                "set_brightness",
                "Set the brightness.",
                {"level": _NUMBER, "area": _STRING, "device": _STRING},
                ["level"],
            ),
        )
    ],
    "Control a household.",
)


def trace(number: int | str, request: str, *calls: ToolCall, **more: object) -> Trace:
    name = f"t{number:04d}" if isinstance(number, int) else number
    return Trace(id=name, messages=(Message(role="user", content=request),), calls=calls, **more)


def call(name: str, **arguments: object) -> ToolCall:
    return ToolCall(name=name, arguments=arguments)


def clean_log(size: int, seed: int = 0) -> list[Trace]:
    rng = random.Random(seed)
    rows = []
    for n in range(size):
        kind = rng.choice(("turn_on", "turn_off", "set_brightness", "talk"))
        area, device, level = rng.choice(AREAS), rng.choice(DEVICES), rng.randrange(5, 100, 5)
        phrase = rng.choice({"turn_on": ON, "turn_off": OFF, "set_brightness": DIM, "talk": TALK}[kind])
        city = f"{rng.choice('bcdfgklmnprst')}{rng.choice('aeiou')}{rng.choice(('ris', 'na', 'mont', 'lin'))}"
        words = phrase.format(a=area, d=device, n=level, c=city)
        arguments: dict[str, object] = {"level": level} if kind == "set_brightness" else {}
        arguments |= {"device": device} if "{d}" in phrase else {}
        arguments |= {"area": area} if "{a}" in phrase else {}
        rows.append(trace(n, words, *([] if kind == "talk" else [call(kind, **arguments)])))
    return rows


def faulty_log(size: int, share: float, seed: int = 0) -> tuple[list[Trace], dict[str, bool]]:
    """The log with a share of wrong calls, and for each trace id whether its calls are right."""
    rng = random.Random(f"faults {seed}")
    rows, right = [], {}
    for row in clean_log(size, seed):
        right[row.id] = rng.random() >= share
        rows.append(row if right[row.id] else row.model_copy(update={"calls": _wrong(rng, row.calls)}))
    return rows, right


def _wrong(rng: random.Random, calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
    if not calls:
        return (call("turn_on", device=rng.choice(DEVICES)),)
    name, arguments = calls[0].name, dict(calls[0].arguments)
    kind = rng.choice(("tool", "value", "argument", "none"))
    if kind == "none":
        return ()
    if kind == "tool" and name != "set_brightness":
        return (call("turn_off" if name == "turn_on" else "turn_on", **arguments),)
    if kind == "argument" and "area" in arguments:
        del arguments["area"]
    elif "area" not in arguments:
        arguments["area"] = rng.choice(AREAS)
    elif "level" in arguments:
        arguments["level"] = (int(str(arguments["level"])) + 30) % 100
    else:
        arguments["area"] = rng.choice([area for area in AREAS if area != arguments["area"]])
    return (call(name, **arguments),)


class SilentModel:
    """A model to which everything is equally likely, and that has nothing to say."""

    identity = "silent"

    def __init__(self) -> None:
        self.asked: list[Prompt] = []

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
        self.asked += prompts
        return [Reply("", "stop") for _ in prompts]

    def score(self, items: Sequence[tuple[Prompt, str]], arrived: OnScore = unheeded) -> list[Score]:
        self.asked += [prompt for prompt, _ in items]
        return [Score(-1.0, 1) for _ in items]
