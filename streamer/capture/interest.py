"""What is asked of a sleeping camera, and what becomes of packets that nobody asked for.

Its gate asks this, not the reader: a reader that its own gate held by a method would stay, and its decoder with it,
until the garbage collector comes by, and that counts objects, not megabytes: cameras that flap would fill the machine.
"""

from __future__ import annotations

from streamer.capture.options import CameraOptions
from streamer.clock import Clock
from streamer.ledger import Skip
from streamer.surroundings import Surroundings


class Interest:
    """Of one connection; used by its capture thread alone."""

    def __init__(self, options: CameraOptions, around: Surroundings, clock: Clock) -> None:
        self._options, self._clock = options, clock
        self._ledger, self._bell, self._presence = around.ledger, around.bell, around.presence
        self._offered_s = float("-inf")

    def offered(self, stream_s: float) -> None:
        """A frame of this stream time goes to analysis."""
        self._offered_s = stream_s

    def is_awake(self) -> bool:
        """Whether somebody wants all of its pictures: an alert is open, or its bell rang."""
        if self._presence is not None and self._presence.alerted:
            return True
        return self._bell is not None and self._bell.rung(self._clock.monotonic())

    def wants_look(self, at_s: float | None) -> bool:
        """Whether analysis wants the picture of a sleeping camera in which nothing moved; at_s: its stream time."""
        if self._options.decode != "motion" or self._presence is None or self._presence.anybody:
            return True
        return at_s is None or not 0 <= at_s - self._offered_s < self._options.keep_alive_s - 0.1

    def let_go(self, packets: int) -> None:
        """Packets that will never be pictures that anybody looks at."""
        if packets:
            self._ledger.received(packets)
            self._ledger.skipped(Skip.ASLEEP, packets)
