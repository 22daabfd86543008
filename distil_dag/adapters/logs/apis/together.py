"""Several questions to a service at a time, where each record needs one of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_AT_A_TIME = 8
_Question = TypeVar("_Question")
_Answer = TypeVar("_Answer")


def together(ask: Callable[[_Question], _Answer], questions: Iterable[_Question]) -> list[_Answer]:
    """The answers, in the order of the questions.

    Args:
        ask: Asks one; the first error ends all, and is raised.
        questions: What is asked.
    """
    pool = ThreadPoolExecutor(_AT_A_TIME)
    try:
        return list(pool.map(ask, questions))
    finally:
        pool.shutdown(cancel_futures=True)
