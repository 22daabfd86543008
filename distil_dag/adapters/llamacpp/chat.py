"""A GGUF model as a ChatModel in this process, with batched generation and exact scores."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

from distil_dag.adapters.llamacpp.chat_template import ChatTemplate, Piece
from distil_dag.adapters.llamacpp.engine import LlamaCppEngine
from distil_dag.adapters.llamacpp.scheduler import run
from distil_dag.adapters.llamacpp.schema_grammar import Grammar
from distil_dag.adapters.llamacpp.sequences import Completion, Scoring
from distil_dag.adapters.run_store import file_digest
from distil_dag.adapters.system.closing import Closing
from distil_dag.core.answers.form import NotReadable
from distil_dag.core.answers.thoughts import before_stop, without_thoughts
from distil_dag.core.case import Message
from distil_dag.stages.ports import OnReply, OnScore, Prompt, Reply, Score, unheeded

# Tokens are shorter than this on average, so a longer text is refused before it is tokenised.
_BYTES_PER_TOKEN = 64


class LlamaCppChat(Closing):
    """A chat model over llama.cpp.

    Close it, or use it as a context manager, to free its memory. Equal calls give equal replies, sampled ones
    too. Threads may share the object; they take turns.

    Args:
        path: The GGUF file.
        name: Name of the model in its identity; the file's stem in lower case by default.
        parallel: Number of sequences that are decoded at once.
        context: Tokens of the cache that all sequences share; see :class:`LlamaCppEngine` for the default.
        threads: CPU threads; `OMP_NUM_THREADS` or all cores by default.
        thoughts: Room for thoughts in tokens, for a model that shall think; 0 to switch them off where the
            model's template can.
        flash_attention: Whether attention is computed as one operation; see :class:`LlamaCppEngine`.

    Raises:
        FileNotFoundError: There is no file at `path`.
        ValueError: The file is no GGUF model that decodes, or the memory does not suffice.
    """

    def __init__(
        self,
        path: Path,
        name: str | None = None,
        parallel: int = 32,
        context: int | None = None,
        threads: int | None = None,
        thoughts: int = 0,
        flash_attention: bool | None = None,
    ) -> None:
        self._path = path
        self._thoughts = thoughts
        self._name = name or path.stem.lower()
        self._engine = LlamaCppEngine(path, parallel, context, threads, flash_attention)
        self.vocabulary = self._engine.vocabulary
        self._turns = threading.RLock()

    def close(self) -> None:
        """Free the model's memory."""
        with self._turns:
            self._engine.close()

    @cached_property
    def identity(self) -> str:
        """File name and content hash of the weights."""
        thoughts = f" thinking {self._thoughts}" if self._thoughts else ""
        return f"{self._name}@{file_digest(self._path)}{thoughts}"

    @cached_property
    def metadata(self) -> dict[str, str]:
        """The GGUF file's key-values as strings, without arrays."""
        with self._turn():
            return self._engine.metadata

    @property
    def chat_template(self) -> str:
        """The Jinja source of the model's chat template.

        Raises:
            ValueError: The file has none.
        """
        source = self.metadata.get("tokenizer.chat_template", "")
        if not source:
            raise ValueError(
                f"{self._path} has no chat template (tokenizer.chat_template), which says how it wants to be "
                "asked: it holds a base model, or was converted without one. Take the file of an "
                "instruction-tuned model, or convert it again from a folder that has the template"
            )
        return source

    def require_template(self) -> None:
        """Make sure that the model can be asked with messages, before anything depends on it.

        Raises:
            ValueError: The file has no chat template, or one that can't be read.
        """
        _ = self._template

    @cached_property
    def special_tokens(self) -> dict[str, str]:
        """The special tokens that a chat template may use: name -> token."""
        return self.vocabulary.special_tokens(self.metadata)

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a rendered prompt.

        Control tokens are recognised. The begin token is put in front where the model uses one.
        """
        with self._turn():
            return self.vocabulary.begin(self.vocabulary.tokenize(text, special=True))

    def tokens(self, prompt: Prompt, text: str = "") -> list[int]:
        """Ids of a prompt by the model's template, with its `prefill` and then `text`.

        What messages hold is read as words, control tokens too.

        Raises:
            ValueError: The template has no place for the messages, or the prompt is empty or far beyond the
                context.
        """
        return self._join(self._template.pieces(prompt.messages, prompt.tools, prompt.prefill + text))

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
        """Generate one reply for each prompt, in order; see :class:`ChatModel`.

        Equal prompts of a call get equal replies. The last bits of a reply depend on the other prompts of its
        batch. So a part of a batch must not be kept, and no reply is announced before all are in.

        Args:
            prompts: The requests.
            arrived: Not called.

        Returns:
            One reply for each prompt; a prompt that failed has `finish="error"`.
        """
        asked = [self._with_room(prompt) for prompt in prompts]
        replies = self._complete([(prompt, partial(self.tokens, prompt)) for prompt in asked])
        return [
            reply if prompt.prefill else _without_thoughts(reply, prompt)
            for prompt, reply in zip(prompts, replies, strict=True)
        ]

    def complete_text(self, texts: Sequence[str], max_tokens: int) -> list[Reply]:
        """Continue prompts that are rendered already, greedily.

        Control tokens in the texts are recognised.

        Args:
            texts: The rendered prompts.
            max_tokens: Greatest length of a continuation, in tokens.
        """
        options = Prompt(messages=(), max_tokens=max_tokens)
        return self._complete([(options, partial(self._join, [Piece(text, True)])) for text in texts])

    def score(self, items: Sequence[tuple[Prompt, str]], arrived: OnScore = unheeded) -> list[Score]:
        """Log-probability of each text, including the end of the turn, after its prompt and `prefill`.

        Where the tokeniser joins the end of the prompt with the beginning of the text, the joined token
        counts as part of the text.

        Args:
            items: Pairs of a prompt and the assistant's text.
            arrived: Not called.

        Returns:
            One score for each pair, in order (natural log). A text that does not fit into the context has
            log-probability minus infinity and no tokens.
        """
        with self._turn():
            keys = [self._to_score(prompt, text) for prompt, text in items]
            jobs = {key: Scoring(list(key[0]), key[1]) for key in keys if key}
            run(self._engine, list(jobs.values()))
        return [jobs[key].score() if key else Score(-math.inf, 0) for key in keys]

    def _with_room(self, prompt: Prompt) -> Prompt:
        """The prompt with room for thoughts, which no stop string may end; a schema leaves no thoughts."""
        if not self._thoughts or prompt.prefill or prompt.schema is not None:
            return prompt
        return replace(prompt, max_tokens=prompt.max_tokens + self._thoughts, stop=())

    def _complete(self, requests: Sequence[tuple[Prompt, Callable[[], list[int]]]]) -> list[Reply]:
        with self._turn():
            jobs: dict[tuple[tuple[int, ...], Prompt], Completion] = {}
            keys: list[tuple[tuple[int, ...], Prompt] | Reply] = []
            for prompt, tokenise in requests:
                try:
                    tokens = self._fitting(tokenise(), room=prompt.max_tokens > 0)
                    # Equal prompts are one job. As two jobs, rounding might make their answers differ.
                    key = (tuple(tokens), replace(prompt, messages=(), tools=()))
                    if key not in jobs:
                        room = min(prompt.max_tokens, self._engine.limit - len(tokens))
                        jobs[key] = Completion(tokens, room, prompt, self.vocabulary, self._grammar(prompt))
                    keys.append(key)
                except ValueError as error:
                    keys.append(Reply("", "error", error=str(error)))
            run(self._engine, [job for job in jobs.values() if job.room > 0])
        return [key if isinstance(key, Reply) else jobs[key].reply() for key in keys]

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with self._turns:
            if not self._engine.is_open:
                raise RuntimeError("the model is closed")
            yield

    def _fitting(self, tokens: list[int], room: bool) -> list[int]:
        if len(tokens) + room > self._engine.limit:
            raise ValueError(f"the prompt has {len(tokens)} tokens, the context holds {self._engine.limit}")
        return tokens

    def _grammar(self, prompt: Prompt) -> Grammar | None:
        if prompt.schema is None:
            return None
        grammar = Grammar(json.dumps(prompt.schema), self.vocabulary)
        for token in self.vocabulary.tokenize(prompt.prefill, special=False):
            if not grammar.allows(token):
                raise ValueError("the prefill is not the beginning of anything that the schema allows")
            grammar.accept(token)
        return grammar

    def _to_score(self, prompt: Prompt, text: str) -> tuple[tuple[int, ...], int] | None:
        """The whole sequence and the index where the text begins in it; None if it can't be scored."""
        try:
            before = self.tokens(prompt)
            whole = self._fitting([*self.tokens(prompt, text), self._turn_end], room=False)
        except ValueError:
            return None
        pairs = enumerate(zip(before, whole, strict=False))
        start = next((at for at, (left, right) in pairs if left != right), len(before))
        return tuple(whole), max(start, 1)

    @cached_property
    def _template(self) -> ChatTemplate:
        words = self.vocabulary
        return ChatTemplate(
            self.chat_template,
            words.name(words.bos),
            words.name(words.eos),
            words.control_pattern,
            thinking=self._thoughts > 0,
        )

    @cached_property
    def _turn_end(self) -> int:
        """The token that the template puts after the assistant's text.

        llama.cpp guesses the end of a turn by name. For ChatML it finds another token than the model learned.
        """
        turns = (Message(role="user", content="a"), Message(role="assistant", content="a"))
        try:
            closed = self._join(self._template.pieces(turns, goes_on=False))
        except ValueError:  # the template has no place for these turns
            closed = []
        return next((t for t in reversed(closed) if self.vocabulary.ends(t)), self.vocabulary.eos)

    def _join(self, pieces: Sequence[Piece]) -> list[int]:
        size = sum(len(piece.text) for piece in pieces)
        if size > _BYTES_PER_TOKEN * self._engine.limit:
            raise ValueError(
                f"the prompt has {size} characters, the context holds {self._engine.limit} tokens"
            )
        tokens = [
            token for piece in pieces for token in self.vocabulary.tokenize(piece.text, special=piece.trusted)
        ]
        tokens = self.vocabulary.begin(tokens)
        if not tokens:
            raise ValueError("the prompt is empty")
        return tokens


def _without_thoughts(reply: Reply, prompt: Prompt) -> Reply:
    if reply.finish == "error":
        return reply
    try:
        said = without_thoughts(reply.text)
    except NotReadable:  # they never ended
        return replace(reply, text="", finish="length")
    if said == reply.text.strip():
        said = reply.text
    text = before_stop(said, prompt.stop)
    return replace(reply, text=text, finish=reply.finish if text == said else "stop")
