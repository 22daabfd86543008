"""A GGUF model as a ChatModel, in this process: many prompts at once, and exact scores."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from distil_dag.adapters.chat_template import ChatTemplate, Piece
from distil_dag.adapters.llama_cpp_engine import LlamaCppEngine, Logits
from distil_dag.adapters.llama_cpp_grammar import Grammar
from distil_dag.adapters.llama_cpp_schedule import run
from distil_dag.adapters.llama_cpp_vocabulary import Vocabulary
from distil_dag.adapters.run_store import file_digest
from distil_dag.stages.ports import Prompt, Reply, Score

# No token is longer than this on average, so a longer text is refused before it is tokenised.
_BYTES_PER_TOKEN = 64
# Tokens less likely than e^-20 times the likeliest one are not sampled: all of them together
# hold less than 0.01 % of the probability, and most of the vocabulary need not be sorted.
_NEGLIGIBLE = 20.0


class LlamaCppChat:
    """A chat model over llama.cpp; close it, or use it as a context manager, to free its memory.

    `parallel` sequences are decoded at once, in a cache of `context` tokens for all of them
    together. Equal calls give equal replies, sampled ones too. Safe to share between threads,
    which take turns.
    """

    def __init__(
        self,
        path: Path,
        name: str | None = None,
        parallel: int = 32,
        context: int | None = None,
        threads: int | None = None,
    ) -> None:
        self._path = path
        self._name = name or path.stem.lower()
        self._engine = LlamaCppEngine(path, parallel, context, threads)
        self._vocabulary = self._engine.vocabulary
        self._turns = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the model's memory."""
        with self._turns:
            self._engine.close()

    @functools.cached_property
    def identity(self) -> str:
        """File name and content hash of the weights."""
        return f"{self._name}@{file_digest(self._path)}"

    @functools.cached_property
    def metadata(self) -> dict[str, str]:
        """The GGUF file's key-values, as strings; arrays are left out."""
        return self._engine.metadata

    @property
    def chat_template(self) -> str:
        """The Jinja source of the model's chat template; ValueError if the file has none."""
        source = self.metadata.get("tokenizer.chat_template", "")
        if not source:
            raise ValueError(f"{self._path} has no chat template (tokenizer.chat_template)")
        return source

    def tokenize(self, text: str) -> list[int]:
        """Ids of a rendered prompt, control tokens recognised, begin token in front if there is one."""
        return self._vocabulary.begin(self._vocabulary.tokenize(text, special=True))

    def generate(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """One reply a prompt, in order; see the port."""
        return self._complete([_Request.of(prompt, self._tokens) for prompt in prompts])

    def complete_text(self, texts: Sequence[str], max_tokens: int, stop: Sequence[str] = ()) -> list[Reply]:
        """Greedy continuations of prompts that are rendered already; control tokens are recognised."""
        options = Prompt(messages=(), max_tokens=max_tokens, stop=tuple(stop))
        return self._complete(
            [_Request.of(options, lambda _, text=text: self._join([Piece(text, True)])) for text in texts]
        )

    def score(self, items: Sequence[tuple[Prompt, str]]) -> list[Score]:
        """Log-probability of each text, with the end of the turn, behind its prompt and `prefill`.

        Where the tokeniser joins the end of the prompt with the beginning of the text, the
        joined token counts as part of the text. What can't be scored, since it is longer than
        the context, has log-probability minus infinity.
        """
        scored = [self._scoring(prompt, text) for prompt, text in items]
        with self._turns:
            run(self._engine, [job for job in scored if job.error == ""])
        return [Score(job.logprob if not job.error else -np.inf, len(job.targets)) for job in scored]

    def _complete(self, requests: Sequence[_Request]) -> list[Reply]:
        jobs = [self._completion(request) for request in requests]
        with self._turns:
            run(self._engine, [job for job in jobs if isinstance(job, _Completion)])
        return [job.reply() if isinstance(job, _Completion) else job for job in jobs]

    def _completion(self, request: _Request) -> _Completion | Reply:
        if request.error:
            return Reply("", "error", error=request.error)
        room = min(request.prompt.max_tokens, self._engine.limit - len(request.tokens))
        if room <= 0 and request.prompt.max_tokens > 0:
            reason = f"the prompt has {len(request.tokens)} tokens, the context holds {self._engine.limit}"
            return Reply("", "error", prompt_tokens=len(request.tokens), error=reason)
        if room <= 0:
            return Reply("", "length", prompt_tokens=len(request.tokens))
        try:
            grammar = self._grammar(request.prompt)
        except ValueError as error:
            return Reply("", "error", prompt_tokens=len(request.tokens), error=str(error))
        return _Completion(request.tokens, room, request.prompt, self._vocabulary, grammar)

    def _grammar(self, prompt: Prompt) -> Grammar | None:
        if prompt.schema is None:
            return None
        grammar = Grammar(json.dumps(prompt.schema), self._vocabulary)
        for token in self._vocabulary.tokenize(prompt.prefill, special=False):
            if not grammar.allows(token):
                raise ValueError("the prefill is not the beginning of anything that the schema allows")
            grammar.accept(token)
        return grammar

    def _scoring(self, prompt: Prompt, text: str) -> _Scoring:
        try:
            before = self._tokens(prompt)
            whole = self._tokens(prompt, text)
        except ValueError as error:
            return _Scoring([], 1, str(error))
        whole.append(self._vocabulary.end_of_turn)
        start = next(
            (at for at, (a, b) in enumerate(zip(before, whole, strict=False)) if a != b), len(before)
        )
        too_long = len(whole) > self._engine.limit
        return _Scoring(whole, max(start, 1), "longer than the context" if too_long else "")

    @functools.cached_property
    def _template(self) -> ChatTemplate:
        words = self._vocabulary
        return ChatTemplate(
            self.chat_template, words.name(words.bos), words.name(words.eos), words.control_pattern
        )

    def _tokens(self, prompt: Prompt, text: str = "") -> list[int]:
        return self._join(self._template.pieces(prompt.messages, prompt.tools, prompt.prefill + text))

    def _join(self, pieces: Sequence[Piece]) -> list[int]:
        size = sum(len(piece.text) for piece in pieces)
        if size > _BYTES_PER_TOKEN * self._engine.limit:
            raise ValueError(
                f"the prompt has {size} characters, the context holds {self._engine.limit} tokens"
            )
        tokens = [
            token
            for piece in pieces
            for token in self._vocabulary.tokenize(piece.text, special=piece.trusted)
        ]
        tokens = self._vocabulary.begin(tokens)
        if not tokens:
            raise ValueError("the prompt is empty")
        return tokens


class _Request:
    """A prompt and its tokens, or why it has none."""

    def __init__(self, prompt: Prompt, tokens: list[int], error: str) -> None:
        self.prompt, self.tokens, self.error = prompt, tokens, error

    @classmethod
    def of(cls, prompt: Prompt, tokens: Any) -> _Request:
        try:
            return cls(prompt, tokens(prompt), "")
        except ValueError as error:
            return cls(prompt, [], str(error))


class _Completion:
    """A sequence that grows until the model, a stop string or the length ends it."""

    def __init__(
        self, tokens: list[int], room: int, prompt: Prompt, vocabulary: Vocabulary, grammar: Grammar | None
    ) -> None:
        self.tokens, self.room = tokens, room
        self._prompt_length = len(tokens)
        self._options = prompt
        self._vocabulary = vocabulary
        self._grammar = grammar
        self._random = np.random.default_rng(prompt.seed & (2**63 - 1))
        self._said = bytearray()
        self._finish: Any = None
        self._count = 0

    @property
    def first(self) -> int:
        return len(self.tokens) - 1

    def take(self, logits: Logits) -> int | None:
        row = logits[-1]
        token = self._choose(row)
        if self._grammar and not self._grammar.allows(token):
            # Drawing anew among the allowed tokens gives their distribution exactly, and the
            # whole vocabulary is held against the grammar only when the first draw fails.
            token = self._choose(self._grammar.mask(row))
        self._count += 1
        if self._vocabulary.ends(token):
            self._finish = "stop"
            return None
        if self._grammar:
            self._grammar.accept(token)
        self._said += self._vocabulary.piece(token)
        if self._stop_position() >= 0:
            self._finish = "stop"
            return None
        if self._count >= self.room:
            self._finish = "length"
            return None
        return token

    def reply(self) -> Reply:
        cut = self._stop_position()
        # A character cut in half at the end of the length is dropped.
        text = bytes(self._said if cut < 0 else self._said[:cut]).decode("utf-8", "ignore")
        return Reply(text, self._finish, self._prompt_length, self._count)

    def _stop_position(self) -> int:
        found = [self._said.find(stop.encode()) for stop in self._options.stop if stop]
        return min((at for at in found if at >= 0), default=-1)

    def _choose(self, row: Logits) -> int:
        best = int(row.argmax())
        temperature = self._options.temperature
        if temperature <= 0:
            return best
        likely = np.flatnonzero(row > row[best] - _NEGLIGIBLE * temperature)
        order = likely[np.argsort(-row[likely], kind="stable")]
        weights = np.exp((row[order].astype(np.float64) - row[best]) / temperature)
        total = np.cumsum(weights)
        if self._options.top_p < 1:
            kept = int(np.searchsorted(total, self._options.top_p * total[-1])) + 1
            order, total = order[:kept], total[:kept]
        drawn = int(np.searchsorted(total, self._random.random() * total[-1], side="right"))
        return int(order[min(drawn, len(order) - 1)])


class _Scoring:
    """A sequence whose tokens from `start` on are looked up in the model's predictions."""

    room = 0

    def __init__(self, tokens: list[int], start: int, error: str) -> None:
        self.tokens = tokens[:-1]  # nothing is predicted behind the last one
        self.targets = tokens[start:]
        self.error = error
        self.logprob = 0.0
        self._start = start
        self._seen = 0

    @property
    def first(self) -> int:
        return self._start - 1 + self._seen

    def take(self, logits: Logits) -> int | None:
        for row in logits:
            top = row.max()
            norm = float(np.log(np.exp(row - top).sum(dtype=np.float64)) + top)
            self.logprob += float(row[self.targets[self._seen]]) - norm
            self._seen += 1
        return None
