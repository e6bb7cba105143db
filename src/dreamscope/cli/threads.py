"""The threads of the process: how long they hold a core while they wait for each other."""

from __future__ import annotations

import os

# Times round a loop: about as long as from one operation of a network to the next, and next to none.
_USUAL, _BUSY = 20_000, 1_000


def wait_briefly() -> None:
    """Let threads that wait for each other give up their core soon; to be called before torch is imported.

    GNU's OpenMP has them turn in a loop for milliseconds. On an idle machine that is right, but beside another job they
    turn while the thread that they wait for has no core: a dream takes 20 times as long. Where one of OpenMP's own
    variables is set, it holds.
    """
    if "OMP_WAIT_POLICY" in os.environ or "GOMP_SPINCOUNT" in os.environ:
        return
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    os.environ["GOMP_SPINCOUNT"] = str(_BUSY if load > 0.5 * (os.cpu_count() or 1) else _USUAL)
