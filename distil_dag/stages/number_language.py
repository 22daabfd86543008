"""JSON numbers between two bounds, as a language."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

from distil_dag.stages.answer_language import Bytes, Language

_WHOLE_DIGITS, _DECIMALS = 15, 9
_SHAPE = re.compile(r"(-?)(0|[1-9][0-9]*)?(?:(\.)([0-9]*))?")


@dataclass(frozen=True)
class Number(Language):
    """Numbers from `low` to `high` (None: no bound), both counted in units of the last decimal.

    At most 15 digits before the point and `decimals` behind it, no exponent, no negative zero.
    """

    low: int | None = None
    high: int | None = None
    decimals: int = 0
    text: str = ""

    @property
    def possible(self) -> bool:
        """True if there is such a number."""
        return bool(self.firsts)

    @cached_property
    def complete(self) -> bool:
        found = _SHAPE.fullmatch(self.text)
        if not found or not found[2] or (found[3] and not found[4]):
            return False
        value = int(Decimal(self.text).scaleb(self.decimals))
        return self._within(value, value) and not (found[1] and value == 0)

    @cached_property
    def firsts(self) -> Bytes:
        return frozenset(byte for byte in b"-0123456789." if self._may_begin(self.text + chr(byte)))

    def after(self, byte: int) -> Language:
        return replace(self, text=self.text + chr(byte))

    def _may_begin(self, text: str) -> bool:
        """Whether one of the numbers begins like this."""
        found = _SHAPE.fullmatch(text)
        if not found:
            return False
        minus, digits, point, fraction = found[1], found[2] or "", found[3], found[4] or ""
        if len(digits) > _WHOLE_DIGITS or len(fraction) > self.decimals or (point and not digits):
            return False
        if point:
            first = int(digits + fraction) * 10 ** (self.decimals - len(fraction))
            ranges = [(first, first + 10 ** (self.decimals - len(fraction)) - 1)] if self.decimals else []
        elif not digits:
            ranges = [(0, 10 ** (_WHOLE_DIGITS + self.decimals) - 1)]
        else:
            longer = 1 if digits == "0" else _WHOLE_DIGITS - len(digits) + 1
            units = [10 ** (self.decimals + more) for more in range(longer)]
            ranges = [(int(digits) * unit, (int(digits) + 1) * unit - 1) for unit in units]
        if minus:
            ranges = [(-last, -max(first, 1)) for first, last in ranges if last]
        return any(self._within(first, last) for first, last in ranges)

    def _within(self, first: int, last: int) -> bool:
        return (self.low is None or last >= self.low) and (self.high is None or first <= self.high)


def number(
    low: float | None, high: float | None, whole: bool, low_open: bool = False, high_open: bool = False
) -> Number:
    """Integers, or numbers, from `low` to `high`; an open bound is not among them."""
    decimals = 0 if whole else _DECIMALS

    def units(bound: float) -> Decimal:
        return Decimal(str(bound)).scaleb(decimals)

    least = None if low is None else math.floor(units(low)) + 1 if low_open else math.ceil(units(low))
    most = None if high is None else math.ceil(units(high)) - 1 if high_open else math.floor(units(high))
    return Number(least, most, decimals)
