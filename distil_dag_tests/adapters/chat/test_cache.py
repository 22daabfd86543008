from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from distil_dag.adapters.chat.cache import CachedChat
from distil_dag.core.case import Message
from distil_dag.stages.ports import OnReply, OnScore, Prompt, Reply, Score, unheeded


class Scripted:
    """Answers with the request's last word and a running number, so that a second call shows."""

    def __init__(self, identity: str = "scripted@1", broken: frozenset[str] = frozenset()) -> None:
        self.identity = identity
        self.broken = broken
        self.asked: list[list[str]] = []

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
        words = [prompt.messages[-1].content for prompt in prompts]
        self.asked.append(words)
        return [
            Reply("", "error", error="down")
            if word in self.broken
            else Reply(f"{word} {len(self.asked)}", "stop", 3, 2)
            for word in words
        ]

    def score(self, items: Sequence[tuple[Prompt, str]], arrived: OnScore = unheeded) -> list[Score]:
        self.asked.append([text for _, text in items])
        return [Score(-math.inf if text == "long" else -0.1 * len(text), len(text)) for _, text in items]


def prompt(words: str, **options: object) -> Prompt:
    return Prompt((Message(role="user", content=words),), **options)  # type: ignore[arg-type]


def test_a_call_is_made_once_even_by_another_process_later(tmp_path: Path) -> None:
    model = Scripted()
    with CachedChat(model, tmp_path / "replies.sqlite") as chat:
        first = chat.generate([prompt("a"), prompt("b")])
    with CachedChat(model, tmp_path / "replies.sqlite") as chat:
        assert chat.generate([prompt("b"), prompt("a")]) == first[::-1]
    assert model.asked == [["a", "b"]]
    assert first[0] == Reply("a 1", "stop", 3, 2)


def test_only_what_is_missing_is_sent_and_order_is_kept(tmp_path: Path) -> None:
    model = Scripted()
    with CachedChat(model, tmp_path / "replies.sqlite") as chat:
        chat.generate([prompt("b")])
        replies = chat.generate([prompt("a"), prompt("b"), prompt("c"), prompt("a")])
    assert model.asked == [["b"], ["a", "c"]]
    assert [reply.text for reply in replies] == ["a 2", "b 1", "c 2", "a 2"]


def test_failures_are_asked_again(tmp_path: Path) -> None:
    model = Scripted(broken=frozenset({"a"}))
    with CachedChat(model, tmp_path / "replies.sqlite") as chat:
        assert [reply.finish for reply in chat.generate([prompt("a"), prompt("b")])] == ["error", "stop"]
        model.broken = frozenset()
        assert [reply.text for reply in chat.generate([prompt("a"), prompt("b")])] == ["a 2", "b 1"]


@pytest.mark.parametrize(
    "changed",
    [
        {"prefill": "x"},
        {"max_tokens": 7},
        {"temperature": 0.5},
        {"top_p": 0.5},
        {"seed": 1},
        {"stop": ("x",)},
        {"schema": {"type": "object"}},
        {"tools": ({"type": "function"},)},
    ],
)
def test_every_parameter_belongs_to_the_key(tmp_path: Path, changed: dict[str, object]) -> None:
    model = Scripted()
    with CachedChat(model, tmp_path / "replies.sqlite") as chat:
        chat.generate([prompt("a")])
        chat.generate([prompt("a", **changed)])
    assert len(model.asked) == 2


def test_role_identity_and_kind_belong_to_the_key(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    one, two = Scripted("one"), Scripted("two")
    system = Prompt((Message(role="system", content="a"),))
    with CachedChat(one, path) as first, CachedChat(two, path) as second:
        first.generate([prompt("a")])
        first.generate([system])
        first.score([(prompt("a"), "")])
        second.generate([prompt("a")])
    assert len(one.asked) == 3
    assert len(two.asked) == 1


def test_scores_are_kept_but_not_those_of_texts_that_could_not_be_scored(tmp_path: Path) -> None:
    model = Scripted()
    items = [(prompt("a"), "yes"), (prompt("a"), "long")]
    with CachedChat(model, tmp_path / "replies.sqlite") as chat:
        assert chat.score(items) == chat.score(items)
    assert model.asked == [["yes", "long"], ["long"]]


def test_odd_text_is_a_key_too(tmp_path: Path) -> None:
    words = ["", "\x00", "\ud800", "🙂" * 1000, "שלום", '"quoted"', "'); DROP TABLE replies;--"]
    model = Scripted()
    with CachedChat(model, tmp_path / "replies.sqlite") as chat:
        once = chat.generate([prompt(word) for word in words])
        assert chat.generate([prompt(word) for word in words]) == once
    assert len(model.asked) == 1


def test_many_keys_in_one_batch(tmp_path: Path) -> None:
    model = Scripted()
    prompts = [prompt(str(number)) for number in range(2_500)]
    with CachedChat(model, tmp_path / "replies.sqlite") as chat:
        assert chat.generate(prompts) == chat.generate(prompts)
    assert len(model.asked) == 1


def test_a_batch_that_dies_on_its_way_leaves_nothing(tmp_path: Path) -> None:
    class Dying(Scripted):
        def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
            raise KeyboardInterrupt

    path = tmp_path / "replies.sqlite"
    with CachedChat(Dying(), path) as chat, pytest.raises(KeyboardInterrupt):
        chat.generate([prompt("a"), prompt("b")])
    assert sqlite3.connect(path).execute("SELECT count(*) FROM replies").fetchone() == (0,)


def test_a_reply_is_kept_before_anyone_hears_of_it(tmp_path: Path) -> None:
    class Streaming(Scripted):
        def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
            replies = super().generate(prompts)
            for place in reversed(range(len(replies))):
                arrived(place, replies[place])
            return replies

    path = tmp_path / "replies.sqlite"
    model = Streaming(broken=frozenset({"c"}))
    kept: list[tuple[int, str, int]] = []

    def heard(place: int, reply: Reply) -> None:
        kept.append((place, reply.finish, count(path)))
        if place == 1:
            raise KeyboardInterrupt

    with CachedChat(model, path) as chat:
        with pytest.raises(KeyboardInterrupt):
            chat.generate([prompt(word) for word in ("a", "b", "c", "d", "d")], heard)
        assert kept == [(3, "stop", 1), (4, "stop", 1), (2, "error", 1), (1, "stop", 2)]
        chat.generate([prompt(word) for word in ("a", "b", "c", "d")])
    assert model.asked == [["a", "b", "c", "d"], ["a", "c"]]


def test_every_place_is_heard_of_once_also_of_a_model_that_announces_nothing(tmp_path: Path) -> None:
    with CachedChat(Scripted(), tmp_path / "replies.sqlite") as chat:
        chat.generate([prompt("b")])
        heard: list[tuple[int, str]] = []
        words = ["a", "b", "a", "c"]
        chat.generate(
            [prompt(word) for word in words], lambda place, reply: heard.append((place, reply.text))
        )
        assert sorted(heard) == [(0, "a 2"), (1, "b 1"), (2, "a 2"), (3, "c 2")]
        scored: list[int] = []
        items = [(prompt("a"), "yes"), (prompt("a"), "no")]
        chat.score(items, lambda place, score: scored.append(place))
    assert sorted(scored) == [0, 1]


def test_commits_survive_the_process_and_the_file_survives_a_loss_of_power(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    with CachedChat(Scripted(), path):
        assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == ("wal",)


def count(path: Path) -> int:
    return int(sqlite3.connect(path).execute("SELECT count(*) FROM replies").fetchone()[0])


def test_two_at_once_see_the_same_replies(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    barrier = threading.Barrier(2)

    class Meeting(Scripted):
        def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
            barrier.wait(timeout=60)
            return [Reply(threading.current_thread().name, "stop") for _ in prompts]

    results: dict[str, str] = {}

    def ask() -> None:
        with CachedChat(Meeting(), path) as chat:
            results[threading.current_thread().name] = chat.generate([prompt("a")])[0].text

    threads = [threading.Thread(target=ask, name=name) for name in ("left", "right")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results.values())) == 1  # the one that wrote first


def test_it_opens_while_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    with CachedChat(Scripted(), path) as chat:
        chat.generate([prompt("a")])
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode = DELETE")  # as of any new file
    writer.execute("BEGIN IMMEDIATE")
    with CachedChat(Scripted(), path) as chat:
        writer.execute("COMMIT")
        assert chat.generate([prompt("b")])[0].text == "b 1"


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    path.write_bytes(b"not a database at all, but long enough to be taken for one" * 100)
    with pytest.raises(RuntimeError, match=r"replies\.sqlite cannot be used.*delete the file"):
        CachedChat(Scripted(), path)


def test_a_row_that_is_no_reply_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    with CachedChat(Scripted(), path) as chat:
        chat.generate([prompt("a")])
        database = sqlite3.connect(path)
        with database:
            database.execute("UPDATE replies SET reply = '{'")
        with pytest.raises(RuntimeError, match=r"replies\.sqlite"):
            chat.generate([prompt("a")])


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RuntimeError, match=r"cannot be used"):
        CachedChat(Scripted(), tmp_path / "file" / "replies.sqlite")
