"""Many calls over the endpoints of one model: when, where and how often each is tried."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from distil_dag.adapters.openai_api.circuit_breaker import Circuit, jittered
from distil_dag.adapters.openai_api.endpoint import Endpoint, Patience
from distil_dag.adapters.openai_api.errors import PASSING, SUSPECT, Fault, FaultKind
from distil_dag.stages.ports import ModelRefusedError, ModelUnreachableError

Item = TypeVar("Item")
Result = TypeVar("Result")

# A call that was dropped so often is sent alone, to find out whether it is the one that crashes its server.
_DROPS = 2
# A call that fails so often while others succeed is itself the reason.
_MOST_FAULTS = 40
# The longest sleep while calls wait: calls of another batch may have freed a place.
_LONGEST_SLEEP = 0.25


@dataclass
class _Job(Generic[Item]):
    """A call under way, with its history."""

    place: int
    item: Item
    faults: int = 0
    tries: int = 0  # failures that the call itself may have caused
    drops: int = 0
    not_before: float = 0.0
    failed_at: Endpoint | None = None
    broke_alone_at: list[Endpoint] = field(default_factory=list)


class EndpointPool:
    """Sends each call to the least busy endpoint, and a failed call to another one or later.

    Args:
        endpoints: Addresses that serve the same model.
        patience: How long to wait for them and how often to try a call.
    """

    def __init__(self, endpoints: Sequence[Endpoint], patience: Patience) -> None:
        self._endpoints = endpoints
        self._patience = patience

    async def run(
        self,
        items: Iterable[tuple[int, Item]],
        work: Callable[[Endpoint, Item], Awaitable[Result]],
        put: Callable[[tuple[int, Result | Fault]], Awaitable[None]],
    ) -> None:
        """Run `work` for all items and put each outcome as it comes in.

        Calls start in the order of the items.

        Args:
            items: Pairs of a place and an item.
            work: Coroutine function of an endpoint and an item.
            put: Coroutine function that takes a place with the result, or with the error that ended the
                tries.

        Raises:
            ModelUnreachableError: No endpoint is worth waiting for; outcomes of calls under way have been
                put.
        """
        batch = _Batch(items, work, put, self._endpoints, self._patience)
        try:
            while batch.goes_on():
                if batch.tasks:
                    await asyncio.wait(
                        batch.tasks, timeout=batch.sleep(), return_when=asyncio.FIRST_COMPLETED
                    )
                else:
                    await asyncio.sleep(_LONGEST_SLEEP)
        finally:
            for task in batch.tasks:
                task.cancel()
            await asyncio.gather(*batch.tasks, return_exceptions=True)


class _Batch(Generic[Item, Result]):
    """The calls of one batch: fresh ones, those to try again, those to try alone, those under way."""

    def __init__(
        self,
        items: Iterable[tuple[int, Item]],
        work: Callable[[Endpoint, Item], Awaitable[Result]],
        put: Callable[[tuple[int, Result | Fault]], Awaitable[None]],
        endpoints: Sequence[Endpoint],
        patience: Patience,
    ) -> None:
        self._fresh = deque(_Job(place, item) for place, item in items)
        self._again: list[_Job[Item]] = []
        self._work, self._put = work, put
        self._endpoints, self._patience = endpoints, patience
        self._calls: set[asyncio.Task[None]] = set()
        self._probes: set[asyncio.Task[None]] = set()

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        return self._calls | self._probes

    def goes_on(self) -> bool:
        """Start the calls that can be started.

        Returns:
            False when every call has ended.

        Raises:
            ModelUnreachableError: No endpoint is worth waiting for. An exception of `work` that is no error
                of a server is raised as it is.
        """
        for task in [task for task in self.tasks if task.done()]:
            self._calls.discard(task)
            self._probes.discard(task)
            task.result()
        now = time.monotonic()
        if not all(endpoint.is_lost(now) for endpoint in self._endpoints):
            self._start_calls(now)
        elif not self._calls and (self._fresh or self._again):
            faults = [endpoint.last_fault for endpoint in self._endpoints]
            refused = all(fault is not None and fault.kind is FaultKind.REFUSED for fault in faults)
            raise (ModelRefusedError if refused else ModelUnreachableError)(self._unreachable())
        for endpoint in self._endpoints:
            if endpoint.breaker.wants_probe(now):
                self._probes.add(endpoint.start_probe())
        return bool(self._fresh or self._again or self._calls)

    def sleep(self) -> float | None:
        """Seconds after which something may start although no call has ended; None when nothing waits."""
        return _LONGEST_SLEEP if self._fresh or self._again else None

    def _start_calls(self, now: float) -> None:
        reserved = self._start_suspect(now)
        due = [job for job in self._again if job.not_before <= now and job.drops < _DROPS]
        while job := due[0] if due else self._fresh[0] if self._fresh else None:
            endpoint = self._endpoint_for(job, now, reserved)
            if endpoint is None:
                return
            if due:
                self._again.remove(due.pop(0))
            else:
                self._fresh.popleft()
            self._start(job, endpoint, alone=False)

    def _start_suspect(self, now: float) -> Endpoint | None:
        """Start a call that must run alone.

        Returns:
            The endpoint that such a call waits for, which must take no other call; None when none waits.
        """
        for job in self._again:
            if job.drops >= _DROPS and job.not_before <= now:
                up = [e for e in self._endpoints if e.breaker.state is Circuit.CLOSED]
                endpoint = min(up, key=lambda e: (e in job.broke_alone_at, e.in_flight), default=None)
                if endpoint is None or not endpoint.takes(now, alone=True):
                    return endpoint
                self._again.remove(job)
                self._start(job, endpoint, alone=True)
                return None
        return None

    def _endpoint_for(self, job: _Job[Item], now: float, reserved: Endpoint | None) -> Endpoint | None:
        free = [e for e in self._endpoints if e is not reserved and e.takes(now)]
        return min(free, key=lambda e: (e is job.failed_at, e.load), default=None)

    def _start(self, job: _Job[Item], endpoint: Endpoint, alone: bool) -> None:
        async def attempt(endpoint: Endpoint) -> None:
            outcome = await endpoint.call(lambda endpoint: self._work(endpoint, job.item))
            if isinstance(outcome, Fault) and not self._ends(job, endpoint, outcome, alone):
                self._again.append(job)
            else:
                await self._put((job.place, outcome))

        self._calls.add(endpoint.start(attempt, alone))

    def _ends(self, job: _Job[Item], endpoint: Endpoint, fault: Fault, alone: bool) -> bool:
        """Whether this error is the call's last; otherwise schedule when and where to try again."""
        up = [e for e in self._endpoints if e.breaker.state is Circuit.CLOSED]
        others = any(e is not endpoint for e in up)
        job.faults += 1
        job.tries += fault.kind in SUSPECT or fault.kind is FaultKind.REFUSED
        job.drops += fault.kind is FaultKind.DROPPED
        job.failed_at = endpoint
        job.not_before = 0.0 if others else time.monotonic() + self._wait(job)
        passing = fault.kind in PASSING or (fault.kind is FaultKind.REFUSED and others)
        if alone and fault.kind is FaultKind.DROPPED:
            job.broke_alone_at.append(endpoint)
        # An endpoint that is down drops every call. The call is to blame only if all others drop it too.
        broke_alone = endpoint in job.broke_alone_at and all(e in job.broke_alone_at for e in up)
        spent = job.tries >= self._patience.tries or job.faults >= _MOST_FAULTS
        return broke_alone or spent or not passing

    def _wait(self, job: _Job[Item]) -> float:
        return jittered(self._patience.shortest_wait, self._patience.longest_wait, job.faults - 1)

    def _unreachable(self) -> str:
        model = self._endpoints[0].model
        said = "; ".join(f"{endpoint.host}: {endpoint.trouble}" for endpoint in self._endpoints)
        return (
            f"the model {model} can't be reached. Last answer: {said}. Replies that came in before are kept: "
            "start the server, or correct its address, key or name in task.yaml, and run again"
        )
