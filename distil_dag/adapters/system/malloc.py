"""Memory that a process keeps from one step of its training to the next, as glibc's does only when told."""

from __future__ import annotations

from collections.abc import Mapping

_NAME = "GLIBC_TUNABLES"
# A step of training takes gigabytes and lets them go. By default the C library returns them to the system,
# which has to zero them for the next step, page by page. Large pages come where the system grants them to
# those who ask (`transparent_hugepage`: madvise or always).
_KEEP = {"glibc.malloc.mmap_max": 0, "glibc.malloc.trim_threshold": 1 << 40, "glibc.malloc.hugetlb": 1}


def keeping_memory(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables for a process that is to keep its memory; none where `environment` tunes the library itself.

    The C library reads them when a process starts, so that none can set them for itself. Other libraries
    than glibc don't know them.
    """
    if _NAME in environment:
        return {}
    return {_NAME: ":".join(f"{name}={value}" for name, value in _KEEP.items())}
