"""Settings of a trace source that name the environment, and the error when one does not work."""

from __future__ import annotations

import os
import re

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PASSWORD = re.compile(r"(://[^:/@]*:)(?!\$\{)(.*)(?=@)")
_SECRET_OPTION = re.compile(r"(?i)([?&][^=&]*(?:pass|secret|token|key)[^=&]*=)(?!\$\{)[^&]*")


class SourceError(ValueError):
    """A trace source that cannot be read as the task says: what is wrong, and what it has instead."""


class SourceUnavailable(SourceError):
    """A trace source that does not answer, and may do so later."""


def expand(text: str, setting: str) -> str:
    """The text with each `${NAME}` from the environment; SourceError names one that is not set."""

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if not found:
            raise SourceError(f"{setting} needs the environment variable {match[1]}, which is not set")
        return found

    return _VARIABLE.sub(value, text)


def masked(url: str) -> str:
    """The URL without its password and secret options; `${NAME}` in their place stays."""
    return _SECRET_OPTION.sub(r"\1***", _PASSWORD.sub(r"\1***", url))
