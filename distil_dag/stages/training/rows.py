"""Training rows as tokens: what is read, what is supervised, and in which order it is seen."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from distil_dag.core.case import Example
from distil_dag.core.context import NOTHING, ContextRule
from distil_dag.core.settings import StudentSpec, TrainingSpec
from distil_dag.core.toolset import Toolset
from distil_dag.stages.student.base_template import CHATML_OPEN
from distil_dag.stages.student.prompt import completion, render_prompt, student_messages


@dataclass(frozen=True)
class TrainingRow:
    """Token ids of one prompt and its completion.

    Attributes:
        prompt: ids that are read only.
        completion: ids that are supervised; the last is the stop token.
        origin: where the row comes from, as :class:`Example` has it.
    """

    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    origin: str

    @property
    def length(self) -> int:
        """Tokens of prompt and completion together."""
        return len(self.prompt) + len(self.completion)

    def columns(self) -> dict[str, list[int]]:
        """The columns that TRL's `SFTTrainer` takes for a row that is tokenised already."""
        mask = [0] * len(self.prompt) + [1] * len(self.completion)
        return {"input_ids": [*self.prompt, *self.completion], "completion_mask": mask}


def has_chatml(tokenizer: Any) -> bool:
    """Whether the vocabulary holds `<|im_start|>` as one token."""
    return CHATML_OPEN in tokenizer.get_vocab()


def special_tokens(tokenizer: Any) -> dict[str, str]:
    """The special tokens that a chat template may use: name -> token."""
    return {name: token for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}


def tokenise(
    rows: Sequence[Example],
    toolset: Toolset,
    student: StudentSpec,
    tokenizer: Any,
    template: str,
    refused: Counter[str] | None = None,
    context: ContextRule = NOTHING,
) -> list[TrainingRow]:
    """Every row as tokens, in order.

    Prompt and completion are tokenised apart, so that the boundary between them lies where it lies when the
    student is asked.

    Args:
        rows: the rows.
        toolset: the tools, for canonical calls and for prompts that show them.
        student: its system prompt, and whether tools stand in the prompt.
        tokenizer: a tokenizer of transformers, with the end token of a turn as `eos_token`.
        template: the chat template.
        refused: counts the rows that the template refuses by its reason; they are left out then.
        context: what prompts keep of production's system turns.

    Raises:
        ValueError: for a row that the template refuses, where `refused` is None.
    """
    tools = toolset.openai() if student.tools_in_prompt else None
    special = special_tokens(tokenizer)
    kept, prompts = [], []
    for row in rows:
        try:
            messages = student_messages(row, student.system_prompt, context)
            prompts.append(render_prompt(template, messages, tools, special))
            kept.append(row)
        except ValueError as error:
            if refused is None:
                raise
            refused[str(error)] += 1
    answers = [completion(row, toolset) + tokenizer.eos_token for row in kept]
    return [
        TrainingRow(tuple(prompt), tuple(answer), row.origin)
        for row, prompt, answer in zip(kept, _ids(tokenizer, prompts), _ids(tokenizer, answers), strict=True)
    ]


def _ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    if not texts:
        return []
    ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    return ids


def presentations(origins: Sequence[str], spec: TrainingSpec) -> list[int]:
    """The order in which rows are seen, all passes in one list; each pass is a new shuffle.

    Synthetic rows come first, then logged ones: a teacher's words come close to those of users, which are
    learned last. A trainer that reads the list in order goes on exactly where it stopped, which is not so for
    samplers that draw as they go.

    Rows of like length are not put together, though that would save padding. Their answers are alike as well
    (no argument, one, two), and a student that is shown one kind in a step ends up answering in the kind that
    it saw last.

    Args:
        origins: the origin of each row.
        spec: the passes: synthetic rows `synthetic_epochs` times, then logged ones `epochs` times; without
            logged rows the synthetic ones `epochs` times. Where all that is less than `least_seen` rows,
            there are more passes over those that are seen last.

    Returns:
        Places of the rows.
    """
    draw = random.Random(spec.seed)
    made = [place for place, origin in enumerate(origins) if origin == "synthetic"]
    logged = [place for place, origin in enumerate(origins) if origin != "synthetic"]
    first, then = (spec.synthetic_epochs, spec.epochs) if logged else (spec.epochs, 0.0)
    seen = len(made) * first + len(logged) * then
    missing = max(0.0, spec.least_seen - seen)
    if logged:
        then += missing / len(logged)
    elif made:
        first += missing / len(made)
    return _passes(made, first, draw) + _passes(logged, then, draw)


def _passes(places: Sequence[int], epochs: float, draw: random.Random) -> list[int]:
    order: list[int] = []
    wanted = math.ceil(len(places) * epochs)
    while len(order) < wanted:
        order += draw.sample(places, len(places))
    return order[:wanted]


def rows_digest(rows: Sequence[TrainingRow]) -> str:
    """Content hash (sha256) of tokenised rows, in their order."""
    total = hashlib.sha256()
    for row in rows:
        total.update(json.dumps([row.prompt, row.completion]).encode() + b"\n")
    return "sha256:" + total.hexdigest()


def preview_rows(dataset: Any, tokenizer: Any, count: int = 8) -> list[dict[str, str]]:
    """A few rows of the dataset that the trainer reads, decoded.

    Args:
        dataset: the dataset, with the columns `input_ids` and `labels`.
        tokenizer: what decodes them.
        count: how many rows, spread evenly over the dataset.

    Returns:
        `prompt` and `supervised` of each row, as texts.
    """
    places = sorted({round(place * (len(dataset) - 1) / max(count - 1, 1)) for place in range(count)})
    found = []
    for place in places if len(dataset) else []:
        row = dataset[place]
        pairs = list(zip(row["input_ids"], row["labels"], strict=True))
        found.append(
            {
                "prompt": tokenizer.decode([token for token, label in pairs if label == -100]),
                "supervised": tokenizer.decode([label for _, label in pairs if label != -100]),
            }
        )
    return found
