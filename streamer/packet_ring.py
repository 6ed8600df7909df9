"""The last packets of one camera: for a gate that wakes, and for clips that begin before their alert.

Packets are kept as they came, neither decoded nor copied, in whole groups: each begins with a key frame, without which
nothing that follows can be made a picture.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av import Packet

MOST_BYTES = 16_000_000


@dataclass(frozen=True, slots=True, eq=False)
class KeptPacket:
    """One packet, and its time in seconds on the container's own timeline (of showing, where it is told)."""

    packet: Packet[Any]
    stream_s: float


class PacketRing:
    """Filled by a camera's capture thread, read by any.

    keep_s      how far back it reaches at least, besides the group that is being filled
    most_bytes  older groups go first when there would be more; a group that is alone too large is given up whole, and
                the ring stays empty until the next key frame
    """

    def __init__(self, keep_s: float = 0.0, most_bytes: int = MOST_BYTES) -> None:
        if keep_s < 0 or most_bytes <= 0:
            raise ValueError(f"keep_s must not be negative and most_bytes be positive; got {keep_s:g} and {most_bytes}")
        self._keep_s, self._most_bytes = keep_s, most_bytes
        self._lock = threading.Lock()
        self._groups: deque[list[KeptPacket]] = deque()
        self._sizes: deque[int] = deque()  # bytes of each group
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """What it holds."""
        return self._bytes

    def add(self, packet: Packet[Any], stream_s: float) -> None:
        """The next packet of the connection, in the order in which they come."""
        with self._lock:
            if packet.is_keyframe:
                self._groups.append([])
                self._sizes.append(0)
            elif not self._groups:
                return
            self._groups[-1].append(KeptPacket(packet, stream_s))
            self._sizes[-1] += packet.size
            self._bytes += packet.size
            if packet.is_keyframe:
                self._drop_older_than(stream_s - self._keep_s)
            while self._bytes > self._most_bytes:
                self._drop_oldest()

    def group(self) -> tuple[KeptPacket, ...]:
        """Everything from the last key frame on; nothing where that was too much, or none came yet."""
        with self._lock:
            return tuple(self._groups[-1]) if self._groups else ()

    def since(self, stream_s: float) -> tuple[KeptPacket, ...]:
        """Everything from the last key frame at or before this time on; from the oldest one, where that is later."""
        with self._lock:
            first = 0
            for i, group in enumerate(self._groups):
                if group[0].stream_s <= stream_s:
                    first = i
            return tuple(kept for group in list(self._groups)[first:] for kept in group)

    def clear(self) -> None:
        """Forget everything: what comes next belongs to another connection."""
        with self._lock:
            self._groups.clear()
            self._sizes.clear()
            self._bytes = 0

    def _drop_older_than(self, stream_s: float) -> None:
        while len(self._groups) > 1 and self._groups[1][0].stream_s <= stream_s:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._groups.popleft()
        self._bytes -= self._sizes.popleft()
