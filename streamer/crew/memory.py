"""Memory that two processes share and that has no name: nothing can be left behind, whoever dies how."""

from __future__ import annotations

import mmap
import os
import sys
import tempfile

import numpy as np
from numpy.typing import NDArray


def new_memory(size: int) -> int:
    """A descriptor of so many bytes, to be mapped here and handed to one other process; 0 where it is to be written."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("streamer-frames")
    else:
        with tempfile.TemporaryFile(prefix="streamer-frames-") as file:  # has no name from the beginning
            descriptor = os.dup(file.fileno())
    if size:
        os.ftruncate(descriptor, size)
    return descriptor


def mapped(descriptor: int, size: int) -> mmap.mmap:
    """The memory behind the descriptor, which is closed: the mapping lives as long as any array over it."""
    try:
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)


def picture_at(memory: mmap.mmap, offset: int, height: int, width: int) -> NDArray[np.uint8]:
    """uint8 (height, width, 3) over the memory, nothing copied. Raises ValueError, TypeError where it does not fit."""
    return np.ndarray((height, width, 3), np.uint8, buffer=memory, offset=offset)
