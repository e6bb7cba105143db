"""Memory that comes back every step: kept by the process instead of handed back and asked for again."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4
_USUAL_MMAPS = 65536
_MIB = 1 << 20

_depth = 0


@contextmanager
def kept() -> Iterator[None]:
    """Keep freed memory for the next step, for the length of the block; afterwards give it back.

    glibc returns large blocks to the system as soon as they are free. An ascent frees and needs the same
    blocks at every step, and then spends up to half its time in page faults. Does nothing where the C
    library is another one. May be nested.
    """
    global _depth  # noqa: PLW0603 - the allocator is the process's, so is this
    library = _glibc()
    if library is None:
        yield
        return
    _depth += 1
    if _depth == 1:
        library.mallopt(_M_MMAP_MAX, 0)
        library.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        _depth -= 1
        if _depth == 0:
            # Where glibc's own adjustment would have ended: it can't be switched on again.
            library.mallopt(_M_MMAP_MAX, _USUAL_MMAPS)
            library.mallopt(_M_MMAP_THRESHOLD, 32 * _MIB)
            library.mallopt(_M_TRIM_THRESHOLD, 64 * _MIB)
            library.malloc_trim(0)


def release() -> None:
    """Give back what is free now, also inside `kept`: after tiles, before what needs the whole picture."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@cache
def _glibc() -> Any:
    if platform.libc_ver()[0] != "glibc":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
