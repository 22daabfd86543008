"""What became of the records of a log."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from distil_dag.core.reports.base import Report

# Of a token of English.
_CHARACTERS = 4


class VaryingPart(Report):
    """What varies at one place of the system prompts.

    Attributes:
        behind: the constant segment before it; empty at the beginning.
        requests: how many have something there.
        values: number of different texts.
        examples: the most frequent of these.
    """

    behind: str
    requests: int
    values: int
    examples: list[str]


class ContextValues(Report):
    """Where the values of an argument stand, over a sample of the requests.

    Attributes:
        tool: name of the tool.
        argument: name of the argument.
        labels: values of labels that users would have to say.
        only_in_context: those that stand in what varies of the system prompt, and in no other turn.
        example: one of these.
    """

    tool: str
    argument: str
    labels: int
    only_in_context: int
    example: str = ""

    @property
    def share(self) -> float:
        """The share of values that stand only in the context."""
        return self.only_in_context / self.labels if self.labels else 0.0


class ContextReport(Report):
    """The system prompts of a log: what is constant, what varies, and what the student reads of it.

    Attributes:
        requests: requests with a system prompt.
        prompts: different system prompts; an estimate where there are very many.
        templates: prompts with most of their text in common count as one template.
        keeps: what the student reads of a system prompt.
        constant: the segments that are the same in nearly all prompts of a template.
        parts: what varies, the most frequent first.
        mean_words: mean length of what varies, in words.
        mean_tokens: the same in tokens, of about four characters.
        kept_tokens: length of what the student reads that one in twenty requests exceeds, in tokens.
        values: where the values of each argument stand.
    """

    requests: int
    prompts: int
    templates: int
    keeps: Literal["nothing", "varying", "all"]
    constant: list[str] = Field(default_factory=list)
    parts: list[VaryingPart] = Field(default_factory=list)
    mean_words: float = 0.0
    mean_tokens: float = 0.0
    kept_tokens: int = 0
    values: list[ContextValues] = Field(default_factory=list)


class UsageReport(Report):
    """What the answers of a log used.

    Attributes:
        counted: traces whose tokens are logged.
        input_tokens: tokens of their requests.
        output_tokens: tokens of their answers.
        characters: of the conversations of all other traces.
        answer_characters: of their answers.
        priced: traces whose cost is logged.
        cost: of these, in the recorder's currency.
    """

    counted: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    characters: int = 0
    answer_characters: int = 0
    priced: int = 0
    cost: float = 0.0

    def tokens(self) -> tuple[int, int]:
        """Tokens of all requests and of all answers; of four characters where they are not logged."""
        return (
            self.input_tokens + self.characters // _CHARACTERS,
            self.output_tokens + self.answer_characters // _CHARACTERS,
        )


class ToolVersion(Report):
    """A definition of a tool, as requests had it for a time.

    Attributes:
        tool: name of the tool.
        version: digest of the definition.
        change: what is new in it, against the version that came before; empty for the first.
        requests: requests that define the tool so.
        first: when the earliest of these was logged; None without times.
        last: when the latest of these was logged.
    """

    tool: str
    version: str
    change: str
    requests: int
    first: datetime | None
    last: datetime | None


class TracesReport(Report):
    """Intake: rows read, kept, marked (kept with a problem), quarantined by reason."""

    read: int
    kept: int
    marked: int = 0
    passed_over: int = Field(default=0, description="rows that choose no tool: text after a tool's result")
    no_answers: dict[str, int] = Field(
        default_factory=dict,
        description="what else recorders wrote (kind -> records), not among the rows read",
    )
    quarantined: dict[str, int] = Field(default_factory=dict)
    redacted: dict[str, int] = Field(default_factory=dict, description="kind of personal data -> hits")
    results_by_order: int = Field(
        default=0, description="tool results without an id of one call, taken in the order of the calls"
    )
    calls_per_tool: dict[str, int] = Field(default_factory=dict)
    usage: UsageReport = Field(default_factory=UsageReport)
    scored: int = Field(default=0, description="traces with a score of people or programs")
    scored_low: int = Field(default=0, description="those of them where one says that the answer was wrong")
    tool_versions: list[ToolVersion] = Field(
        default_factory=list, description="the tools that requests define, each with its versions over time"
    )
    tool_versions_left_out: int = Field(default=0, description="older ones, beyond the most that are kept")
    days: dict[str, int] = Field(default_factory=dict, description="day in UTC -> traces, in order of time")
    context: ContextReport | None = Field(default=None, description="of logs with system prompts")

    @property
    def quarantined_total(self) -> int:
        """Number of rows that were quarantined, for whatever reason."""
        return sum(self.quarantined.values())
