"""Which parts of a piece of memory are taken: blocks of any size, given back in any order."""

from __future__ import annotations

import threading
from bisect import bisect_left

GRAIN = 4096
"""Blocks begin and end at pages: what was never taken costs no memory, because the kernel gives pages when touched."""


class Arena:
    """Offsets into so many bytes; the lowest place that is large enough is taken. From any thread."""

    def __init__(self, size: int) -> None:
        if size < GRAIN:
            raise ValueError(f"an arena needs at least {GRAIN} bytes; got {size}")
        self._lock = threading.Lock()
        self._taken: dict[int, int] = {}  # offset → size
        self._free: list[tuple[int, int]] = [(0, size // GRAIN * GRAIN)]  # (offset, size), rising, never adjacent

    def take(self, size: int) -> int | None:
        """The offset of a block of at least so many bytes; None where there is no room."""
        size = max(1, -(-size // GRAIN)) * GRAIN
        with self._lock:
            for i, (offset, room) in enumerate(self._free):
                if room >= size:
                    self._free[i : i + 1] = [(offset + size, room - size)] if room > size else []
                    self._taken[offset] = size
                    return offset
        return None

    def give_back(self, offset: int) -> None:
        """The block at this offset may be taken again. Raises KeyError where none begins there."""
        with self._lock:
            size = self._taken.pop(offset)
            at = bisect_left(self._free, (offset, size))
            after = self._free[at] if at < len(self._free) else None
            before = self._free[at - 1] if at else None
            first, end, low, high = offset, offset + size, at, at
            if before is not None and sum(before) == offset:
                first, low = before[0], at - 1
            if after is not None and after[0] == end:
                end, high = sum(after), at + 1
            self._free[low:high] = [(first, end - first)]

    @property
    def taken(self) -> int:
        """Bytes in blocks that were not given back."""
        with self._lock:
            return sum(self._taken.values())
