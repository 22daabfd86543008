"""Secrets that a file spells out in the settings of a log's source: they would be kept with the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from distil_dag.adapters.system.environment import masked
from distil_dag.core.secret_settings import Place, literal_secrets

ADVICE = "set a variable of the environment and write ${NAME} in its place"
# Their secrets stand in their address, which is masked where it is kept.
_OTHERS = ("sql", "files", "huggingface")
_ADDRESSES = ("url", "path")
_SECTIONS = ("auth", "headers", "params", "body")


def secret_mistakes(source: Any) -> Iterator[tuple[Place, str]]:
    """What is wrong with the source of an API.

    Args:
        source: The section `traces` as it stands in the file.

    Returns:
        Places below the section and what to do, without any value.
    """
    if not isinstance(source, Mapping) or source.get("kind") in _OTHERS:
        return
    for name in _ADDRESSES:
        if isinstance(address := source.get(name), str) and masked(address) != address:
            yield (name,), f"holds a secret, which would be kept with the run; {ADVICE}"
    for name, held in source.items():
        if name in _SECTIONS and isinstance(held, (Mapping, list)):
            # `auth` has other settings too, so its own name says nothing of them.
            places = literal_secrets(held, (name,))
        elif name in _ADDRESSES or isinstance(held, (Mapping, list)):
            continue
        else:
            places = literal_secrets({name: held})
        for place in places:
            yield place, f"is a secret, and would be kept with the run; {ADVICE}"
