"""Threads that share a machine's cores with other work, as OpenMP's do only when told."""

from __future__ import annotations

import os

# Rounds that a thread waits for the others before it gives its core away. By default that is so long that two
# models on the same cores wait for each other's waiting: a token of a 135M student took up to 3.4 s instead
# of 8.5 ms, and takes 38 now. So many cost nothing on a quiet machine; a tenth doubled a token's time.
_SPINS = "1000"


def share_cores() -> None:
    """Have OpenMP's threads give their cores away soon, unless the environment says how soon.

    Takes effect on libraries that are loaded afterwards.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
