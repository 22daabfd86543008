"""Errors of calls to a server, and what each kind says about the call and the server."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum

from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError, OpenAIError

_LONGEST = 500


class FaultKind(Enum):
    """Kinds of errors of a call."""

    UNREACHED = "unreached"  # no connection was made: the server never saw the call
    DROPPED = "dropped"  # the connection broke with the call in flight
    SLOW = "slow"  # no answer within the time limit
    BUSY = "busy"  # the server has too much to do: 429, 503
    BROKEN = "broken"  # an error of the server's own, or an answer that is none
    REFUSED = "refused"  # not this key, not this model: no other call will fare better
    INVALID = "invalid"  # the call itself is wrong, and stays so


# The same call may succeed later.
PASSING = frozenset(
    {FaultKind.UNREACHED, FaultKind.DROPPED, FaultKind.SLOW, FaultKind.BUSY, FaultKind.BROKEN}
)
# The call may be the cause, so it is not tried without end.
SUSPECT = frozenset({FaultKind.DROPPED, FaultKind.SLOW, FaultKind.BROKEN})
# Fewer calls at a time may help.
OVERLOAD = frozenset({FaultKind.SLOW, FaultKind.BUSY})


class UnreadableAnswerError(ValueError):
    """The server's answer is not what the protocol promises."""


@dataclass(frozen=True)
class Fault:
    """One failed call.

    Attributes:
        kind: The kind of error.
        text: What happened, in words.
        wait: Seconds that the server asked to wait; None where it did not.
    """

    kind: FaultKind
    text: str
    wait: float | None = None


def read_fault(error: Exception) -> Fault:
    """Classify the exception of a call.

    Args:
        error: What the call raised.

    Returns:
        The error with its kind, its text cut to about 500 characters.

    Raises:
        Exception: `error` itself, where it is no error of the call.
    """
    text = f"{type(error).__name__}: {error}"
    text = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    if isinstance(error, (APITimeoutError, TimeoutError)) and not _never_connected(error):
        return Fault(FaultKind.SLOW, text)
    if isinstance(error, APIConnectionError):
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        return Fault(FaultKind.UNREACHED if _never_connected(error) else FaultKind.DROPPED, text + cause)
    if isinstance(error, APIStatusError):
        return Fault(_kind_of_status(error), text, _wait(error))
    if isinstance(error, UnreadableAnswerError):
        return Fault(FaultKind.BROKEN, text)
    if isinstance(error, APIError) or type(error).__name__ == "JSONDecodeError":
        return Fault(FaultKind.BROKEN, text)
    if isinstance(error, (OpenAIError, ValueError)):
        return Fault(FaultKind.INVALID, text)
    raise error


def _kind_of_status(error: APIStatusError) -> FaultKind:
    status = error.status_code
    if status in (401, 403, 404) or error.code == "insufficient_quota":
        return FaultKind.REFUSED
    if status in (429, 503):
        return FaultKind.BUSY
    return FaultKind.BROKEN if status in (408, 409) or status >= 500 else FaultKind.INVALID


def _never_connected(error: Exception) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        # By name, for the SDK may bring another HTTP library of the same family.
        if type(cause).__name__ in ("ConnectError", "ConnectTimeout", "ProxyError", "PoolTimeout"):
            return True
        cause = cause.__cause__
    return False


def _wait(error: APIStatusError) -> float | None:
    """Seconds of the `Retry-After` header (RFC 9110), a number or a date; None without a readable one."""
    said = error.response.headers.get("retry-after", "")
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(said).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, seconds) if seconds < float("inf") else None
