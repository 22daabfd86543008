"""From a dry run to a forecast: what all calls of a stage take, by what the probe of them took.

Tokens are a ratio estimate: the dry run knows the length of every prompt in characters, the probe how many
tokens a character makes and how long answers are.

Time goes by the tokens that have to be computed, at the pace of the probe's whole batches; a beginning that
prompts of a batch share counts once. The stage's own work is timed in the dry run.

Ranges are bootstrap percentiles (B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993,
chapter 13) over the probe's calls; that of the time allows for a pace that is not the probe's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distil_dag.core.forecast import Forecast, Range
from distil_dag.core.reports.synthesis import SynthesisReport
from distil_dag.core.settings import PriceSpec, SynthesisSpec
from distil_dag.core.spending import Usage, cost
from distil_dag.stages.forecasting.dry_run import Call, DryRun, PromptKind
from distil_dag.stages.forecasting.rounds import expected_rounds
from distil_dag.stages.statistics import Floats
from distil_dag.stages.synthesis.filters import DUPLICATE, SEED_COPY, TEST_LEAK
from distil_dag.stages.synthesis.generator import Synthetic
from distil_dag.stages.synthesis.loop import TEACHER

Paces = Mapping[str, float]

_DRAWS = 1000
_LOW, _HIGH = 0.05, 0.95
# The run's pace against the probe's, on a machine with nothing else to do: warm caches, other batches.
_PACE_SPREAD = 0.15
# An answer is made token by token, beside fewer and fewer others, a prompt in one piece: on two cores with
# the embedded model a token of an answer took about three times as long.
_ANSWER_WEIGHT = 3.0
# A teacher none of whose probed requests pass is given up before it is asked more often than this.
_LEAST_PASSING = 0.05
# How much of the chance of a request to pass is its cell's: intra-class correlation of the teacher's
# requests, 0.09 and 0.12 in runs of the two examples. The probe sees too few cells to tell it.
_OF_ITS_CELL = 0.1
_REPEATS = frozenset({SEED_COPY, DUPLICATE, TEST_LEAK})


@dataclass(frozen=True)
class Need:
    """How many calls of a kind a stage makes in the end.

    Attributes:
        calls: their number, of shape (draws,).
        passing: share of them whose result is kept, of shape (draws,).
        groups: share of calls that share no beginning with one before them.
    """

    calls: Floats
    passing: Floats
    groups: float


def forecast(
    stage: str,
    dry_run: DryRun,
    price: PriceSpec,
    own_seconds: float | Floats,
    probe: Usage,
    reused: bool,
    needs: Mapping[str, Need] | None = None,
    paces: Paces | None = None,
) -> Forecast:
    """What a stage takes in a run whose cache is empty.

    Args:
        stage: name of the stage.
        dry_run: its dry run.
        price: prices of the model.
        own_seconds: time of the stage's own work; a number, or of shape (draws,).
        probe: what the dry run has cost.
        reused: whether the run itself finds the probe's replies in the cache.
        needs: kind -> what replaces the number of calls in the dry run.
        paces: kind -> seconds for each computed token, where the cache has answered the probe, so that it has
            no pace.
    """
    random = np.random.default_rng(0)
    calls, prompts, answers, seconds = (np.zeros(_DRAWS) for _ in range(4))
    known = True
    for name, kind in dry_run.kinds.items():
        need = (needs or {}).get(name)
        count = need.calls if need else np.full(_DRAWS, len(kind.made) + len(kind.ahead), dtype=float)
        mean, fresh = _mean_sizes([*kind.made, *kind.ahead])
        if need:
            fresh = need.groups * mean + (1 - need.groups) * float(np.median([c.fresh for c in kind.made]))
        per_character, answer = _drawn(kind, random)
        calls += count
        prompts += count * mean * per_character
        answers += count * answer
        pace = pace_of(kind) or (paces or {}).get(name)
        known &= pace is not None
        spread = random.uniform(1 - _PACE_SPREAD, 1 + _PACE_SPREAD, _DRAWS)
        seconds += count * (fresh * per_character + _ANSWER_WEIGHT * answer) * (pace or 0.0) * spread
    seconds += own_seconds
    passing = [need.passing for need in (needs or {}).values()]
    return Forecast(
        stage=stage,
        model=dry_run.identity,
        calls=_range(calls),
        tokens=_range(prompts + answers),
        money=_range(np.array([cost(price, *row) for row in zip(prompts, answers, seconds, strict=True)])),
        seconds=_range(seconds) if known else None,
        passing=_range(passing[0]) if passing else None,
        probe=probe,
        reused=reused,
    )


def pace_of(kind: PromptKind) -> float | None:
    """Seconds for each computed token in the probe's batches; None where the cache answered them."""
    if not kind.timed:
        return None
    per_character, answer = _ratio(kind, np.arange(len(kind.made)))
    _, fresh = _mean_sizes(kind.timed)
    return float(kind.seconds / max(1.0, len(kind.timed) * (fresh * per_character + _ANSWER_WEIGHT * answer)))


def synthesis_need(
    dry_run: DryRun, kind: str, made: Synthetic, report: SynthesisReport, spec: SynthesisSpec
) -> Need:
    """How often the teacher has to be asked for its share of the rows.

    The probe says how many of its first requests pass, and why others don't. One reason grows as the set
    fills: a request that repeats a row. By how much, the dry run's rows show that need no model. Every cell
    is asked until it is full, hard ones more often: by the mean of 1/p to the second order.

    Args:
        dry_run: the dry run of synthesis.
        kind: name of the kind of call that asks for requests.
        made: the rows of the dry run.
        report: its report, with the cells.
        spec: the settings of synthesis.
    """
    reasons = {row.id: row.reason for row in made.rejected}
    kept = [row.id for row in made.accepted]
    ids = sorted([*kept, *reasons], key=lambda id: int(id.rpartition("-")[2]))
    fate = [(id.startswith(TEACHER), reasons.get(id, "")) for id in ids]
    asked = [reason for by_teacher, reason in fate if by_teacher][: len(dry_run.kinds[kind].made)]
    missing = _left_for_the_teacher(made, report, spec)
    by_others = sum(cell.quota for cell in report.cells) - sum(missing.values())
    others = _until([reason for by_teacher, reason in fate if not by_teacher], by_others)
    random = np.random.default_rng(0)
    repeats, failures = _shares(asked, random)
    first, _ = _shares(others[: spec.batch], random)
    whole, _ = _shares(others, random)
    growth = np.maximum(1.0, whole / first) if len(others) > spec.batch else np.ones(_DRAWS)
    passing = np.clip(1 - failures - repeats * growth, _LEAST_PASSING, 1.0)
    calls, groups = expected_rounds(missing, float(np.median(passing)), spec)
    most = spec.rows * spec.max_attempts_per_row
    harder = 1 + _OF_ITS_CELL * (1 - passing) / passing
    return Need(np.minimum(sum(missing.values()) / passing * harder, most), passing, groups / max(1, calls))


def _shares(reasons: Sequence[str], random: np.random.Generator) -> tuple[Floats, Floats]:
    """Shares of rows that repeat another and of those refused otherwise, draw by draw.

    Half a row more of each: that a few rows show none does not say that there are none.
    """
    count = max(1, len(reasons))
    repeats = sum(reason in _REPEATS for reason in reasons)
    failures = sum(bool(reason) and reason not in _REPEATS for reason in reasons)
    chances = np.array([repeats, failures, count - repeats - failures]) / count
    draws = random.multinomial(count, chances, _DRAWS)
    return (draws[:, 0] + 0.5) / (count + 1), (draws[:, 1] + 0.5) / (count + 1)


def _until(reasons: Sequence[str], wanted: int) -> Sequence[str]:
    """The rows up to the one that fills the share of generators that need no model."""
    passed = 0
    for n, reason in enumerate(reasons, 1):
        passed += not reason
        if passed == wanted:
            return reasons[:n]
    return reasons


def _left_for_the_teacher(made: Synthetic, report: SynthesisReport, spec: SynthesisSpec) -> dict[str, int]:
    """Rows of each cell that the other generators can't make, or that are the teacher's share."""
    found = Counter(row.cell for row in made.accepted if not row.id.startswith(TEACHER))
    shares = {cell.cell: round((1 - spec.transplant_share) * cell.quota) for cell in report.cells}
    return {cell.cell: max(shares[cell.cell], cell.quota - found[cell.cell]) for cell in report.cells}


def _drawn(kind: PromptKind, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Tokens a character of a prompt and tokens of an answer: draws with replacement of the probe's calls."""
    size = len(kind.made)
    draws = [_ratio(kind, random.integers(0, size, size)) for _ in range(_DRAWS)]
    return np.array([ratio for ratio, _ in draws]), np.array([answer for _, answer in draws])


def _ratio(kind: PromptKind, rows: NDArray[np.int64]) -> tuple[float, float]:
    sizes = np.array([call.size for call in kind.made], dtype=float)[rows]
    prompts = np.array(kind.prompt_tokens, dtype=float)[rows]
    answers = np.array(kind.completion_tokens, dtype=float)[rows]
    return float(prompts.sum() / max(1.0, sizes.sum())), float(answers.mean())


def _mean_sizes(calls: list[Call]) -> tuple[float, float]:
    count = max(1, len(calls))
    return sum(call.size for call in calls) / count, sum(call.fresh for call in calls) / count


def _range(draws: Floats) -> Range:
    low, high = np.quantile(draws, [_LOW, _HIGH])
    middle = float(np.median(draws))
    return Range(value=middle, low=min(middle, float(low)), high=max(middle, float(high)))
