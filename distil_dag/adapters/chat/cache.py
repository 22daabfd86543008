"""Replies of a chat model, stored by the content of the call: nothing is computed or paid for twice."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from distil_dag.adapters.system.closing import Closing
from distil_dag.stages.ports import ChatModel, OnReply, OnScore, Prompt, Reply, Score, unheeded

Request = TypeVar("Request")
Result = TypeVar("Result", Reply, Score)

_WAIT_SECONDS = 60.0
_KEYS_PER_QUERY = 500


class CachedChat(Closing):
    """A chat model behind a cache in a SQLite file, which the processes of one machine may share.

    A call's key is the model's identity and the whole prompt with all its parameters. A reply is committed
    before it is announced, so a finished call outlives the process. Replies that a model announces only all
    together are committed together: a batch of such a model is found whole or not at all. Failures are not
    stored.

    What was committed stays, whatever happens later.

    Args:
        model: The model that is asked for what the file lacks.
        path: The SQLite file, created if need be.

    Raises:
        RuntimeError: The file, which is named, is damaged or can't be written.
    """

    def __init__(self, model: ChatModel, path: Path) -> None:
        self._model = model
        self._path = path
        self._turns = threading.Lock()
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=_WAIT_SECONDS, check_same_thread=False)
            # With a write-ahead log a commit takes a tenth of a millisecond and survives the process.
            # A loss of power costs the last commits, never the file. The switch fails while another
            # process writes. Either mode works then, and the next process that opens the file tries again.
            with suppress(sqlite3.OperationalError):
                self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            with self._database:
                self._database.execute(
                    "CREATE TABLE IF NOT EXISTS replies (key BLOB PRIMARY KEY, reply TEXT) WITHOUT ROWID"
                )

    def close(self) -> None:
        """Close the file; the model stays open."""
        self._database.close()

    @property
    def identity(self) -> str:
        """The identity of the model behind the cache."""
        return self._model.identity

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
        """Reply to each prompt, from the file or the model; see :class:`ChatModel`.

        Args:
            prompts: The requests.
            arrived: Called once for each prompt; for replies in the file, before the model is asked.
        """
        return self._through(
            [_key("generate", self.identity, prompt) for prompt in prompts],
            prompts,
            self._model.generate,
            Reply,
            lambda reply: reply.finish != "error",
            arrived,
        )

    def score(self, items: Sequence[tuple[Prompt, str]], arrived: OnScore = unheeded) -> list[Score]:
        """Score each text, from the file or the model; see :class:`ChatModel`.

        Args:
            items: Pairs of a prompt and the assistant's text.
            arrived: Called once for each pair; for scores in the file, before the model is asked.
        """
        return self._through(
            # Version 2 of the key: scores under version 1 ended with another token than the turn's end.
            [_key("score 2", self.identity, prompt, text) for prompt, text in items],
            items,
            self._model.score,
            Score,
            lambda score: math.isfinite(score.logprob),
            arrived,
        )

    def _through(
        self,
        keys: Sequence[bytes],
        requests: Sequence[Request],
        ask: Callable[[Sequence[Request], Callable[[int, Result], None]], Sequence[Result]],
        cls: type[Result],
        is_good: Callable[[Result], bool],
        arrived: Callable[[int, Result], None],
    ) -> list[Result]:
        places: dict[bytes, list[int]] = {}
        for place, key in enumerate(keys):
            places.setdefault(key, []).append(place)
        found: dict[bytes, Result] = {}

        def keep(results: dict[bytes, Result]) -> None:
            self._write({key: result for key, result in results.items() if is_good(result)})
            # Where another process was faster, its reply is stored, and every later run will read that one.
            tell(results | self._read(list(results), cls))

        def tell(results: dict[bytes, Result]) -> None:
            found.update(results)
            for key, result in results.items():
                for place in places[key]:
                    arrived(place, result)

        tell(self._read(list(places), cls))
        # A request that stands in the batch twice is sent once, as it would be after a restart.
        missing = [key for key in places if key not in found]
        if missing:
            wanted = [requests[places[key][0]] for key in missing]
            results = ask(wanted, lambda n, result: keep({missing[n]: result}))
            keep({k: result for k, result in zip(missing, results, strict=True) if k not in found})
        return [found[key] for key in keys]

    def _read(self, keys: Sequence[bytes], cls: type[Result]) -> dict[bytes, Result]:
        found: dict[bytes, Result] = {}
        with self._turns, self._explained():
            for start in range(0, len(keys), _KEYS_PER_QUERY):
                part = keys[start : start + _KEYS_PER_QUERY]
                marks = ",".join("?" * len(part))
                rows = self._database.execute(
                    f"SELECT key, reply FROM replies WHERE key IN ({marks})",  # noqa: S608
                    part,
                )
                found |= {key: cls(**json.loads(reply)) for key, reply in rows}
        return found

    def _write(self, results: dict[bytes, Result]) -> None:
        with self._turns, self._explained(), self._database:
            self._database.executemany(
                "INSERT OR IGNORE INTO replies VALUES (?, ?)",
                [(key, json.dumps(dataclasses.asdict(result))) for key, result in results.items()],
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:
            raise RuntimeError(
                f"the cache of model calls {self._path} cannot be used: {error}. Check that its folder "
                "can be written and its disk is not full; delete the file if it is damaged "
                "(replies are then computed again)"
            ) from error


def _key(*parts: Any) -> bytes:
    text = json.dumps(parts, default=_plain)
    return hashlib.sha256(text.encode()).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} cannot be part of a call's key")
