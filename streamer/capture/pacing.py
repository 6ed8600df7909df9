"""When a connection's packets and frames are worth getting up for: files at their own pace, cameras in handfuls, what
led up to a wake neither late nor all at once.

Getting up costs a thread more than all that it then does with a packet: 0.08 ms for the wait itself, and as much again
because everything that it needs has left the caches meanwhile. So of a camera that is awake the pictures between two
that go to analysis are decoded in one go, in time before the second comes.
"""

from __future__ import annotations

import threading

from streamer.capture.handfuls import LONGEST_AWAKE_S, LONGEST_S, Handfuls
from streamer.capture.options import CameraOptions
from streamer.clock import Clock

_SPARE_S = 0.004
"""What lies before a picture that is wanted should be decoded so long before that comes."""
CATCH_UP_SPEED = 4.0
"""What led up to a wake is analysed at so many times the usual rate."""


class Pacing:
    """Of one connection; every wait ends at once when `stop` is set. naps: its packets come by their own times."""

    def __init__(self, options: CameraOptions, clock: Clock, stop: threading.Event, *, naps: bool) -> None:
        self._options, self._clock, self._stop = options, clock, stop
        self.waits_for_packets = options.pace == "realtime" and options.decode != "always"
        self._handfuls = Handfuls() if naps and options.pace == "live" else None
        self._packets_from_s: float | None = None  # files in real time: when stream time 0 is played
        self._last_lead_up_s = float("-inf")
        self._up_s = float("-inf")  # awake: stream time before which nobody needs a picture

    def wanted_from(self, next_s: float | None, busy_s: float) -> None:
        """The next picture for analysis is shown at stream time next_s; what lies before it keeps us busy for so long.

        None: every picture is wanted.
        """
        self._up_s = float("-inf") if next_s is None else next_s - busy_s - _SPARE_S

    def wait_for_packet(self, at_s: float, *, asleep: bool) -> None:
        """Files in real time: until stream time at_s is now, because a gate's decisions belong to the present."""
        if not self.waits_for_packets:
            return
        now_s = self._clock.monotonic()
        if self._packets_from_s is None:
            self._packets_from_s = now_s - at_s
        due_s = self._packets_from_s + at_s
        if due_s > now_s:
            longer_s = LONGEST_S if asleep else min(max(self._up_s - at_s, 0.0), LONGEST_AWAKE_S)
            self._stop.wait(due_s - now_s + longer_s)

    def nap(self, at_s: float, now_s: float, waited_s: float, *, asleep: bool) -> bool:
        """Live cameras: after a packet of stream time at_s, until a handful more has come. False where there was none.

        Asleep that is a few; awake those before the next picture that goes to analysis.
        """
        if self._handfuls is None:
            return False
        nap_s = self._handfuls.nap_s(at_s, now_s, waited_s, None if asleep else self._up_s)
        return nap_s > 0 and (self._stop.wait(nap_s) or True)

    def keep_distance(self, now_s: float) -> None:
        """What led up to a wake goes to analysis faster than it happened, but not all at once: others share it."""
        fps = self._options.analyse_fps
        if self._options.pace == "demand" or fps is None:
            return
        wait_s = self._last_lead_up_s + 1.0 / (CATCH_UP_SPEED * fps) - now_s
        if wait_s > 0:
            self._stop.wait(wait_s)
        self._last_lead_up_s = self._clock.monotonic()
