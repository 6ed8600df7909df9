"""The same packet sent twice: a repeat is no picture, and decoded it would spoil all pictures up to the next key frame.

Some servers repeat a packet under load, with the same timestamp and the same bytes. A decoder takes it for one more
picture and adds its differences a second time, without an error. Two pictures that are alike have two timestamps.
"""

from __future__ import annotations

from typing import Any

import av


class RepeatFilter:
    """Recognises a packet that says what the one before it said."""

    def __init__(self) -> None:
        self._last: av.Packet[Any] | None = None

    def is_repeat(self, packet: av.Packet[Any]) -> bool:
        """Whether time and content are those of the packet before; the bytes are looked at only where times agree."""
        last, self._last = self._last, packet
        if last is None or packet.pts is None or packet.pts != last.pts or packet.size != last.size:
            return False
        return bool(packet.size) and bytes(packet) == bytes(last)
