"""OpenMP settings for processes that share a machine's cores with other work."""

from __future__ import annotations

import os

# Rounds that a thread spins for the others before it yields its core. The default is so long that two models
# on the same cores block each other. A token of a 135M student took up to 3.4 s instead of 8.5 ms; with this
# value it takes 38 ms. On a quiet machine this value costs nothing. A tenth of it doubled a token's time.
_SPINS = "1000"


def share_cores() -> None:
    """Make OpenMP's waiting threads yield their cores soon.

    An existing `GOMP_SPINCOUNT` in the environment is kept. The setting affects libraries that are loaded
    afterwards.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
