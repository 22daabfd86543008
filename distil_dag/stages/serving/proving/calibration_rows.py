"""Answers to rows that were set aside, as a student's file carries them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

ScoredRow = tuple[float, bool]
"""The natural log of an answer's probability, and whether the answer is right."""

# Key-value of a GGUF file.
KEY = "distil_dag.calibration_rows"
# Digits that rank answers; further ones depend on the order in which a machine adds up.
_DIGITS = 4


def key_values(rows: Sequence[ScoredRow]) -> dict[str, str]:
    """The rows as a key-value of a GGUF file; those without a finite score are left out."""
    kept = [[_rounded(score), int(right)] for score, right in rows if math.isfinite(score)]
    return {KEY: json.dumps(kept, separators=(",", ":"))} if kept else {}


def from_key_values(carried: Mapping[str, str]) -> list[ScoredRow]:
    """The rows that a file carries.

    Args:
        carried: all key-values of the file.

    Returns:
        The inverse of :func:`key_values`; none for a file without them.

    Raises:
        ValueError: for a key-value that holds no rows.
    """
    try:
        return [(float(score), bool(right)) for score, right in json.loads(carried.get(KEY, "[]"))]
    except (TypeError, ValueError) as error:
        raise ValueError(f"the key-value {KEY} is damaged: {error}") from None


def _rounded(score: float) -> float:
    return float(f"{score:.{_DIGITS}g}")
