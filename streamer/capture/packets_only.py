"""A camera's second stream, for footage alone: connected to, read and kept connected; nothing of it is decoded."""

from __future__ import annotations

import logging
import random
import threading

from streamer.capture import trouble
from streamer.capture.backoff import Backoff
from streamer.capture.connection import Connection, connect
from streamer.capture.options import CameraOptions
from streamer.capture.packet_times import PacketTimes
from streamer.capture.repeats import RepeatFilter
from streamer.capture.source import GOOD_SPELL_S
from streamer.capture.wallclock import CameraClock
from streamer.clock import Clock
from streamer.errors import SourceError, SourceUnavailable
from streamer.stages import PacketTap

_log = logging.getLogger("streamer.capture")


class PacketSource:
    """Shows a tap every packet of an address until close(). Use once; live addresses only.

    Trouble is logged when it begins and reconnected from, however long that takes: the camera's analysis has its own
    connection and goes on meanwhile.
    """

    def __init__(
        self, options: CameraOptions, tap: PacketTap, clock: Clock, *, rng: random.Random | None = None
    ) -> None:
        self._options, self._tap, self._clock = options, tap, clock
        self._stop = threading.Event()
        self._backoff = Backoff(
            options.backoff_first_s, options.backoff_most_s, rng or random.Random(), options.backoff_refused_s
        )
        self._away = False

    def close(self) -> None:
        """Ask run() to end soon; from any thread, returns at once."""
        self._stop.set()

    def run(self) -> None:
        """Read until close()."""
        while not self._stop.is_set():
            began_s = self._clock.monotonic()
            try:
                connection = connect(self._options)
                try:
                    self._tap.opened(connection.stream)
                    self._read(connection)
                finally:
                    self._tap.closed()
                    connection.close()
            except SourceError as error:
                if self._stop.is_set():
                    return
                if not self._away:
                    self._away = True
                    _log.warning("no footage for now: %s", error, extra={"camera": self._options.camera})
                if self._clock.monotonic() - began_s >= GOOD_SPELL_S and not isinstance(error, SourceUnavailable):
                    self._backoff.reset()
                permanent = isinstance(error, SourceUnavailable) and error.permanent
                self._stop.wait(self._backoff.next_s(permanent=permanent))
            else:
                self._stop.wait(self._backoff.next_s(permanent=False))  # a camera that ends its stream

    def _read(self, connection: Connection) -> None:
        clock, repeats, times = CameraClock(connection.realtime_at_zero), RepeatFilter(), PacketTimes()
        first_s: float | None = None
        heard_s = self._clock.monotonic()
        for packet in connection.packets():
            if self._stop.is_set():
                return
            if packet is None:
                silent_s = self._clock.monotonic() - heard_s
                if silent_s > self._options.stall_after_s:
                    raise trouble.stalled(self._options, silent_s)
                continue
            heard_s = self._clock.monotonic()
            if repeats.is_repeat(packet):
                continue
            self._away = False
            stream_s = self._clock.monotonic() if connection.untimed else times.shown_s(packet)
            first_s = stream_s if first_s is None else first_s
            self._tap.packet(packet, stream_s)
            self._tap.timed(clock.at(stream_s - first_s, stream_s, self._clock.now()) - stream_s)
