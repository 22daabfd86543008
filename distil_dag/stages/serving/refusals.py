"""Errors in OpenAI's form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class ApiError(Exception):
    """A request that gets an error for an answer.

    Args:
        status: HTTP status.
        message: what happened and what to do, for the caller.
        code: a word for programs.
        param: the parameter that it is about.
        retry_after: seconds to wait before the next try.
        headers: of the answer, besides those that follow from the rest.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.retry_after = retry_after
        self._headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """The body of the answer."""
        kind = _TYPES.get(self.status) or ("server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    @property
    def headers(self) -> dict[str, str]:
        """`Retry-After` in whole seconds, one at least, where a later try may do; and those given."""
        found = dict(self._headers)
        if self.retry_after is not None:
            found["retry-after"] = str(max(1, math.ceil(self.retry_after)))
        # The rest of the body is not read, so the connection can't go on.
        return found | ({"connection": "close"} if self.status in (408, 413) else {})
