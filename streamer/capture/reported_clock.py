"""What time it is at the camera, as its RTCP sender reports say, read again and again while the connection lasts.

FFmpeg gives every packet of RTP the moment at which it was taken by the camera's clock (AVProducerReferenceTime, side
data `prft`: int64 microseconds since 1970, counted on from the last report). `start_time_realtime` of the container is
the first report alone, which says nothing of a clock that is set later.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, Protocol

from av.buffer import Buffer
from av.packet import Packet

READ_EVERY_S = 1.0
"""Of the stream's time: a look costs microseconds, and reports come every few seconds."""
DOUBTED_FOR_S = 60.0
"""Longer than cameras wait between two reports: what is said for so long is so, or what was said before was not."""
_IS_TOLD = hasattr(Packet, "get_sidedata")  # PyAV 14 may lack it
_RTP_TICKS = 2**32
_SAME_S = 1.0


class TimedPacket(Protocol):
    """As much of av.Packet as is read."""

    @property
    def pts(self) -> int | None:
        """In time_base."""
        ...

    @property
    def time_base(self) -> Fraction | None:
        """Seconds."""
        ...

    def get_sidedata(self, dtype: Literal["prft"]) -> Buffer:
        """Empty where there is none."""
        ...


class ReportedClock:
    """The camera's clock over one connection: zero_at is the epoch time of stream time 0, None while no report came."""

    def __init__(self) -> None:
        self.zero_at: float | None = None
        self._next_s = float("-inf")
        self._doubted_since_s = float("inf")

    def read(self, packet: TimedPacket) -> None:
        """Take what this packet tells, where it is time for it."""
        if packet.pts is None or packet.time_base is None or not _IS_TOLD:
            return
        stream_s = float(packet.pts * packet.time_base)
        if self._next_s - READ_EVERY_S <= stream_s < self._next_s:
            return
        told = bytes(packet.get_sidedata("prft"))
        if len(told) < 8:
            return
        self._next_s = stream_s + READ_EVERY_S
        zero_at = int.from_bytes(told[:8], "little", signed=True) / 1e6 - stream_s
        if self.zero_at is not None:
            # FFmpeg counts on from the last report in 32 bits: between the moment at which the stream's ticks begin
            # anew (every 13 h at 90 kHz) and the next report it is wrong by just that.
            wrap_s = float(_RTP_TICKS * packet.time_base)
            if abs(abs(zero_at - self.zero_at) - wrap_s) < _SAME_S:
                self._doubted_since_s = min(self._doubted_since_s, stream_s)
                if stream_s - self._doubted_since_s < DOUBTED_FOR_S:
                    return
        self._doubted_since_s = float("inf")
        self.zero_at = zero_at
