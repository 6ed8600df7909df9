"""When a packet is to be shown, on its stream's own timeline in seconds."""

from __future__ import annotations

from typing import Any

from av import Packet


class PacketTimes:
    """Of one connection. The unit of its times is asked for at key frames only: PyAV makes a fraction of it each time,
    which costs more than all else that is done with a packet of a sleeping camera."""

    def __init__(self) -> None:
        self._ticks: tuple[int, int] | None = None

    def shown_s(self, packet: Packet[Any]) -> float:
        """When it is shown, else when it is decoded; 0 where neither is told."""
        if self._ticks is None or packet.is_keyframe:
            base = packet.time_base
            self._ticks = None if base is None else (base.numerator, base.denominator)
        at = packet.pts if packet.pts is not None else packet.dts
        return 0.0 if at is None or self._ticks is None else at * self._ticks[0] / self._ticks[1]
