"""Waits with training until enough GPU memory is free, for example after a model server has ended."""

from __future__ import annotations

import time
from collections.abc import Callable

# Returns (free, total) bytes of the device; None where there is no GPU.
ReadMemory = Callable[[], tuple[int, int] | None]

_GIB = 1024**3
_SAY_SECONDS = 10.0


def wait_for_memory(
    read: ReadMemory,
    share: float,
    seconds: float,
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until enough of the device's memory is free; return at once where there is no GPU.

    The driver takes a moment to free the memory of a process that ended. Without the limit, a training with
    too little memory would fail hours later, at its longest batch.

    Args:
        read: Returns (free, total) bytes of the device, or None.
        share: Share of the memory that must be free, 0 to 1.
        seconds: Longest time to wait.
        say: Called with a line of text while waiting, every ten seconds.
        clock: Monotonic time in seconds.
        sleep: Waits for a number of seconds.

    Raises:
        RuntimeError: Too little memory is free after `seconds`.
    """
    deadline, said_at = clock() + seconds, float("-inf")
    while (reading := read()) is not None:
        free, total = reading
        if free >= share * total:
            return
        now = clock()
        held = f"{free / _GIB:.1f} of {total / _GIB:.1f} GiB of the GPU's memory are free"
        if now >= deadline:
            raise RuntimeError(
                f"{held} after {seconds:.0f} s, and training waits for {share:.0%}. See with `nvidia-smi` "
                "which process holds the rest: end it (a model server of this run has been ended already), "
                "choose another card by CUDA_VISIBLE_DEVICES, or lower `training.gpu_free` in task.yaml"
            )
        if now - said_at >= _SAY_SECONDS:
            said_at = now
            say(f"waiting for the GPU: {held}")
        sleep(1.0)


def current_gpu() -> tuple[int, int] | None:
    """(free, total) bytes of the device that this process trains on; None without one."""
    import torch

    return torch.cuda.mem_get_info() if torch.cuda.is_available() else None
