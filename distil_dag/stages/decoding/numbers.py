"""JSON numbers between two bounds, as a language."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import groupby

from distil_dag.stages.decoding.byte_languages import Bytes, Language, Literal, choice, sequence

# An unsigned 64-bit number has 20 digits, and a float that is written without exponent 20 decimals at most.
_WHOLE_DIGITS, _DECIMALS = 20, 20
# Exponents that floats are written with, and 17 digits at most; beyond lie subnormal ones and infinity.
_EXPONENTS = (range(-307, -4), range(16, 308))
_MANTISSA_DECIMALS = 16
_SHAPE = re.compile(r"(-?)(0|[1-9][0-9]*)?(?:(\.)([0-9]*))?")


@dataclass(frozen=True)
class Number(Language):
    """Multiples of `step` from `low` to `high` (None: no bound), all counted in units of the last decimal.

    At most 20 digits before the point and `decimals` behind it, no exponent, no negative zero.
    """

    low: int | None = None
    high: int | None = None
    decimals: int = 0
    step: int = 1
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
        value = int(found[2] + (found[4] or "").ljust(self.decimals, "0"))
        if found[1]:
            return value > 0 and self._within(-value, -value)
        return self._within(value, value)

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
        """Whether one of the numbers lies from `first` to `last`."""
        first = first if self.low is None else max(first, self.low)
        last = last if self.high is None else min(last, self.high)
        return -(-first // self.step) * self.step <= last


@lru_cache(maxsize=256)
def number(
    low: float | None,
    high: float | None,
    whole: bool,
    low_open: bool = False,
    high_open: bool = False,
    step: float | None = None,
) -> Language | None:
    """Integers, or numbers, as JSON writes them, from `low` to `high` (no bound if None).

    An open bound is not among them. Where there is a step, they are multiples of it. None if no number lies
    between.
    """
    least = None if low is None else Fraction(str(low))
    most = None if high is None else Fraction(str(high))
    every = None if step is None else Fraction(str(step))
    if whole:
        plain = Number(
            None if least is None else math.floor(least) + 1 if low_open else math.ceil(least),
            None if most is None else math.ceil(most) - 1 if high_open else math.floor(most),
            step=1 if every is None else every.numerator,
        )
        return plain if plain.possible else None
    # They are read as floats: what is nearer to an open bound than the next float would be read as the bound.
    if low is not None and low_open:
        least = Fraction(str(math.nextafter(low, math.inf)))
    if high is not None and high_open:
        most = Fraction(str(math.nextafter(high, -math.inf)))
    decimals = _DECIMALS if every is None else _decimals(every)
    unit = Fraction(1, 10**decimals)
    plain = Number(
        None if least is None else math.ceil(least / unit),
        None if most is None else math.floor(most / unit),
        decimals,
        1 if every is None else (every / unit).numerator,
    )
    negative = _with_exponents(None if most is None else -most, None if least is None else -least, every)
    ways: list[Language] = [plain] if plain.possible else []
    ways += _with_exponents(least, most, every)
    ways += (sequence(Literal(b"-"), way) for way in negative)
    return choice(ways) if ways else None


def _decimals(step: Fraction) -> int:
    """Decimals that write all multiples of a step; one at least, since 20.0 is a number as well."""
    found = 1
    while found < _DECIMALS and (step * 10**found).denominator != 1:
        found += 1
    return found


def _with_exponents(low: Fraction | None, high: Fraction | None, step: Fraction | None) -> Iterator[Language]:
    """Positive numbers with an exponent: any digits before most exponents, some before the bounds' own."""
    first, last = 10**_MANTISSA_DECIMALS, 10 ** (_MANTISSA_DECIMALS + 1) - 1

    def digits(exponent: int) -> tuple[int, int, int]:
        unit = Fraction(10) ** (exponent - _MANTISSA_DECIMALS)
        least = first if low is None else max(first, math.ceil(low / unit))
        most = last if high is None else min(last, math.floor(high / unit))
        return least, most, 1 if step is None else (step / unit).numerator

    for exponents in _EXPONENTS:
        for (least, most, every), alike in groupby(exponents, digits):
            found = Number(least, most, _MANTISSA_DECIMALS, every)
            if found.possible:
                yield sequence(found, _exponent(list(alike)))


def _exponent(values: list[int]) -> Language:
    """Exponents one after the other, all of one sign: `e-05`, `e+16`."""
    low, high = sorted((abs(values[0]), abs(values[-1])))
    ways: list[Language] = [sequence(Literal(b"0"), Number(low, min(high, 9)))] if low < 10 else []
    ways += [Number(max(low, 10), high)] if high >= 10 else []
    return sequence(Literal(b"e-" if values[0] < 0 else b"e+"), choice(ways))
