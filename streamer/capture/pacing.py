"""When a connection's packets and frames are worth getting up for: files at their own pace, sleeping cameras in
handfuls, what led up to a wake neither late nor all at once."""

from __future__ import annotations

import threading

from streamer.capture.handfuls import LONGEST_S, Handfuls
from streamer.capture.options import CameraOptions
from streamer.clock import Clock

CATCH_UP_SPEED = 4.0
"""What led up to a wake is analysed at so many times the usual rate."""


class Pacing:
    """Of one connection; every wait ends at once when `stop` is set. naps: its packets come by their own times."""

    def __init__(self, options: CameraOptions, clock: Clock, stop: threading.Event, *, naps: bool) -> None:
        self._options, self._clock, self._stop = options, clock, stop
        self._waits_for_packets = options.pace == "realtime" and options.decode != "always"
        self._handfuls = Handfuls() if naps and options.pace == "live" else None
        self._packets_from_s: float | None = None  # files in real time: when stream time 0 is played
        self._last_lead_up_s = float("-inf")

    def wait_for_packet(self, at_s: float, *, asleep: bool) -> None:
        """Files in real time: until stream time at_s is now, because a gate's decisions belong to the present."""
        if not self._waits_for_packets:
            return
        now_s = self._clock.monotonic()
        if self._packets_from_s is None:
            self._packets_from_s = now_s - at_s
        due_s = self._packets_from_s + at_s
        if due_s > now_s:
            self._stop.wait(due_s - now_s + (LONGEST_S if asleep else 0.0))

    def nap(self, at_s: float, now_s: float, waited_s: float) -> None:
        """Live cameras that sleep: after a packet of stream time at_s, until a handful more has come."""
        if self._handfuls is not None and (nap_s := self._handfuls.nap_s(at_s, now_s, waited_s)) > 0:
            self._stop.wait(nap_s)

    def keep_distance(self, now_s: float) -> None:
        """What led up to a wake goes to analysis faster than it happened, but not all at once: others share it."""
        fps = self._options.analyse_fps
        if self._options.pace == "demand" or fps is None:
            return
        wait_s = self._last_lead_up_s + 1.0 / (CATCH_UP_SPEED * fps) - now_s
        if wait_s > 0:
            self._stop.wait(wait_s)
        self._last_lead_up_s = self._clock.monotonic()
