"""When a camera's next packets are worth getting up for: in handfuls, once they have all arrived.

Waking a thread for every packet costs more than the look at its size. Packets come as regularly as their timestamps
say, so their arrival can be foretold from those for which we had to wait.
"""

from __future__ import annotations

LONGEST_S = 0.08
"""A handful comes within so long: by so much, and LATE_S, a camera wakes later."""
LONGEST_AWAKE_S = 0.25
"""Of a camera that is awake: what lies between two pictures that are analysed is decoded together, just before the
second. A socket holds so much of any camera's stream."""
LATE_S = 0.004
"""Who gets up in the very moment in which the last one is due would lie down again for it."""
_WAITED_S = 0.0005
"""A read that took so long had to wait for its packet: that is when it arrives."""
_FOLLOW = 0.2
_LATER_S = 0.002
"""A packet that comes later than foretold moves what is foretold by so much at most: it may be an exception."""
_SOONER_S = 0.0002
"""Who naps does not see that packets come sooner than foretold: so much is tried with every nap."""


class Handfuls:
    """Told of every packet that was read: how long to leave the rest alone. All times in seconds."""

    def __init__(self) -> None:
        self._offset_s: float | None = None  # arrival less stream time, of packets that were waited for
        self._interval_s: float | None = None
        self._last_s: float | None = None

    def nap_s(self, stream_s: float, now_s: float, waited_s: float, until_s: float | None = None) -> float:
        """After a packet of stream time stream_s, whose read took waited_s: 0 where the next one is there already.

        until_s: None of a sleeping camera. Of one that is awake, the stream time at which to be up again.
        """
        step_s = 0.0 if self._last_s is None else stream_s - self._last_s
        self._last_s = stream_s
        if 0 < step_s < 1:
            known_s = self._interval_s or step_s
            self._interval_s = known_s + _FOLLOW * (step_s - known_s)
        if waited_s > _WAITED_S:
            offset_s = now_s - stream_s
            known_s = offset_s if self._offset_s is None else self._offset_s
            # One that comes early is believed at once: what was late was held up on the way.
            self._offset_s = min(offset_s, known_s + _LATER_S)
        if self._offset_s is None or self._interval_s is None:
            return 0.0
        longest_s = LONGEST_S if until_s is None else min(max(until_s - stream_s, 0.0), LONGEST_AWAKE_S)
        handful = int(longest_s / self._interval_s + 0.1)
        arrived_s = stream_s + self._offset_s
        if handful < 2 or arrived_s + self._interval_s <= now_s:
            return 0.0
        self._offset_s -= _SOONER_S
        if until_s is not None:
            return max(0.0, min(LONGEST_AWAKE_S, until_s + self._offset_s - now_s))
        return max(0.0, min(LONGEST_S, arrived_s + handful * self._interval_s - now_s) + LATE_S)
