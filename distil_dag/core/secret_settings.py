"""Settings of a log's source that would hold a secret: only a variable of the environment may stand there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Place = tuple[str | int, ...]

VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET = frozenset(
    {
        "auth", "authorization", "authentication", "cookie", "token", "secret", "secrets", "password",
        "passwd", "passphrase", "pwd", "pass", "key", "apikey", "apitoken", "accesstoken", "authtoken",
        "credential", "credentials", "signature", "sig", "jwt",
    }
)  # fmt: skip
# `access_token_url` and `param_name` name something; they do not hold it.
_NAMES = frozenset({"url", "name", "param", "path", "type", "expiration", "location"})
_OTHER_KEYS = frozenset({"public", "sort", "order", "group", "partition", "primary", "page", "next"})
# What may stand beside a variable: `Bearer ${X}`, `Token token=${X}`, `${USER}:${PASSWORD}`.
_BESIDE = re.compile(r"""[A-Za-z]{0,14}(?:[\s:=;,"'-]+[A-Za-z]{0,14})*""")


def is_secret_name(name: str) -> bool:
    """Whether a setting, a header or a parameter of this name holds a secret."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[-1] in _NAMES or words[0] in _OTHER_KEYS:
        return False
    return any(word in _SECRET for word in words)


def is_left_to_environment(value: str) -> bool:
    """Whether a text is a variable of the environment, with words around it at most."""
    rest = VARIABLE.split(value)
    return not value or (len(rest) > 1 and all(len(part) <= 32 and _BESIDE.fullmatch(part) for part in rest))


def literal_secrets(value: Any, place: Place = (), secret: bool = False) -> Iterator[Place]:
    """Where a secret stands in settings.

    Args:
        value: A setting with all that is below it.
        place: Where it stands.
        secret: Whether the name of a setting above says that it is a secret.

    Returns:
        Places of settings, without their values.
    """
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from literal_secrets(inner, (*place, name), secret or is_secret_name(str(name)))
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            yield from literal_secrets(inner, (*place, number), secret)
    elif secret and value is not None and not is_left_to_environment(str(value)):
        yield place
