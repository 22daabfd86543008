"""Which errors may pass by themselves, and what to tell of an error first."""

from __future__ import annotations

import errno

from distil_dag.adapters.system.environment import SourceError, SourceUnavailable
from distil_dag.adapters.vllm.server import ServerError
from distil_dag.stages.ports import ModelRefusedError, ModelUnreachableError

# What the user has to change: settings, files, packages, rights, or this code.
_FINAL = (
    *(ServerError, ModelRefusedError, SourceError),
    *(ValueError, TypeError, LookupError, AttributeError, AssertionError, NotImplementedError, ImportError),
    *(FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError),
)
_PASSING = (SourceUnavailable, ModelUnreachableError, ConnectionError, TimeoutError)
# Of HTTP libraries that need not be installed: httpx, requests, botocore, huggingface_hub.
_PASSING_NAMES = {"TransportError", "ConnectionError", "Timeout", "HTTPClientError", "ClientConnectionError"}
# The second by its name too, because its module imports the SDK.
_FINAL_NAMES = {"OfflineModeIsEnabled", "CannotScoreError"}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# Their text alone says what is wrong.
_PLAIN = (ServerError, ModelUnreachableError, SourceError, ImportError)


def may_pass(error: BaseException) -> bool:
    """Whether the same work may succeed later although nobody has changed anything.

    A refused connection, a time limit, HTTP 429 and 5xx may pass. A missing file, a wrong setting, HTTP 401
    and 404, and a full disk don't. An error that was raised because of another is judged by that one, unless
    it is one of this project's own. An unknown error may pass.
    """
    names = {cls.__name__ for cls in type(error).__mro__}
    if names & _FINAL_NAMES:
        return False
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int):
        return status in (408, 429) or status >= 500
    if isinstance(error, (ServerError, ModelRefusedError)):
        return False
    if isinstance(error, _PASSING) or names & _PASSING_NAMES:
        return True
    if error.__cause__ is not None:
        return may_pass(error.__cause__)
    if isinstance(error, _FINAL):
        return False
    # Libraries raise a plain OSError without a number for files that they can't use.
    return not (isinstance(error, OSError) and (error.errno is None or error.errno in _FULL))


def reason(error: BaseException) -> str:
    """What happened, in words for the user; an error of Python's own is named by its class."""
    said = str(error).strip()
    if isinstance(error, OSError) and error.errno in _FULL:
        return f"{error.strerror}: {error.filename or 'the disk'}. Free some space, then launch it again"
    plain = (
        isinstance(error, _PLAIN)
        or type(error).__module__.startswith("distil_dag")
        or type(error) in (ValueError, FileNotFoundError, RuntimeError)
    )
    return said if plain and said else f"{type(error).__name__}: {said}".removesuffix(": ")
