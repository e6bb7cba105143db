"""The memory allocator of the process: it keeps freed memory, which the next step needs again."""

from __future__ import annotations

import ctypes
import platform

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory for the next step of an ascent; return whether it will.

    glibc hands large blocks back to the system as soon as they are free. An ascent frees and needs the same blocks
    at every step, and then spends up to half its time in page faults. The setting holds for the whole process, which
    is why the command line makes it and the library doesn't. Nothing happens where the C library is another one.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))
