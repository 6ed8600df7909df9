"""Which packets are worth decoding: all of them, or the key frames alone.

Decoding is what a quiet camera costs. A key frame needs no other picture, so that looking at those alone costs a tenth
or less, and whatever stays in view from one to the next is seen.
"""

from __future__ import annotations

from typing import Any, Literal

import av

DecodeMode = Literal["always", "key_frames"]

_NEAR_ENOUGH_S = 0.02
"""A key frame that comes a blink before it is due is not put off to the next one."""


class Gate:
    """Asked about every packet of one connection, in order.

    look_every_s: of key frames, only those are wanted that come so long after the last wanted one, by their own time.
    """

    MOST_WITHOUT_KEY = 750
    """So many packets without a key frame (half a minute at 25 a second): a stream that is refreshed piece by piece."""
    MOST_BARREN = 3
    """So many in a row that made no picture: such a stream marks where a refresh begins, and calls that a key frame."""

    def __init__(self, mode: DecodeMode, look_every_s: float = 0.0) -> None:
        self._mode, self._look_every_s = mode, look_every_s
        self._looked_at_s: float | None = None
        self._since_key = 0
        self._barren = 0

    @property
    def alone(self) -> bool:
        """True where the wanted packets are decoded without those between them."""
        return self._mode == "key_frames"

    def wants(self, packet: av.Packet[Any]) -> bool:
        """Whether to decode this one. Once a stream proves to have no key frames, all are wanted; see gave_up."""
        if self._mode == "always":
            return True
        if packet.is_keyframe:
            self._since_key = 0
            return self._due(packet)
        self._since_key += 1
        return False

    def _due(self, packet: av.Packet[Any]) -> bool:
        if packet.pts is None or packet.time_base is None:
            return True
        at_s, last_s = float(packet.pts * packet.time_base), self._looked_at_s
        if last_s is not None and 0 <= at_s - last_s < self._look_every_s - _NEAR_ENOUGH_S:
            return False
        self._looked_at_s = at_s
        return True

    def made(self, pictures: int) -> None:
        """What a wanted packet became."""
        self._barren = 0 if pictures else self._barren + 1

    def gave_up(self) -> bool:
        """True once, when there are no key frames to live by: everything is decoded from here on."""
        hopeless = self._since_key > self.MOST_WITHOUT_KEY or self._barren >= self.MOST_BARREN
        if self._mode == "always" or not hopeless:
            return False
        self._mode = "always"
        return True
