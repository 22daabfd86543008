"""Settings of a trace source that name the environment, and the error when one does not work."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class SourceError(ValueError):
    """A trace source that cannot be read as the task says: what is wrong, and what it has instead."""


def expand(text: str, setting: str, environ: Mapping[str, str] = os.environ) -> str:
    """The text with each `${NAME}` from the environment; SourceError names one that is not set."""

    def value(match: re.Match[str]) -> str:
        found = environ.get(match[1])
        if not found:
            raise SourceError(f"{setting} needs the environment variable {match[1]}, which is not set")
        return found

    return _VARIABLE.sub(value, text)
