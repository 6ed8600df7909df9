"""One connection of a camera as footage sees it: its packets, how to file them, and when they happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from streamer.footage.stream_header import StreamHeader
from streamer.packet_ring import PacketRing

if TYPE_CHECKING:
    from av import Packet


class Reception:
    """Filled by the capture thread, read by the writer. No attribute is changed by both.

    header      None where its packets cannot be filed
    zero_at     epoch seconds of stream time 0, None until it is known; told anew as the estimate improves
    began_s, latest_s   stream time of its first and of its newest packet, None before there is one
    over        nothing will come any more
    """

    def __init__(self, header: StreamHeader | None, ring: PacketRing) -> None:
        self.name = uuid4().hex[:12]
        self.header, self.ring = header, ring
        self.zero_at: float | None = None
        self.began_s: float | None = None
        self.latest_s: float | None = None
        self.over = False

    def add(self, packet: Packet[Any], stream_s: float) -> None:
        """The next packet; one without any time of its own has that of the one before it."""
        if self.header is None:
            return
        if packet.pts is None and packet.dts is None and self.latest_s is not None:
            stream_s = self.latest_s
        if self.began_s is None:
            self.began_s = stream_s
        self.latest_s = stream_s
        self.ring.add(packet, stream_s)

    def knows(self, at: float) -> bool:
        """Whether this epoch time belongs to it, as far as is known by now."""
        return self.zero_at is not None and self.began_s is not None and self.zero_at + self.began_s <= at

    @property
    def lasted_s(self) -> float:
        """From its first packet to its newest."""
        return 0.0 if self.began_s is None or self.latest_s is None else self.latest_s - self.began_s
