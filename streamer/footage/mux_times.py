"""When each packet of a file is decoded and shown, in the file's own ticks: rising, and never shown before decoded."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from streamer.packet_ring import KeptPacket

TICKS_PER_S = 90_000
TIME_BASE = Fraction(1, TICKS_PER_S)
DEFAULT_DURATION_S = 0.04


@dataclass(frozen=True, slots=True)
class Placed:
    """Ticks since the first picture of the file. `decode` is below 0 at its beginning where pictures are reordered."""

    show: int
    decode: int
    duration: int


class MuxTimes:
    """The times of one file; give it the packets in the order in which they came.

    What cameras send is repaired so far that a file can hold it: a missing or repeated time of decoding, a time of
    showing before it. The time of showing is kept wherever that is possible.
    """

    def __init__(self, *, reorders: bool) -> None:
        self._reorders = reorders
        self._first_s: float | None = None
        self._last_decode: int | None = None
        self._end = 0
        self._tick_s: float | None = None  # of the packets' own times; PyAV makes a fraction of it whenever it is asked

    @property
    def end_s(self) -> float:
        """When the last picture so far ends, in seconds since the first one."""
        return self._end / TICKS_PER_S

    def place(self, kept: KeptPacket) -> Placed:
        """The ticks of the next packet."""
        if self._first_s is None:
            self._first_s = kept.stream_s
        if self._tick_s is None or kept.packet.is_keyframe:
            self._tick_s = float(kept.packet.time_base) if kept.packet.time_base else None
        show = round((kept.stream_s - self._first_s) * TICKS_PER_S)
        decode, last = self._decode(kept, show), self._last_decode
        if last is not None and decode <= last:
            decode = last + 1
        self._last_decode = decode
        show = max(show, decode)
        duration = self._duration(kept, decode, last)
        self._end = max(self._end, show + duration)
        return Placed(show, decode, duration)

    def _decode(self, kept: KeptPacket, show: int) -> int:
        ahead_s = self._ahead_of_showing_s(kept)
        if ahead_s is not None:
            return show - round(ahead_s * TICKS_PER_S)
        if self._reorders and self._last_decode is not None:
            return self._last_decode + 1  # any time will do that is not after a picture which is shown before this one
        return show

    def _duration(self, kept: KeptPacket, decode: int, last: int | None) -> int:
        duration = kept.packet.duration
        if duration and self._tick_s is not None:
            return max(1, round(duration * self._tick_s * TICKS_PER_S))
        if last is not None and 1 < decode - last <= TICKS_PER_S:
            return decode - last
        return round(DEFAULT_DURATION_S * TICKS_PER_S)

    def _ahead_of_showing_s(self, kept: KeptPacket) -> float | None:
        """How long before it is shown a packet is decoded; None where the stream does not tell."""
        pts, dts = kept.packet.pts, kept.packet.dts
        if pts is None or dts is None or self._tick_s is None:
            return None
        return max(0.0, (pts - dts) * self._tick_s)
