"""The last packets of one camera connection, for footage that begins before anybody knew that it would be wanted.

Packets are kept as they came, neither decoded nor copied, in whole groups: each begins with a key frame, without which
nothing that follows can be made a picture.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av import Packet

MOST_BYTES = 16_000_000


@dataclass(frozen=True, slots=True, eq=False)
class KeptPacket:
    """One packet, its place in the connection (0, 1, 2 …), and its time in seconds on the container's own timeline.

    The time is that of showing, where it is told. The packet belongs to others too: never change it.
    """

    number: int
    packet: Packet[Any]
    stream_s: float


class _Group:
    """A key frame and what follows it, numbered from `first` on."""

    __slots__ = ("bytes", "first", "packets", "times_s")

    def __init__(self, first: int) -> None:
        self.first, self.bytes = first, 0
        self.packets: list[Packet[Any]] = []
        self.times_s: list[float] = []

    def since(self, number: int) -> Iterator[KeptPacket]:
        """Made when they are asked for: most packets never are."""
        skipped = max(0, number - self.first)
        for i in range(skipped, len(self.packets)):
            yield KeptPacket(self.first + i, self.packets[i], self.times_s[i])


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
        self._groups: deque[_Group] = deque()
        self._bytes = 0
        self._next_number = 0
        self._wanted_from: int | None = None

    @property
    def bytes(self) -> int:
        """What it holds."""
        return self._bytes

    @property
    def next_number(self) -> int:
        """The number that the next packet will have."""
        return self._next_number

    def add(self, packet: Packet[Any], stream_s: float) -> None:
        """The next packet of the connection, in the order in which they come."""
        is_key, size = packet.is_keyframe, packet.size
        with self._lock:
            number = self._next_number
            self._next_number += 1
            if is_key:
                self._groups.append(_Group(number))
            elif not self._groups:
                return
            group = self._groups[-1]
            group.packets.append(packet)
            group.times_s.append(stream_s)
            group.bytes += size
            self._bytes += size
            if is_key:
                self._drop_older_than(stream_s - self._keep_s)
            while self._bytes > self._most_bytes:
                self._drop_oldest()

    def first_at(self, stream_s: float) -> int:
        """The number of the last key frame at or before this time.

        Of the oldest one held, where that is later; of the next packet to come, where none is held.
        """
        with self._lock:
            first = self._next_number
            for group in reversed(self._groups):
                first = group.first
                if group.times_s[0] <= stream_s:
                    break
            return first

    def since(self, number: int) -> tuple[KeptPacket, ...]:
        """Everything with this number or a later one that is still held."""
        with self._lock:
            return tuple(
                kept
                for group in self._groups
                if group.first + len(group.packets) > number
                for kept in group.since(number)
            )

    def hold_from(self, number: int | None) -> None:
        """Keep this packet and what follows, however old: somebody reads there. Bytes stay bounded all the same."""
        with self._lock:
            self._wanted_from = number

    def _drop_older_than(self, stream_s: float) -> None:
        while len(self._groups) > 1 and self._groups[1].times_s[0] <= stream_s:
            if self._wanted_from is not None and self._wanted_from < self._groups[1].first:
                return
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._bytes -= self._groups.popleft().bytes
