"""What led up to now, undecoded: the packets since the last look at a sleeping camera, and since the one before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from av import Packet

MOST_BYTES = 12_000_000


@dataclass(slots=True)
class _Stretch:
    packets: list[Packet[Any]] = field(default_factory=list)
    bytes: int = 0
    first_booked: bool = False

    def add(self, packet: Packet[Any]) -> None:
        self.packets.append(packet)
        self.bytes += packet.size

    @property
    def unbooked(self) -> int:
        return len(self.packets) - self.first_booked


@dataclass(frozen=True, slots=True)
class Start:
    """Where decoding begins again: packets from a key frame on.

    first_booked: the key frame's own picture was seen and is in the books; passed_over: packets that no book knows of
    and that are not among these.
    """

    packets: Sequence[Packet[Any]]
    first_booked: bool
    passed_over: int


class LeadUp:
    """Bounded: see overfull. What falls out of it was a picture that nobody needed; how many is told."""

    def __init__(self) -> None:
        self._before, self._now = _Stretch(), _Stretch()

    def __bool__(self) -> bool:
        return bool(self._before.packets or self._now.packets)

    @property
    def bytes(self) -> int:
        """What it holds."""
        return self._before.bytes + self._now.bytes

    @property
    def overfull(self) -> bool:
        """True where what came since the last look is more than can be kept."""
        return self._now.bytes > MOST_BYTES

    def begin(self, key: Packet[Any]) -> int:
        """A key frame that is looked at; returns how many packets that no book knows of are now out of reach."""
        gone = self._before.unbooked
        self._before, self._now = self._now, _Stretch()
        self._now.add(key)
        if self.bytes > MOST_BYTES:
            gone += self._before.unbooked
            self._before = _Stretch()
        return gone

    def book_look(self) -> None:
        """The picture of the key frame that began this stretch is in the books."""
        self._now.first_booked = True

    def hold(self, packet: Packet[Any]) -> None:
        """The next packet, undecoded."""
        self._now.add(packet)

    def since_last_key(self) -> Start:
        """Begin at the newest key frame; empties this."""
        now = self._now
        first = max((i for i, packet in enumerate(now.packets) if packet.is_keyframe), default=0)
        passed_over = self._before.unbooked + (first - now.first_booked if first else 0)
        start = Start(now.packets[first:], now.first_booked and first == 0, passed_over)
        self._empty()
        return start

    def since_look_before(self) -> Start:
        """Begin at the look before the last one, where it is still held; empties this."""
        oldest = self._before if self._before.packets else self._now
        packets = [*self._before.packets, *self._now.packets]
        start = Start(packets, oldest.first_booked, 0)
        self._empty()
        return start

    def drop(self) -> int:
        """Forget everything; returns how many packets no book knew of."""
        unbooked = self._before.unbooked + self._now.unbooked
        self._empty()
        return unbooked

    def _empty(self) -> None:
        self._before, self._now = _Stretch(), _Stretch()
