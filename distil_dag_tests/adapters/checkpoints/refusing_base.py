"""Tiny bases whose chat templates refuse conversations."""

from __future__ import annotations

from pathlib import Path

from family_models import write_base

ONE_TURN = "{% if messages|length > 1 %}{{ raise_exception('one turn only') }}{% endif %}"
NOTHING = "{{ raise_exception('no chats') }}"


def write_refusing_base(folder: Path, embedded: Path, refusal: str) -> Path:
    """Write a base with Gemma's template behind a refusal, and words of the embedded model."""
    base = write_base("gemma3", folder / "base", embedded)
    path = base / "chat_template.jinja"
    path.write_text(refusal + path.read_text())
    return base
