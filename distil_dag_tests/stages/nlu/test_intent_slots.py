"""What the small reader of requests learns from trusted calls."""

from __future__ import annotations

import itertools

from distil_dag.core.case import Example, Message
from distil_dag.core.tool_call import ToolCall
from distil_dag.stages.nlu.intent_slots import IntentSlotModel, doubtful

DOOR, LIGHT = ToolCall(name="open_door"), ToolCall(name="light_on")


def both_ways() -> list[Example]:
    """Requests for two calls, logged in either order, beside requests for one of them."""
    places, found = ("attic", "cellar", "garage", "hall", "kitchen", "office", "porch", "studio"), []
    for place, (words, calls) in itertools.product(
        range(len(places)),
        [("open the door of the {}", (DOOR,)), ("light the {}", (LIGHT,)),
         ("open up and light the {}", (DOOR, LIGHT)), ("light and open up the {}", (LIGHT, DOOR))],
    ):  # fmt: skip
        swapped = calls[::-1] if place % 2 else calls
        turn = Message(role="user", content=words.format(places[place]))
        found.append(Example(id=f"{len(found)}", messages=(turn,), calls=swapped, origin="seed"))
    return found


def test_parallel_calls_are_one_answer_in_either_order() -> None:
    reader = IntentSlotModel(both_ways())
    (chances,) = reader.read_tools(["open up and light the barn"])
    assert set(chances) == {"light_on", "light_on + open_door", "open_door"}
    assert chances["light_on + open_door"] > 0.8
    assert doubtful(both_ways()) == set()
