"""What a browser calls the codec of a stream (RFC 6381, ISO/IEC 14496-15): it says by that whether it can play it."""

from __future__ import annotations

from streamer.errors import FootageError
from streamer.footage.boxes import inside

_SAMPLE = ("moov", "trak", "mdia", "minf", "stbl", "stsd")


def codec_name(init: bytes) -> str:
    """'avc1.64001f' or 'hvc1.1.6.L93.B0' of an initialization segment. Raises FootageError for any other."""
    if avcc := inside(init, *_SAMPLE, "avc1", "avcC"):
        return f"avc1.{avcc[1:4].hex()}"
    if hvcc := inside(init, *_SAMPLE, "hvc1", "hvcC"):
        return _hevc(hvcc)
    raise FootageError("its stream is neither H.264 nor H.265")


def _hevc(hvcc: bytes) -> str:
    """ISO/IEC 14496-15, annex E.3: profile, its compatibility with the bits reversed, tier and level, constraints."""
    space, tier, profile = "ABC"[(hvcc[1] >> 6) - 1] if hvcc[1] >> 6 else "", hvcc[1] >> 5 & 1, hvcc[1] & 31
    compatible = int(f"{int.from_bytes(hvcc[2:6]):032b}"[::-1], 2)
    constraints = [f"{each:X}" for each in hvcc[6:12].rstrip(b"\0")]
    return ".".join(["hvc1", f"{space}{profile}", f"{compatible:X}", f"{'HL'[not tier]}{hvcc[12]}", *constraints])
