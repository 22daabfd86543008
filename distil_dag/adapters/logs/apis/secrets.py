"""What may never be said of a service: the secrets that are sent to it, in every spelling."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote, quote_plus

from distil_dag.adapters.system.environment import unexpanded
from distil_dag.core.secret_settings import VARIABLE, is_secret_name

_LEAST = 4
# Whatever else a service does to a text, it leaves letters and digits as they are.
_RUN = re.compile(r"[A-Za-z0-9]{6,}")
_ENCODED: tuple[Callable[[str], str], ...] = (
    str,
    quote,
    partial(quote, safe=""),
    quote_plus,
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    html.escape,
)


class Secrets:
    """The variables that settings name, and what headers were made of them."""

    def __init__(self, *settings: Any) -> None:
        """Collect the variables.

        Args:
            settings: Texts, mappings and lists.
        """
        self._text = json.dumps(settings, default=dict)
        names = {found[2:-1] for found in VARIABLE.findall(self._text)}
        self._values = {name: value for name in names if (value := os.environ.get(name))}

    def hidden(self, said: str, request: Any = None) -> str:
        """A text without any of them.

        Args:
            said: What a service or a library says.
            request: The request that was sent, if there was one.
        """
        if request is not None:
            for name, value in request.headers.items():
                if is_secret_name(name):
                    said = _without(said, str(value), "***")
        # The longest first: one may be a part of another.
        for name, value in sorted(self._values.items(), key=lambda item: -len(item[1])):
            said = _without(said, value, f"${{{name}}}")
        return unexpanded(said, self._text)


def _without(said: str, value: str, sign: str) -> str:
    if len(value) < _LEAST:
        return said
    for spelled in sorted({two(one(value)) for one in _ENCODED for two in _ENCODED}, key=len, reverse=True):
        said = said.replace(spelled, sign)
    for run in _RUN.findall(value) if "://" not in value else ():
        said = said.replace(run, "***")
    return said
