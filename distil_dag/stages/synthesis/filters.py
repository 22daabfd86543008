"""Which synthetic rows may be learned from: checks in order of cost, each with its reason.

The label was planned, so every check asks the same question from another side: do these words say
this call, as the seeds would have labelled them?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from distil_dag.core.case import Case, Example, Message
from distil_dag.core.normalise import Normaliser
from distil_dag.core.settings import SynthesisSpec
from distil_dag.core.tool_call import NO_CALL, ToolCall, calls_key
from distil_dag.core.toolset import Toolset
from distil_dag.stages.nlu.intent_slots import IntentSlotModel, tools_key
from distil_dag.stages.nlu.slot_tagger import likeliest
from distil_dag.stages.nlu.spans import OUTSIDE, Span, contains, delexicalise, locate, tokens
from distil_dag.stages.nlu.value_catalogue import ValueCatalogue
from distil_dag.stages.synthesis.style import Style

# Reasons, in the order of the checks.
UNANSWERED = "no answer"
LANGUAGE = "language"
SCHEMA = "schema"
GROUNDING = "value not in words"
BOUNDARY = "argument boundary"
UNPLANNED = "unplanned argument"
FUNCTION = "other function"
ROUND_TRIP = "round trip"
CONTRADICTION = "contradicts a row"
SEED_COPY = "copies a seed"
DUPLICATE = "duplicate"
TEST_LEAK = "test leakage"
REASONS = (
    UNANSWERED, LANGUAGE, SCHEMA, GROUNDING, BOUNDARY, UNPLANNED, FUNCTION, ROUND_TRIP,
    CONTRADICTION, SEED_COPY, DUPLICATE, TEST_LEAK,
)  # fmt: skip

# Probabilities of the intent-slot model from which its word counts against the plan's.
_SURE_ARGUMENT = 0.6
_SURE_OUTSIDE = 0.9
_SURE_READING = 0.75
# More unknown words outside the values than this are no request of this log's users.
_STRANGE_SHARE = 0.3


@dataclass(frozen=True)
class DraftRow:
    """A generated row before its verdict. `slack`: by how much another tool may read likelier.

    `strict`: its maker often misses what was planned, so the words have to prove it.
    """

    id: str
    history: tuple[Message, ...]
    request: str
    calls: tuple[ToolCall, ...]
    cell: str
    slack: float = 0.0
    strict: bool = False
    error: str = ""

    def example(self) -> Example:
        """The row as a case to learn from."""
        messages = (*self.history, Message(role="user", content=self.request))
        return Example(id=self.id, messages=messages, calls=self.calls, origin="synthetic", cell=self.cell)


@dataclass(frozen=True)
class Refusal:
    """Why a draft is none to learn from."""

    reason: str
    detail: str = ""


@dataclass(frozen=True)
class IntentReading:
    """Probability of each tool by the whole request, and by the words outside its values."""

    tools: Mapping[str, float]
    outside: Mapping[str, float]
    carrier: str


class Validator:
    """Checks drafts against the seeds' conventions, the rows accepted so far, and the test."""

    def __init__(
        self,
        trusted: Sequence[Example],
        test: Sequence[Case],
        toolset: Toolset,
        catalogue: ValueCatalogue,
        intent_slots: IntentSlotModel,
        spec: SynthesisSpec,
        normaliser: Normaliser,
    ) -> None:
        self.style = Style([case.request for case in trusted])
        self._toolset, self._catalogue, self._intent_slots, self._spec = (
            toolset,
            catalogue,
            intent_slots,
            spec,
        )
        self._context = normaliser.context
        self._seeds = _Requests(trusted, normaliser)
        self._test = _Requests(test, normaliser)
        self._accepted = _Requests([], normaliser)
        self._traces = _trace_terms(toolset)

    def read(self, drafts: Sequence[DraftRow]) -> list[IntentReading]:
        """The intent-slot model's readings of many drafts at once, to be handed to :meth:`refusal`."""
        carriers = [_without_values(draft) for draft in drafts]
        tools = self._intent_slots.read_tools([c.request for c in drafts] + carriers)
        rows = zip(tools, tools[len(drafts) :], carriers, strict=False)
        return [IntentReading(whole, outside, carrier) for whole, outside, carrier in rows]

    def refusal(self, draft: DraftRow, reading: IntentReading) -> Refusal | None:
        """The first check that the draft fails, or None."""
        return (
            self._language(draft)
            or self._schema(draft)
            or self._grounding(draft)
            or self._arguments(draft)
            or self._function(draft, reading)
            or self._round_trip(draft, reading)
            or self._novelty(draft)
            or self._leak(draft)
        )

    def accept(self, row: DraftRow | Example) -> None:
        """Remember a row, so that no later one repeats it."""
        self._accepted.add(row.example() if isinstance(row, DraftRow) else row)

    def reread(self, draft: DraftRow) -> DraftRow:
        """The draft with the values that the intent-slot model reads in its words, if it is sure of all.

        Where a teacher wrote "smart plug socket" for a planned "smart plug", the longer value is the
        right label, and the row is worth keeping under it. Otherwise the draft as it is.
        """
        context = self._context.of(draft.history)
        if len(draft.calls) != 1 or any(locate(v, context) for v in draft.calls[0].arguments.values()):
            return draft  # another value may not be in the context, or not belong to the others
        call = draft.calls[0]
        read = self._intent_slots.read_values(call.name, draft.request, _SURE_READING)
        if read is None:
            return draft
        arguments = {
            name: value
            for name, value in call.arguments.items()
            if not self._catalogue.is_grounded(call.name, name)
        }
        for name, words in read.items():
            planned = call.arguments.get(name)
            if planned is not None and words.casefold() in {str(planned).casefold()}:
                arguments[name] = planned
                continue
            value = self._catalogue.known_value(call.name, name, words)
            if value is None:
                return draft
            arguments[name] = value
        again = self._toolset.canonical(ToolCall(name=call.name, arguments=arguments))
        return replace(draft, calls=(again,))

    def _language(self, draft: DraftRow) -> Refusal | None:
        if draft.error:
            return Refusal(UNANSWERED, draft.error)
        if not draft.request:
            return Refusal(UNANSWERED, "empty reply")
        text = draft.request.casefold()
        leaked = next((term for term in self._traces if term in text), "")
        problem = f"names {leaked!r}" if leaked else self.style.problem(draft.request)
        return Refusal(LANGUAGE, problem) if problem else None

    def _schema(self, draft: DraftRow) -> Refusal | None:
        problems = [problem for call in draft.calls for problem in self._toolset.problems(call)]
        return Refusal(SCHEMA, problems[0]) if problems else None

    def _grounding(self, draft: DraftRow) -> Refusal | None:
        for call in draft.calls:
            for name, value in call.arguments.items():
                if self._catalogue.is_grounded(call.name, name) and not locate(value, draft.request):
                    return Refusal(GROUNDING, f"{name}={value!r}")
        return None

    def _arguments(self, draft: DraftRow) -> Refusal | None:
        """Values end where seeds end them, and no word says an argument that the call lacks."""
        if len(draft.calls) != 1:
            return None
        call, text = draft.calls[0], draft.request
        spans = {name: locate(value, text) for name, value in call.arguments.items()}
        for name, found in spans.items():
            longer = self._catalogue.longer_value(call.name, name, call.arguments[name], text)
            if found and longer:
                return Refusal(BOUNDARY, f"{name}={call.arguments[name]!r}, the words hold {longer!r}")
        for word, span, chances in self._intent_slots.read_arguments(call.name, text):
            inside = [name for name, found in spans.items() if contains(span, found)]
            if inside:
                outside = chances.get(OUTSIDE, 0.0)
                if self._intent_slots.knows(word) and outside >= _SURE_OUTSIDE:
                    return Refusal(BOUNDARY, f"{word!r} belongs to no argument in the seeds")
                continue
            tag = likeliest(chances)
            if tag != OUTSIDE and chances[tag] >= _SURE_ARGUMENT:
                touching = _adjacent(span, spans.get(tag, []), text)
                reason = BOUNDARY if touching else UNPLANNED
                return Refusal(reason, f"{word!r} reads as {tag} ({chances[tag]:.2f})")
        return None

    def _function(self, draft: DraftRow, reading: IntentReading) -> Refusal | None:
        likelier = _likelier(reading.tools, draft, draft.slack)
        return Refusal(FUNCTION, f"reads as {likelier}") if likelier else None

    def _round_trip(self, draft: DraftRow, reading: IntentReading) -> Refusal | None:
        """Whether the words around the values lead back to the tool, in words that the log knows.

        "Shrivel a roof hatch" reads as closing for its roof hatch alone: a weak teacher's verbs are
        not to be believed where no trace uses them.
        """
        if not draft.strict or not draft.calls:
            return None
        words = [word for word, _, _ in tokens(reading.carrier) if word[0].isalnum()]
        strange = [word for word in words if not self._intent_slots.knows(word)]
        if len(strange) > 1 and len(strange) > _STRANGE_SHARE * len(words):
            return Refusal(ROUND_TRIP, f"words that the log never has: {strange[:4]}")
        likelier = _likelier(reading.outside, draft, 0.0)
        return Refusal(ROUND_TRIP, f"without its values reads as {likelier}") if likelier else None

    def _novelty(self, draft: DraftRow) -> Refusal | None:
        row = draft.example()
        for known, reason in ((self._seeds, SEED_COPY), (self._accepted, DUPLICATE)):
            if known.says_otherwise(row):
                return Refusal(CONTRADICTION, "the same words carry another call")
            near = known.nearest(row, self._spec.near_duplicate)
            if near:
                return Refusal(reason, near)
        return None

    def _leak(self, draft: DraftRow) -> Refusal | None:
        row = draft.example()
        if self._test.has(row):
            return Refusal(TEST_LEAK, "a request of the test")
        near = self._test.nearest(row, self._spec.test_similarity)
        return Refusal(TEST_LEAK, "close to a request of the test") if near else None


class _Requests:
    """Requests by normalised words and by call, to be searched for copies."""

    def __init__(self, cases: Sequence[Case], normaliser: Normaliser) -> None:
        self._identity, self._situation = normaliser.identity, normaliser.situation
        self._calls: dict[tuple[str, str], set[str]] = {}
        self._known: set[str] = set()
        self._keys: dict[str, list[str]] = {}
        for case in cases:
            self.add(case)

    def add(self, case: Case) -> None:
        key = self._identity(case)
        self._known.add(key)
        self._calls.setdefault(self._situation(case), set()).add(calls_key(case.calls))
        self._keys.setdefault(calls_key(case.calls), []).append(key)

    def has(self, case: Case) -> bool:
        return self._identity(case) in self._known

    def says_otherwise(self, case: Case) -> bool:
        known = self._calls.get(self._situation(case))
        return known is not None and calls_key(case.calls) not in known

    def nearest(self, case: Case, similarity: float) -> str:
        """A request with the same calls at least so similar, in order or with sorted words; else empty."""
        from rapidfuzz import fuzz, process

        known, key = self._keys.get(calls_key(case.calls), []), self._identity(case)
        for scorer in (fuzz.ratio, fuzz.token_sort_ratio):
            found = process.extractOne(key, known, scorer=scorer, score_cutoff=100 * similarity)
            if found is not None:
                return str(found[0])
        return ""


def _without_values(draft: DraftRow) -> str:
    text = draft.request
    slots = delexicalise(draft.example()).slots
    for _, (start, end) in sorted(slots, key=lambda slot: slot[1], reverse=True):
        text = f"{text[:start]} {text[end:]}"
    return text


def _likelier(tools: Mapping[str, float], draft: DraftRow, slack: float) -> str:
    """The tools that read likelier than the draft's by more than the slack; empty if none do."""
    own = tools.get(tools_key(draft.example()), 0.0)
    other = max(sorted(tools), key=lambda name: tools[name], default=None)
    if other is None or tools[other] - own <= slack:
        return ""
    return f"{other or NO_CALL} ({tools[other]:.2f} to {own:.2f})"


def _adjacent(span: Span, others: Sequence[Span], text: str) -> bool:
    return any(not text[end : span[0]].strip() and end <= span[0] for _, end in others) or any(
        not text[span[1] : start].strip() and span[1] <= start for start, _ in others
    )


def _trace_terms(toolset: Toolset) -> list[str]:
    """What only a prompt says: tool and argument names with an underscore, and marks of a call."""
    names = {tool.name for tool in toolset.tools} | {name for t in toolset.tools for name in t.properties}
    return sorted(
        {name.casefold() for name in names if "_" in name}
        | {"tool_call", "call:", "user:", "assistant:", "no tool fits"}
    )
