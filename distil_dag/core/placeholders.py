"""Placeholders such as `<EMAIL_1>`, which stand in place of personal data."""

from __future__ import annotations

import re

KINDS = ("API_KEY", "EMAIL", "IBAN", "IP", "CARD", "PHONE")
PLACEHOLDER = re.compile(rf"<({'|'.join(KINDS)})_(\d{{1,9}})>")


def is_placeholder(value: object) -> bool:
    """Whether a value is a text that is a placeholder and nothing else."""
    return isinstance(value, str) and PLACEHOLDER.fullmatch(value) is not None
