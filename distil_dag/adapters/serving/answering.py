"""What a student's GGUF file says about answering: prompts, grammar, drafts, and how an answer is read."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from distil_dag.adapters.llamacpp.engine import LlamaCppEngine, shared_length
from distil_dag.adapters.run_store import file_digest
from distil_dag.adapters.serving.decoding import Decoded, Draft
from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.case import Case, Message
from distil_dag.core.confidence import Confidence
from distil_dag.core.context import NOTHING, ContextRule
from distil_dag.core.ranking import Ranking
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.decoding.byte_languages import Language
from distil_dag.stages.decoding.schema_grammar import answers, deviations
from distil_dag.stages.decoding.token_masks import Spelling, TokenGrammar
from distil_dag.stages.serving.proving.calibration_rows import ScoredRow, from_key_values
from distil_dag.stages.student.draft_model import KEY, DraftModel
from distil_dag.stages.student.prompt import render_prompt, student_messages

# Key-values of a GGUF file that the export wrote: the first marks it as a student of a run.
RUN, SYSTEM_PROMPT, TOOLS = "distil_dag.run", "distil_dag.system_prompt", "distil_dag.tools"
TOOLS_IN_PROMPT, LINEAGE = "distil_dag.tools_in_prompt", "distil_dag.lineage"
PROVENANCE, CONTEXT = "distil_dag.provenance", "distil_dag.context"
# Number of requests on which a decoder measures its margin.
_TRIALS = 4


class NotDecodable(ValueError):
    """The file is no student of this project, or none of its tools can be called."""


@dataclass(frozen=True)
class StudentAnswer:
    """The calls of one answer.

    Attributes:
        calls: The calls; none if no tool fits, and possibly none if the answer was cut off.
        text: The answer as text.
        probability: Probability of the whole answer among all valid ones.
        complete: False if the answer was cut off at its greatest length; such an answer is never right.
        milliseconds: Wall-clock time of the answer.
        decoded: What the decoder did.
        confidence: Probability that the answer is right; None where the run had too few cases to calibrate.
        confident: Whether that suffices for the precision that the file was calibrated for; None as above. A
            call that its schema refuses is never confident.
        drafted: Whether the draft model in the file gives the same answer.
        doubt: How much less sure the answer is than its probability says, as a natural log.
    """

    calls: tuple[ToolCall, ...]
    text: str
    probability: float
    complete: bool
    milliseconds: float
    decoded: Decoded
    confidence: float | None = None
    confident: bool | None = None
    drafted: bool = False
    doubt: float = 0.0

    @property
    def score(self) -> float:
        """What ranks answers; higher is surer."""
        return self.decoded.logprob - self.doubt


@dataclass(frozen=True)
class Attempt:
    """What to decode: the valid answers, the prompt's token ids, and what predicts the answer."""

    grammar: TokenGrammar
    prompt: list[int]
    draft: Draft


class Answering:
    """How one student's file is asked, and how its answers are read.

    Args:
        path: The file, for messages.
        engine: The model in it, which stays open; only its vocabulary and key-values are used.
        tools: Replaces the tools in the file.

    Attributes:
        run: Key of the run that made the file.
        tools: The tools that an answer may call.
        calibration: How the student's scores are to be read; None where it is not known for these tools.
        ranking: What makes scores of probabilities; they are the same where the file does not say, or not for
            these tools.
        set_aside: Score of the student's answer to each row that was set aside, and whether it was right;
            none where it is not known for these tools.
        deviations: Where the grammar says other calls than the schemas, as `tool.argument: why`.
        grammar: The valid answers to any request.
        head: The token ids that the prompts of all requests begin with.
        trials: Prompts to measure a margin on.

    Raises:
        NotDecodable: The file is no student, or none of its tools can be called.
    """

    def __init__(self, path: Path, engine: LlamaCppEngine, tools: Toolset | None = None) -> None:
        carried, words = engine.metadata, engine.vocabulary
        if RUN not in carried:
            raise NotDecodable(f"{path} is no student of this project: it has no key {RUN}")
        self.run, self._words = carried[RUN], words
        self._template = carried.get("tokenizer.chat_template", "")
        self._special_tokens = words.special_tokens(carried)
        self._system_prompt = carried.get(SYSTEM_PROMPT, "")
        self._context = context_of(carried)
        own = Toolset.from_openai(json.loads(carried.get(TOOLS, "[]")))
        self.tools = tools or own
        # With other tools the valid answers differ, and so do the probabilities.
        known = Confidence.from_key_values(carried)
        same = self.tools.digest == own.digest
        self.calibration = known if same else None
        self.ranking = Ranking.from_key_values(carried if same else {})
        self.set_aside: list[ScoredRow] = from_key_values(carried) if same else []
        self._shown = self.tools.openai() if carried.get(TOOLS_IN_PROMPT) == "true" else None
        habits = carried.get(KEY)
        self._habits = DraftModel.loads(habits, self.tools) if habits else DraftModel.unknown(self.tools)
        self.deviations = deviations(self.tools)
        # Students learn to end with the end token of their tokenizer.
        self._spelling = Spelling(
            [words.piece(token) for token in range(words.size)],
            lambda text: words.tokenize(text, special=False),
            words.eos,
        )
        try:
            self.grammar = TokenGrammar(self._answers(""), self._spelling)
        except ValueError as error:
            raise NotDecodable(f"the decoder can't keep {path} to its tools: {error}") from error
        self.head = self._head()
        self.trials = [self.prompt(tool.description or tool.name) for tool in self.tools.tools[:_TRIALS]]

    def attempts(self, conversation: str | Sequence[Message]) -> Generator[Attempt, Decoded, StudentAnswer]:
        """An answer as what is to be decoded for it: takes what was decoded for each attempt.

        The first attempt is under the grammar of all requests. If an argument that is always copied has other
        words than the request, a second one allows only the request's. A grammar takes as long as an answer,
        so none is made until an answer violates it.

        Args:
            conversation: What a user says, or the messages of a conversation.

        Raises:
            ValueError: The template refuses the conversation.
        """
        started = time.perf_counter()
        case = _case(conversation)
        prompt, draft = self.prompt(case.messages), self._habits.draft(case.request)
        decoded = yield Attempt(self.grammar, prompt, draft)
        own = self._answers(case.request)
        if not own.begins(b"".join(map(self.grammar.piece, decoded.tokens))):
            first = decoded
            decoded = yield Attempt(TokenGrammar(own, self._spelling), prompt, draft)
            # Among fewer answers each is more probable. That is no evidence, so the lower value counts.
            decoded.logprob = min(decoded.logprob, first.logprob)
        drafted = self._habits.answer(case.request) == decoded.text
        parsed = parse_answer(decoded.text, self.tools)
        score = self.ranking.score(decoded.logprob, drafted)
        complete, known = decoded.finish == "stop", self.calibration
        valid = not self.deviations or not any(map(self.tools.problems, parsed.calls))
        return StudentAnswer(
            calls=parsed.calls,
            text=decoded.text,
            probability=math.exp(decoded.logprob),
            complete=complete,
            milliseconds=1000 * (time.perf_counter() - started),
            decoded=decoded,
            confidence=(known.right_with(score) if complete else 0.0) if known else None,
            confident=complete and valid and known.holds(score) if known else None,
            drafted=drafted,
            doubt=decoded.logprob - score,
        )

    def prompt(self, conversation: str | Sequence[Message]) -> list[int]:
        """The token ids that the model gets for a request or a conversation.

        Raises:
            ValueError: The template refuses the conversation.
        """
        text = render_prompt(self._template, self.turns(conversation), self._shown, self._special_tokens)
        return self._words.begin(self._words.tokenize(text, special=True))

    def turns(self, conversation: str | Sequence[Message]) -> tuple[Message, ...]:
        """The turns that the student reads of a conversation."""
        return student_messages(_case(conversation), self._system_prompt, self._context)

    def _answers(self, request: str) -> Language:
        """The valid answers to a request, in which arguments that were always copied are words of it."""
        habits = self._habits
        return answers(self.tools, habits.most_calls, habits.declines, habits.copied, request)

    def _head(self) -> list[int]:
        import numpy as np

        left, right = (np.array(self.prompt(text), np.int32) for text in ("a", "1"))
        return [int(token) for token in left[: shared_length(left, right)]]


def identity_of(path: Path) -> str:
    """Name and content hash of a student's file."""
    return f"{path.stem.lower()}@{file_digest(path)}"


def context_of(carried: Mapping[str, str]) -> ContextRule:
    """What a student keeps of a system turn, by the key-values of its file; nothing without the key."""
    told = carried.get(CONTEXT)
    return ContextRule.model_validate_json(told) if told else NOTHING


def _case(conversation: str | Sequence[Message]) -> Case:
    if isinstance(conversation, str):
        conversation = (Message(role="user", content=conversation),)
    return Case(id="", messages=tuple(conversation))
