"""An answer of the teacher on its way to the client, as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from distil_dag.stages.serving.completions import event
from distil_dag.stages.serving.refusals import ApiError

if TYPE_CHECKING:
    import httpx2

# What is longer is passed on, and not kept.
_LONGEST_KEPT = 8 * 2**20
_PASSED = ("content-type", "retry-after", "x-request-id", "openai-processing-ms", "openai-version")


def headers_of(response: httpx2.Response) -> dict[str, str]:
    """The headers of a teacher's answer that a client may see."""
    return {
        name: value
        for name, value in response.headers.items()
        if name.lower() in _PASSED or name.lower().startswith("x-ratelimit-")
    }


def marked(by: str, why: str) -> dict[str, str]:
    """The headers that say whose answer it is."""
    return {"x-distil-dag-answered-by": by, "x-distil-dag-why": why}


class TeacherStream(StreamingResponse):
    """Server-sent events of the teacher, passed on at once and kept until their end.

    Args:
        response: of the teacher, with its body still to be read.
        headers: to send.
        stack: ends the call when it is closed, which a client that leaves brings about.
        began: called at the first bytes.
        complete: called with the whole body.
        gone: called where the client left before the end.
        ended: called in any case, last.
    """

    def __init__(
        self,
        response: httpx2.Response,
        headers: dict[str, str],
        stack: AsyncExitStack,
        *,
        began: Callable[[], None],
        complete: Callable[[bytes], None],
        gone: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self._stack, self._began, self._ended = stack, began, ended
        self._complete, self._gone = complete, gone
        self._over = False
        super().__init__(self._chunks(response), response.status_code, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; the call to the teacher ends with it, whatever happens."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if not self._over:
                self._gone()
            self._ended()
            await asyncio.shield(self._stack.aclose())

    async def _chunks(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        import httpx2

        kept: list[bytes] = []
        size = 0
        try:
            async for chunk in response.aiter_bytes():
                if not size:
                    self._began()
                size += len(chunk)
                if size <= _LONGEST_KEPT:
                    kept.append(chunk)
                yield chunk
        except httpx2.TransportError as error:
            self._over = True
            broken = ApiError(
                502, f"the teacher broke off its answer ({type(error).__name__})", "teacher_failed"
            )
            yield b"\n\n" + event(broken.body)
            return
        self._over = True
        self._complete(b"".join(kept) if size <= _LONGEST_KEPT else b"")
