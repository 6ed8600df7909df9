"""The NAL units of a coded picture (ITU-T H.264 and H.265, annex B), with start codes or with lengths before them."""

from __future__ import annotations

from collections.abc import Iterator

_START = b"\0\0\1"
_PARAMETERS_WITHIN = 4096
"""They come first, before anything that is long."""


def nal_units(content: bytes) -> Iterator[bytes]:
    """Every unit of a picture with start codes, without them and without the zeros that may follow a unit."""
    at = content.find(_START)
    while at >= 0:
        following = content.find(_START, at + 3)
        if unit := content[at + 3 : following if following >= 0 else None].rstrip(b"\0"):
            yield unit
        at = following


def with_lengths(content: bytes) -> bytes:
    """The same picture as MP4 holds it: before every unit its length in four bytes."""
    parts = []
    for unit in nal_units(content):
        parts += [len(unit).to_bytes(4), unit]
    return b"".join(parts)


def parameters(content: bytes, codec: str) -> tuple[bytes, ...]:
    """What a picture with start codes says about its stream (VPS and SPS), which a change of its size changes."""
    first = content[:_PARAMETERS_WITHIN]
    if codec == "hevc":
        return tuple(unit for unit in nal_units(first) if unit[0] >> 1 & 63 in (32, 33))
    return tuple(unit for unit in nal_units(first) if unit[0] & 31 == 7)
