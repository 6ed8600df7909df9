"""How many heaps glibc's malloc keeps for the threads of one process."""

from __future__ import annotations

import ctypes
import os
import sys

from streamer.cores import usable_cores

_M_ARENA_MAX = -8  # mallopt(3)


def few_heaps() -> None:
    """No more than there are cores, instead of eight for each; before the first thread begins.

    Cameras come and go on threads of their own, and what one leaves free in its heap no other can use: the process
    would grow for hours until all heaps have seen the worst. No more threads than cores run anyway. Whoever set
    MALLOC_ARENA_MAX knows better; other C libraries have nothing to be told.
    """
    if not sys.platform.startswith("linux") or "MALLOC_ARENA_MAX" in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, max(2, usable_cores()))
