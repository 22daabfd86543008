"""A household of lamps, its trusted cases, and teachers who write requests for it by a script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from distil_dag.core.case import Case, Example, Message
from distil_dag.core.settings import SynthesisSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.ports import OnReply, OnScore, Prompt, Reply, Score, unheeded
from distil_dag.stages.synthesis.generator import Synthetic, synthesize


def tool(name: str, **arguments: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "description": f"{name}.",
        "parameters": {"type": "object", "properties": arguments},
    }


TEXT = {"type": "string"}
TOOLS = Toolset.from_openai(
    [
        tool("lamp_on", room=TEXT, lamp=TEXT),
        tool("lamp_off", room=TEXT, lamp=TEXT),
        tool("set_heat", degrees={"type": "integer", "minimum": 5, "maximum": 30}, room=TEXT),
        tool("alarm", state={"type": "boolean"}),
    ]
)
ROOMS = ("kitchen", "bedroom", "hall", "living room", "bathroom", "garage")


def case(
    words: str, *calls: tuple[str, dict[str, Any]], history: tuple[Message, ...] = (), id: str = ""
) -> Example:
    return Example(
        id=id or words,
        messages=(*history, Message(role="user", content=words)),
        calls=tuple(ToolCall(name=name, arguments=arguments) for name, arguments in calls),
        origin="seed",
    )


def seeds() -> list[Example]:
    rows = []
    for room in ROOMS:
        rows.append(case(f"switch on the lights in the {room}", ("lamp_on", {"room": room})))
        rows.append(case(f"make it bright in the {room} now", ("lamp_on", {"room": room})))
        rows.append(case(f"switch off the lights in the {room}", ("lamp_off", {"room": room})))
        rows.append(case(f"make it dark in the {room} now", ("lamp_off", {"room": room})))
    for number in (15, 18, 20, 25):
        rows.append(
            case(
                f"heat the {ROOMS[number % 5]} to {number} degrees",
                ("set_heat", {"degrees": number, "room": ROOMS[number % 5]}),
            )
        )
        rows.append(case(f"set the temperature to {number}", ("set_heat", {"degrees": number})))
    rows += [
        case(f"arm the alarm {end}", ("alarm", {"state": True}))
        for end in ("please now", "for tonight", "when we leave")
    ]
    rows += [
        case(f"disarm the alarm {end}", ("alarm", {"state": False}))
        for end in ("please now", "for today", "when we come")
    ]
    rows += [
        case(f"what do you think of {thing}")
        for thing in ("jazz music", "this weather", "my cooking", "the news")
    ]
    return rows


class Scripted:
    """Answers each prompt by a function of its number and the planned call line; keeps what it was asked."""

    identity = "scripted"

    def __init__(self, answer: Callable[[int, str], str | Reply]) -> None:
        self.answer, self.asked = answer, []

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
        replies = []
        for prompt in prompts:
            said = self.answer(len(self.asked), prompt.messages[-1].content)
            self.asked.append(prompt)
            replies.append(said if isinstance(said, Reply) else Reply(said, "stop", 10, 5))
        return replies

    def score(self, items: Sequence[tuple[Prompt, str]], arrived: OnScore = unheeded) -> list[Score]:
        raise AssertionError("not needed")


LEADS = ("computer", "it is time to", "when possible", "right away", "quickly", "again", "listen", "go and")
TAILS = (
    "for the guests",
    "before dinner",
    "after work",
    "so i can sleep",
    "as we said",
    "one more time",
    "then",
)


def good(number: int, line: str) -> str:
    """A faithful teacher: other words each time, the planned values in them."""
    name, _, said = line.partition(": ")
    values = dict(part.split(" = ") for part in said.split(", ")) if said else {}
    lead, tail = LEADS[number % len(LEADS)], TAILS[number // len(LEADS) % len(TAILS)]
    place = f" in the {values['room']}" if "room" in values else ""
    core = {
        "lamp on": f"switch on the lights{place}",
        "lamp off": f"switch off the lights{place}",
        "set heat": f"heat the {values.get('room', 'place')} to {values.get('degrees')} degrees",
        "alarm": f"{'arm' if values.get('state') == 'True' else 'disarm'} the alarm",
        "no tool fits": "what do you think of",
    }[name]
    return f"{lead} {core} {tail}"


def run(
    answer: Callable[[int, str], str | Reply] = good,
    rows: int = 60,
    test: Sequence[Case] = (),
    cases: Sequence[Example] | None = None,
    context: Sequence[Case] = (),
    tools: Toolset = TOOLS,
    **settings: Any,
) -> tuple[Synthetic, Any, Scripted]:
    teacher = Scripted(answer)
    spec = SynthesisSpec(**({"rows": rows, "batch": 16, "widen": False} | settings))
    made, report = synthesize(seeds() if cases is None else cases, context, test, tools, spec, teacher)
    return made, report, teacher


def mumbles(number: int, line: str) -> str:
    """A weak teacher: a third of its words are for nothing that was planned, a third are odd."""
    if number % 3 == 0:
        return "switch on the thing right now"
    said = good(number, line)
    return said.replace("switch on the lights", "shrivel zealously yonder") if number % 3 == 1 else said
