"""Boxes of ISO/IEC 14496-12 (MP4), as far as an initialization segment has to be understood and fragments are made."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_SIZE = struct.Struct("!I4s")
# What stands between the head of a box and the boxes in it.
_BEFORE_CHILDREN = {"stsd": 8, "avc1": 78, "hvc1": 78, "hev1": 78}


def box(name: str, *parts: bytes) -> bytes:
    """One box of these parts."""
    return _SIZE.pack(8 + sum(map(len, parts)), name.encode("latin-1")) + b"".join(parts)


def boxes(content: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[str, int, int]]:
    """Name, first byte after the head, and end of every box in content[start:end]. Raises ValueError."""
    end = len(content) if end is None else end
    while start + 8 <= end:
        size, name = _SIZE.unpack_from(content, start)
        if size < 8 or start + size > end:
            raise ValueError(f"a box {name!r} of {size} bytes at {start} of {end}")
        yield name.decode("latin-1"), start + 8, start + size
        start += size


def inside(content: bytes, *path: str) -> bytes | None:
    """What the first box at a path holds: ("moov", "trak", "mdia", "mdhd"); None where there is none."""
    start, end = 0, len(content)
    for step, name in enumerate(path):
        if step:
            start += _BEFORE_CHILDREN.get(path[step - 1], 0)
        for found, first, last in boxes(content, start, end):
            if found == name:
                start, end = first, last
                break
        else:
            return None
    return content[start:end]
