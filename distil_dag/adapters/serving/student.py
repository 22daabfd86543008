"""A student's GGUF file in this process: a request in, tool calls out."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from distil_dag.adapters.llamacpp.engine import LlamaCppEngine, shared_length
from distil_dag.adapters.run_store import file_digest
from distil_dag.adapters.serving.decoder import CallDecoder, Decoded
from distil_dag.adapters.system.closing import Closing
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
from distil_dag.stages.student.draft_model import KEY, DraftModel
from distil_dag.stages.student.prompt import render_prompt, student_messages

# Key-values of a GGUF file that the export wrote: the first marks it as a student of a run.
RUN, SYSTEM_PROMPT, TOOLS = "distil_dag.run", "distil_dag.system_prompt", "distil_dag.tools"
TOOLS_IN_PROMPT, LINEAGE = "distil_dag.tools_in_prompt", "distil_dag.lineage"
PROVENANCE, CONTEXT = "distil_dag.provenance", "distil_dag.context"
# Number of requests on which the decoder measures its margin.
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


class Student(Closing):
    """A student in this process, held to calls of its tools.

    An answer is that of plain greedy decoding under the tools' grammar, which holds it to the schemas but for
    what `deviations` names. Some students have learned to copy words of the request into arguments. If such
    a student's answer has other words, it is decoded again with only the request's words allowed.

    Close the object, or use it as a context manager, to free its memory. Threads may share it; they take
    turns.

    Args:
        path: The GGUF file.
        tools: Replaces the tools in the file.
        context: Longest prompt with its answer, in tokens; None for the model's training length, at most
            8,192.
        threads: CPU threads; `OMP_NUM_THREADS` or all cores by default.

    Attributes:
        key_values: Those of the file, without arrays.
        calibration: How the student's scores are to be read; None where it is not known for these tools.
        ranking: What makes scores of probabilities; they are the same where the file does not say, or not for
            these tools.
        deviations: Where the grammar says other calls than the schemas, as `tool.argument: why`.

    Raises:
        FileNotFoundError: There is no file at `path`.
        ValueError: The file is no model.
        NotDecodable: The file is no student, or none of its tools can be called.
    """

    def __init__(
        self,
        path: str | Path,
        tools: Toolset | None = None,
        context: int | None = 2048,
        threads: int | None = None,
    ) -> None:
        self._path = Path(path)
        self._turn = threading.Lock()
        # As in the test, wherever the student runs.
        self._engine = LlamaCppEngine(self._path, 1, context, threads, flash_attention=False)
        try:
            self._prepare(tools)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Free the model's memory."""
        self._engine.close()

    @cached_property
    def identity(self) -> str:
        """File name and content hash of the weights."""
        return f"{self._path.stem.lower()}@{file_digest(self._path)}"

    def answer(
        self, conversation: str | Sequence[Message], max_tokens: int = 256, plain: bool = False
    ) -> StudentAnswer:
        """The calls for a request, or for the last turn of a conversation.

        Args:
            conversation: What a user says, or the messages of a conversation. A system turn is production's
                own, as in the log: what the student learned by heart is left out.
            max_tokens: Greatest length of the answer, in tokens.
            plain: Use plain greedy decoding, one token a pass, which is slower; for comparison.

        Raises:
            ValueError: The conversation is longer than the context.
        """
        started = time.perf_counter()
        case = _case(conversation)
        with self._turn:
            decoded = self._decoded(self._any_request, case, max_tokens, plain)
            own = self._answers(case.request)
            if not own.begins(b"".join(map(self._any_request.piece, decoded.tokens))):
                first = decoded
                decoded = self._decoded(TokenGrammar(own, self._spelling), case, max_tokens, plain)
                # Among fewer answers each is more probable. That is no evidence, so the lower value counts.
                decoded.logprob = min(decoded.logprob, first.logprob)
            drafted = self._habits.answer(case.request) == decoded.text
        parsed = parse_answer(decoded.text, self._tools)
        score = self.ranking.score(decoded.logprob, drafted)
        complete, known = decoded.finish == "stop", self.calibration
        valid = not self.deviations or not any(map(self._tools.problems, parsed.calls))
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
        """The token ids that the model gets for a request or a conversation."""
        with self._turn:
            return self._prompt(_case(conversation))

    def turns(self, conversation: str | Sequence[Message]) -> tuple[Message, ...]:
        """The turns that the student reads of a conversation: what a client sends to a server of its file."""
        return student_messages(_case(conversation), self._system_prompt, self._context)

    @property
    def margin(self) -> float:
        """Lead in logits below which a choice is verified by plain passes, measured on this machine."""
        return self._decoder.margin

    def _prepare(self, tools: Toolset | None) -> None:
        carried, words = self._engine.metadata, self._engine.vocabulary
        self.key_values = carried
        if RUN not in carried:
            raise NotDecodable(f"{self._path} is no student of this project: it has no key {RUN}")
        self._template = carried.get("tokenizer.chat_template", "")
        self._special_tokens = words.special_tokens(carried)
        self._system_prompt = carried.get(SYSTEM_PROMPT, "")
        self._context = context_of(carried)
        own = Toolset.from_openai(json.loads(carried.get(TOOLS, "[]")))
        toolset = tools or own
        # With other tools the valid answers differ, and so do the probabilities.
        known = Confidence.from_key_values(carried)
        same = toolset.digest == own.digest
        self.calibration = known if same else None
        self.ranking = Ranking.from_key_values(carried if same else {})
        self._shown = toolset.openai() if carried.get(TOOLS_IN_PROMPT) == "true" else None
        habits = carried.get(KEY)
        self._habits = DraftModel.loads(habits, toolset) if habits else DraftModel.unknown(toolset)
        self._tools = toolset
        self.deviations = deviations(toolset)
        # Students learn to end with the end token of their tokenizer.
        self._spelling = Spelling(
            [words.piece(token) for token in range(words.size)],
            lambda text: words.tokenize(text, special=False),
            words.eos,
        )
        try:
            self._any_request = TokenGrammar(self._answers(""), self._spelling)
        except ValueError as error:
            raise NotDecodable(f"the decoder can't keep {self._path} to its tools: {error}") from error
        trials = [tool.description or tool.name for tool in toolset.tools[:_TRIALS]]
        prompts = [self._prompt(_case(trial)) for trial in trials]
        self._decoder = CallDecoder(self._engine, self._head())
        self._decoder.measure_margin(self._any_request, prompts, room=64)

    def _decoded(self, grammar: TokenGrammar, case: Case, max_tokens: int, plain: bool) -> Decoded:
        prompt = self._prompt(case)
        if plain:
            return self._decoder.plain(grammar, prompt, max_tokens)
        return self._decoder.answer(grammar, prompt, max_tokens, self._habits.draft(case.request))

    def _answers(self, request: str) -> Language:
        """The valid answers to a request, in which arguments that were always copied are words of it.

        A grammar takes as long as an answer, so none is made of them until an answer violates them.
        """
        habits = self._habits
        return answers(self._tools, habits.most_calls, habits.declines, habits.copied, request)

    def _head(self) -> list[int]:
        """The token ids that the prompts of all requests begin with."""
        import numpy as np

        left, right = (np.array(self._prompt(_case(text)), np.int32) for text in ("a", "1"))
        return [int(token) for token in left[: shared_length(left, right)]]

    def _prompt(self, case: Case) -> list[int]:
        words = self._engine.vocabulary
        messages = self.turns(case.messages)
        text = render_prompt(self._template, messages, self._shown, self._special_tokens)
        return words.begin(words.tokenize(text, special=True))


def context_of(carried: Mapping[str, str]) -> ContextRule:
    """What a student keeps of a system turn, by the key-values of its file; nothing without the key."""
    told = carried.get(CONTEXT)
    return ContextRule.model_validate_json(told) if told else NOTHING


def _case(conversation: str | Sequence[Message]) -> Case:
    if isinstance(conversation, str):
        conversation = (Message(role="user", content=conversation),)
    return Case(id="", messages=tuple(conversation))
