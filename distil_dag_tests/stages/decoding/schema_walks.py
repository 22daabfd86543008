"""Tools of any schema, and random answers under a grammar."""

from __future__ import annotations

import random
from typing import Any

from distil_dag.stages.decoding.byte_languages import Language


def tool(name: str = "act", required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"name": name, "parameters": schema}


def walk(language: Language, draw: random.Random, longest: int = 400) -> bytes:
    """A random text of the language, drawn to its end."""
    text = bytearray()
    while not (language.complete and (draw.random() < 0.3 or not language.firsts)):
        firsts = sorted(language.firsts)
        ends = [byte for byte in firsts if byte in b'"}],<>']
        byte = draw.choice(ends if ends and (len(text) > longest or draw.random() < 0.3) else firsts)
        text.append(byte)
        language = language.after(byte)
    return bytes(text)
