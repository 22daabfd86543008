"""The loop of synthesis: ask and substitute for what the plan still lacks, check, and aim again.

Each round deals attempts to the cells of the coverage plan, by the yield of their makers so far. A maker that
fails too often for a cell is given up there. A teacher that often misses the plan is believed less, and
beside few trusted cases makes a smaller set.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from distil_dag.core.case import Case, Example
from distil_dag.core.earlier_round import Earlier
from distil_dag.core.normalise import Normaliser
from distil_dag.core.settings import SynthesisSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.nlu.intent_slots import IntentSlotModel
from distil_dag.stages.nlu.value_catalogue import ValueCatalogue, fill_ranges
from distil_dag.stages.ports import ChatModel, Progress
from distil_dag.stages.progress import tally
from distil_dag.stages.synthesis.coverage_plan import CellNames, draw_plan, re_aim
from distil_dag.stages.synthesis.description_rows import described
from distil_dag.stages.synthesis.error_rates import ErrorRates
from distil_dag.stages.synthesis.filters import (
    BOUNDARY,
    FUNCTION,
    GROUNDING,
    UNPLANNED,
    DraftRow,
    Refusal,
    Validator,
)
from distil_dag.stages.synthesis.seed_filter import canonical, usable
from distil_dag.stages.synthesis.slot_substitution import SlotSubstituter
from distil_dag.stages.synthesis.style import Style
from distil_dag.stages.synthesis.style_directions import directions
from distil_dag.stages.synthesis.teacher_rows import Ask, TeacherPrompts
from distil_dag.stages.synthesis.value_proposals import propose_values

TEACHER, REFILL, CROSS, DESCRIPTION = "teacher", "refill", "cross", "description"
# By how much another tool may read likelier: a refilled request keeps a real user's verb, two halves
# may have lost it, and a teacher may have missed it.
_SLACK = {TEACHER: 0.0, REFILL: 0.6, CROSS: 0.0}
# Of the transplants of a cell that has slots.
_CROSS_SHARE = 0.5
# A maker that fails this often in a row has nothing more to give for a cell.
_PATIENCE = 16
# Prompts of one cell that are sent together share a beginning.
_GROUP = 16
# No cell gets more attempts for a row than this share asks for, however little it has yielded.
_LEAST_YIELD = 0.2
_HINTS_FROM = 0.6
# A teacher that misses the plan this often is believed only in words that the log knows. Found out in so many
# attempts, it gets no more than so many rows for a trusted case: a student would learn them, not the log.
_WEAK_FROM = 0.1
_TRIED, _ROWS_EACH = 64, 8
_FAULTS = frozenset({GROUNDING, FUNCTION})
_REREAD = frozenset({BOUNDARY, UNPLANNED, GROUNDING})


@dataclass(frozen=True)
class Rejected:
    """A row that failed a check, and why."""

    id: str
    request: str
    calls: tuple[ToolCall, ...]
    cell: str
    reason: str
    detail: str

    def row(self) -> dict[str, Any]:
        """The flat table row; calls as JSON."""
        calls = json.dumps([call.model_dump(mode="json") for call in self.calls], ensure_ascii=False)
        return {
            "id": self.id, "request": self.request, "calls": calls,
            "cell": self.cell, "reason": self.reason, "detail": self.detail,
        }  # fmt: skip


class SynthesisLoop:
    """One run of the loop and its state: rows accepted and rejected, and what was asked for them."""

    def __init__(
        self,
        seeds: Sequence[Example],
        context: Sequence[Case],
        test: Sequence[Case],
        toolset: Toolset,
        spec: SynthesisSpec,
        teacher: ChatModel,
        earlier: Earlier | None,
        normaliser: Normaliser,
    ) -> None:
        self._toolset, self._spec, self._teacher = toolset, spec, teacher
        examples = [*seeds, *(case for case in context if isinstance(case, Example))]
        trusted = usable(examples, toolset)
        words = [case.request for case in context if not isinstance(case, Example)]
        # A tool that is called by the result of another needs no user who says what it does.
        called = [*trusted, *(case for case in examples if case.step)]
        self._described = described(called, toolset, Style([case.request for case in trusted]).clean)
        shown = [*trusted, *self._described]
        self._intent_slots = IntentSlotModel(shown)
        self._catalogue = _catalogue(trusted, words, toolset, self._intent_slots, spec, teacher, normaliser)
        self.names = CellNames.learn(trusted, self._catalogue)
        hidden = canonical(test, toolset)
        self._validator = Validator(
            trusted, hidden, toolset, self._catalogue, self._intent_slots, spec, normaliser
        )
        self._mutators = directions(spec.mutators)
        error_rates = ErrorRates(earlier.outcomes, self.names) if earlier else None
        self._shown, self._error_rates, self._rows = shown, error_rates, spec.rows
        self._draw_plan()
        for row in earlier.rows if earlier else ():
            self._validator.accept(row)
        # Drawn by the same seed, a second round would be the first one again.
        self._seed = f"{spec.seed}:{earlier.run}" if earlier else str(spec.seed)
        self._asking = {
            c.name: TeacherPrompts(c, toolset, self._catalogue, spec, normaliser) for c in self.plan
        }
        self._substituters = {
            c.name: SlotSubstituter(c.cases, self._catalogue, normaliser.context) for c in self.plan
        }
        self.accepted: list[Example] = []
        self.rejected: list[Rejected] = []
        self.origins: dict[str, tuple[str, ...]] = {}
        self.attempted = self.rounds = self._tries = self.prompt_tokens = self.completion_tokens = 0
        self._tried: Counter[tuple[str, bool]] = Counter()
        self._made: Counter[tuple[str, bool]] = Counter()
        self._misses: Counter[tuple[str, bool]] = Counter()
        self.filled: Counter[str] = Counter()

    def run(self, progress: Progress) -> str:
        """Rounds until the set is full; returns `full`, or what ended it before."""
        limit = round(self._spec.rows * self._spec.max_attempts_per_row)
        self._judge(
            [
                DraftRow(self._next_id(DESCRIPTION), (), case.request, case.calls, self.names(case.calls))
                for case in self._described
            ]
        )
        while len(self.accepted) < self._rows:
            room = min(limit - self.attempted, self._spec.batch)
            if room <= 0:
                return f"{limit} attempts used up"
            needs = self._needs()
            if not any(count for wanted in needs.values() for count in wanted.values()):
                return "no cell yields new rows any more"
            asks = self._ask(needs[TEACHER], room)
            transplants = self._substitute(needs[REFILL], min(room, limit - self.attempted))
            self.rounds += 1
            self._judge(transplants)
            if len(self.accepted) < self._rows:
                self._judge(self._answered(asks))
            self._narrow()
            refused = Counter(row.reason for row in self.rejected)
            progress(len(self.accepted), self._rows, f"{len(self.rejected)} rejected: {tally(refused)}")
        if self._rows == self._spec.rows:
            return "full"
        return f"full with {_ROWS_EACH} rows a trusted case, since the teacher often misses what is planned"

    def _draw_plan(self) -> None:
        spec = self._spec
        self.plan = draw_plan(self._shown, self.names, self._rows, spec.no_call_share, self._error_rates)
        self._cells = {cell.name: cell for cell in self.plan}

    def _narrow(self) -> None:
        """Plan fewer rows where few trusted cases stand beside a teacher that proved weak."""
        most = _ROWS_EACH * len(self._shown)
        if most < self._rows and self._asked() >= _TRIED and self._weak():
            self._rows = most
            self._draw_plan()

    def _asked(self) -> int:
        return sum(count for (_, by_teacher), count in self._tried.items() if by_teacher)

    def _weak(self) -> bool:
        """Whether the teacher often misses what is planned; doubted until enough replies speak for it."""
        failed = sum(row.id.startswith(TEACHER) and row.reason in _FAULTS for row in self.rejected)
        return (failed + 2) / (self._asked() + 10) > _WEAK_FROM

    def _needs(self) -> dict[str, dict[str, int]]:
        """Rows still wanted from each maker, by cell."""
        made = self.filled
        closed = frozenset(
            name for name in self._cells if not self._open(name, True) and not self._open(name, False)
        )
        needs: dict[str, dict[str, int]] = {TEACHER: {}, REFILL: {}}
        for name, missing in re_aim(self.plan, made, closed).items():
            goal = round((1 - self._spec.transplant_share) * (made[name] + missing))
            asked = min(missing, max(0, goal - self._made[(name, True)]))
            if not self._open(name, True):
                asked = 0
            elif not self._open(name, False):
                asked = missing
            needs[TEACHER][name] = asked
            needs[REFILL][name] = missing - asked
        return needs

    def _open(self, name: str, by_teacher: bool) -> bool:
        possible = self._asking[name].possible if by_teacher else True
        return possible and self._misses[(name, by_teacher)] < _PATIENCE

    def _wants(self, name: str) -> bool:
        quota = self._cells[name].quota if name in self._cells else 0
        return self.filled[name] < quota

    def _deal(self, needs: dict[str, int], by_teacher: bool, room: int) -> list[tuple[str, int]]:
        """How many attempts each cell gets now: the neediest first, by the yield so far."""
        dealt = []
        group = group_size(self._spec)
        for name in sorted(needs, key=lambda name: (-needs[name], name)):
            key = (name, by_teacher)
            count = min(room, group, wanted_attempts(needs[name], self._made[key], self._tried[key]))
            if count:
                dealt.append((name, count))
                room -= count
        return dealt

    def _ask(self, needs: dict[str, int], room: int) -> list[tuple[DraftRow, Ask]]:
        found = []
        for name, count in self._deal(needs, True, room):
            rng = random.Random(f"{self._seed}:ask:{self.rounds}:{name}")
            for ask in self._asking[name].asks(count, rng.choice(self._mutators), rng):
                found.append((DraftRow(self._next_id(TEACHER), ask.history, "", ask.calls, name), ask))
                self.origins[found[-1][0].id] = ask.made_from
        return found

    def _answered(self, asks: Sequence[tuple[DraftRow, Ask]]) -> list[DraftRow]:
        replies = self._teacher.generate([ask.prompt for _, ask in asks]) if asks else []
        strict = self._weak()
        drafts = []
        for (draft, _), reply in zip(asks, replies, strict=True):
            self.prompt_tokens += reply.prompt_tokens
            self.completion_tokens += reply.completion_tokens
            # A reply that ran out of tokens is half a request.
            errors = {"error": reply.error or "the teacher failed", "length": "ran out of tokens"}
            error = errors.get(reply.finish, "")
            request = self._validator.style.clean(reply.text)
            drafts.append(replace(draft, request=request, strict=strict, error=error))
        return drafts

    def _substitute(self, needs: dict[str, int], room: int) -> list[DraftRow]:
        found = []
        for name, count in self._deal(needs, False, room):
            source = self._substituters[name]
            for _ in range(count):
                self._tries += 1
                rng = random.Random(f"{self._seed}:transplant:{self._tries}")
                crossed = source.can_cross and (not source.can_refill or rng.random() < _CROSS_SHARE)
                kind = CROSS if crossed else REFILL
                made = source.cross(rng) if kind == CROSS else source.refill(rng)
                if made is None:
                    self._misses[(name, False)] += 1
                    continue
                before, request, calls, origin = made
                found.append(DraftRow(self._next_id(kind), before, request, calls, name, _SLACK[kind]))
                self.origins[found[-1].id] = origin
        return found

    def _next_id(self, kind: str) -> str:
        self.attempted += 1
        return f"{kind}-{self.attempted:06d}"

    def _judge(self, drafts: Sequence[DraftRow]) -> None:
        for draft, reading in zip(drafts, self._validator.read(drafts), strict=True):
            if len(self.accepted) >= self._rows:
                return
            key = (draft.cell, draft.id.startswith(TEACHER))
            self._tried[key] += 1
            row, refusal = draft, self._validator.refusal(draft, reading)
            if refusal is not None and refusal.reason in _REREAD:
                again = self._validator.reread(draft)
                again = replace(again, cell=self.names(again.calls))
                if again.calls != draft.calls and self._wants(again.cell):
                    row, refusal = again, self._validator.refusal(again, reading) and refusal
            if refusal is None:
                self._misses[key] = 0
                self._made[key] += 1
                self._validator.accept(row)
                self.filled[row.cell] += 1
                self.accepted.append(row.example())
            else:
                self._misses[key] += 1
                self.rejected.append(_rejected(draft, refusal))


def group_size(spec: SynthesisSpec) -> int:
    """How many prompts of one cell go out together at most, so that a batch holds several cells."""
    return max(1, min(_GROUP, spec.batch // 4))


def wanted_attempts(missing: int, made: float, tried: int) -> int:
    """How many attempts a cell gets that lacks so many rows, by its yield so far."""
    return math.ceil(missing / max(_LEAST_YIELD, (made + 1) / (tried + 1)))


def _catalogue(
    trusted: Sequence[Example],
    words: Sequence[str],
    toolset: Toolset,
    intent_slots: IntentSlotModel,
    spec: SynthesisSpec,
    teacher: ChatModel,
    normaliser: Normaliser,
) -> ValueCatalogue:
    """Values of the trusted cases, hints from other requests, the schema's, and the teacher's."""
    catalogue = ValueCatalogue.learn(trusted, toolset)
    read: dict[str, list[str]] = {}
    for text, tools in zip(words, intent_slots.read_tools(words), strict=True):
        tool = max(sorted(tools), key=lambda name: tools[name], default="")
        if tool in toolset and tools[tool] >= _HINTS_FROM:
            read.setdefault(tool, []).append(text)
            for name, value in (intent_slots.read_values(tool, text, _HINTS_FROM) or {}).items():
                catalogue.hint((tool, name), value.casefold())
    catalogue.mine(trusted, read, normaliser)
    fill_ranges(catalogue)
    if spec.widen:
        propose_values(catalogue, teacher, words, spec.seed)
    return catalogue


def _rejected(draft: DraftRow, refusal: Refusal) -> Rejected:
    return Rejected(draft.id, draft.request, draft.calls, draft.cell, refusal.reason, refusal.detail)
