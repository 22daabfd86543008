"""Values that the teacher proposes for an argument that takes any text of a kind."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

from distil_dag.core.case import Message
from distil_dag.stages.nlu.value_catalogue import ValueCatalogue, ValueKind, phrases
from distil_dag.stages.ports import ChatModel, Prompt
from distil_dag.stages.prompting.delimiters import one_line
from distil_dag.stages.prompting.prompt_files import render

_PROMPTS = 3
# A proposal is drawn more rarely than what seeds (1.0) or other traces (0.5) show.
_WEIGHT = 0.35


def propose_values(
    catalogue: ValueCatalogue, teacher: ChatModel, requests: Iterable[str], seed: int
) -> Counter[str]:
    """Let the teacher continue the list of values of each open argument, and add what it proposes.

    A proposal is kept if it fits the argument (:meth:`ValueCatalogue.fits`), and either several samples or a
    real request agree on it.

    Returns:
        How many proposals were `kept`, `refused` since they do not fit, and `unsupported`.
    """
    outcome: Counter[str] = Counter()
    texts = Counter(phrase for text in requests for phrase in phrases(text))
    kinds = [kind for kind in catalogue.kinds if catalogue.is_open(kind)]
    prompts = [_prompt(catalogue, kind, seed, n) for kind in kinds for n in range(_PROMPTS)]
    replies = teacher.generate(prompts) if prompts else []
    for place, kind in enumerate(kinds):
        votes: Counter[str] = Counter()
        for reply in replies[place * _PROMPTS : (place + 1) * _PROMPTS]:
            line = reply.text.split("\n")[0] if reply.finish != "error" else ""
            # The last item of a reply that ran out of tokens is half a value.
            items = line.split(",")[: None if reply.finish == "stop" else -1]
            votes.update({" ".join(item.casefold().strip(" .\"'").split()) for item in items})
        for value, count in sorted(votes.items()):
            if kind.known(value) or not catalogue.fits(kind, value):
                outcome["refused"] += 1
            elif count < 2 and not texts[value]:
                outcome["unsupported"] += 1
            else:
                kind.add(value, _WEIGHT, "proposed")
                outcome["kept"] += 1
    return outcome


def _prompt(catalogue: ValueCatalogue, kind: ValueKind, seed: int, number: int) -> Prompt:
    rng = random.Random(f"{seed}:widen:{kind.name}:{kind.slots}:{number}")
    known = [str(kind.values[key]) for key in sorted(kind.values) if kind.origin[key] == "seed"]
    shown = rng.sample(known, min(len(known), 8))
    tool, name = kind.slots[0]
    about = catalogue.toolset[tool].properties.get(name, {}).get("description") or name
    return Prompt(
        messages=(Message(role="user", content=render("widening", about=about, name=name)),),
        prefill=", ".join(map(one_line, shown)) + ",",
        max_tokens=40,
        temperature=0.8,
        seed=rng.randrange(2**31),
        stop=("\n",),
    )
