"""Placeholders of personal data, such as `<EMAIL_1>`: what stands where a value stood."""

from __future__ import annotations

import re

KINDS = ("API_KEY", "EMAIL", "IBAN", "IP", "CARD", "PHONE")
PLACEHOLDER = re.compile(rf"<({'|'.join(KINDS)})_(\d{{1,9}})>")


def is_placeholder(value: object) -> bool:
    """True for a text that is a placeholder and nothing else."""
    return isinstance(value, str) and PLACEHOLDER.fullmatch(value) is not None
