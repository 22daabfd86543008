"""Many prompts to one model, each reply reported once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from distil_dag.stages.ports import ChatModel, OnReply, Prompt, Reply

# Prompts handed over at once. A model that reports no reply before its batch is whole repeats at most this
# much after it was killed. One that does keeps each reply, and a smaller batch would only make its server
# wait for the last reply of each.
BATCH = 256
# An answer that was cut is asked for once more with so many times its tokens.
_MORE = 4


def ask_all(
    model: ChatModel, prompts: Sequence[Prompt], on_result: OnReply, whole: bool = False
) -> list[Reply]:
    """Ask a model in batches.

    Args:
        model: the model.
        prompts: the prompts.
        on_result: called once with each place and its reply, as soon as the model reports it, and at the end
            of the batch for a model that reports none before.
        whole: whether half an answer is none, so that one which ran out of tokens is asked for again with
            more.

    Returns:
        The replies, in the order of the prompts.
    """
    replies: list[Reply] = []
    for start in range(0, len(prompts), BATCH):
        waiting = set(range(start, min(start + BATCH, len(prompts))))

        def arrived(place: int, reply: Reply, start: int = start, waiting: set[int] = waiting) -> None:
            if start + place in waiting and not (whole and reply.finish == "length"):
                waiting.remove(start + place)
                on_result(start + place, reply)

        replies += model.generate(prompts[start : start + BATCH], arrived)
        cut = [place for place in sorted(waiting) if whole and replies[place].finish == "length"]
        longer = [replace(prompts[place], max_tokens=_MORE * prompts[place].max_tokens) for place in cut]
        for place, reply in zip(cut, model.generate(longer) if longer else [], strict=True):
            # The longer answer may be more than the model's context holds.
            replies[place] = replies[place] if reply.finish == "error" else reply
        for place in sorted(waiting):
            on_result(place, replies[place])
    return replies
