"""Settings of glibc's allocator that make a process keep freed memory between training steps."""

from __future__ import annotations

from collections.abc import Mapping

_NAME = "GLIBC_TUNABLES"
# A step of training allocates gigabytes and frees them. By default the C library returns them to the system,
# which has to zero them for the next step, page by page. Large pages are used where the system grants them on
# request (`transparent_hugepage`: madvise or always).
_KEEP = {"glibc.malloc.mmap_max": 0, "glibc.malloc.trim_threshold": 1 << 40, "glibc.malloc.hugetlb": 1}


def keeping_memory(environment: Mapping[str, str]) -> dict[str, str]:
    """Environment variables that make a process keep its freed memory.

    The C library reads them when a process starts, so a process cannot set them for itself. C libraries other
    than glibc ignore them.

    Args:
        environment: The environment that the process will inherit.

    Returns:
        The variables to add; empty where `environment` tunes the library already.
    """
    if _NAME in environment:
        return {}
    return {_NAME: ":".join(f"{name}={value}" for name, value in _KEEP.items())}
