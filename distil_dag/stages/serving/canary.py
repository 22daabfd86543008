"""Which conversations are a candidate's: a share of them, and of each all turns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def is_canary(candidate: str, share: float, chat: Mapping[str, Any], conversation: str | None) -> bool:
    """Whether a request belongs to the candidate's share.

    It is drawn by a hash, so that it is the same for all turns of a conversation, before and after a restart,
    and another one for another candidate.

    Args:
        candidate: identity of the candidate's file.
        share: of conversations, from 0 to 1.
        chat: body of the chat completion.
        conversation: id of the conversation; without one its beginning up to the first user turn stands for
            it, so that equal beginnings fall to the same student.
    """
    known = conversation if conversation is not None else json.dumps(_beginning(chat), sort_keys=True)
    drawn = hashlib.sha256(f"{candidate}\0{known}".encode(errors="replace")).digest()
    return int.from_bytes(drawn[:8], "big") < share * 2**64


def _beginning(chat: Mapping[str, Any]) -> list[Any]:
    turns = chat.get("messages")
    found = []
    for turn in turns if isinstance(turns, list) else []:
        found.append(turn)
        if isinstance(turn, Mapping) and turn.get("role") == "user":
            break
    return found
