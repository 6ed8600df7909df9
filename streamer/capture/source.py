"""A camera or a recording as a FrameSource: connect, read, and when it breaks, wait and connect again."""

from __future__ import annotations

import logging
import random
import re
import threading
from collections.abc import Iterator

from streamer.capture import trouble
from streamer.capture.backoff import Backoff
from streamer.capture.connection import connect
from streamer.capture.hardware import Hardware
from streamer.capture.names import LiveNames, RecordingNames, SessionNames
from streamer.capture.options import CameraOptions
from streamer.capture.session import SessionReader
from streamer.clock import Clock
from streamer.errors import SourceError, SourceUnavailable
from streamer.fit import InputFit
from streamer.surroundings import Surroundings
from streamer.types import Frame

GOOD_SPELL_S = 10.0
"""A connection that brings pictures for so long went well: what comes next is new trouble, and not waited for long."""

_log = logging.getLogger("streamer.capture")


class CameraSource:
    """One camera, or one recording, as frames that are to be analysed (implements stages.FrameSource).

    Every connection is opened, read and closed by the thread that iterates frames(). close() sets an event: it
    ends a wait at once, an RTSP read within READ_SLICE_S, another network's read within stall_after_s, an attempt
    to connect within twice connect_timeout_s. What was read until then is decoded, placed and yielded.

    Live cameras are called after the moment they connected, and so are files played in real time: what they show
    is reported as happening now. Recordings read on demand are called after their file.
    """

    def __init__(
        self,
        options: CameraOptions,
        input_fit: InputFit,
        around: Surroundings,
        clock: Clock,
        *,
        rng: random.Random | None = None,
    ) -> None:
        self._options, self._input_fit = options, input_fit
        self._around, self._status, self._tap, self._clock = around, around.status, around.tap, clock
        self._hardware = Hardware(options.camera, options.decode_on, keeps=around.shrinker is not None)
        self._stop = threading.Event()
        self._backoff = Backoff(
            options.backoff_first_s, options.backoff_most_s, rng or random.Random(), options.backoff_refused_s
        )
        self._names: SessionNames = RecordingNames(options.url) if self.demand_paced else LiveNames(clock.now)
        self._told: set[str] = set()

    @property
    def camera(self) -> str:
        """The camera's id."""
        return self._options.camera

    @property
    def demand_paced(self) -> bool:
        """True for a recording that waits for its consumer."""
        return self._options.pace == "demand"

    def close(self) -> None:
        """Read no more; from any thread, returns at once."""
        self._stop.set()

    def frames(self) -> Iterator[Frame]:
        """Frames to analyse, in order; one thread, called once.

        A recording read on demand raises SourceError where it cannot be read; everything else reports its trouble
        to the camera's status and tries again until close().
        """
        while not self._stop.is_set():
            try:
                yield from self._connection_frames()
                if self._stop.is_set():
                    return
                if self._options.pace == "live":
                    raise trouble.ended(self._options)
            except SourceError as error:
                if self._stop.is_set():
                    return
                if self.demand_paced:  # told once, by whoever asked for it
                    self._status.offline(self._clock.monotonic(), str(error))
                    raise
                self._report(error)
                permanent = isinstance(error, SourceUnavailable) and error.permanent
                self._stop.wait(self._backoff.next_s(permanent=permanent))
            else:
                if not self._options.loop:
                    self._status.ended(self._clock.monotonic())
                    _log.info(
                        "camera %r: the recording ended",
                        self.camera,
                        extra={"camera": self.camera, "event": "ended"},
                    )
                    return

    def _connection_frames(self) -> Iterator[Frame]:
        connection = connect(self._options, self._hardware)
        try:
            reader = SessionReader(
                connection,
                self._options,
                self._input_fit,
                self._around,
                self._clock,
                self._stop,
                self._names,
            )
            if self._tap:
                self._tap.opened(connection.stream)
            connected_s = self._clock.monotonic()
            for frame in reader.frames():
                if self._told:
                    self._told.clear()
                if self._clock.monotonic() - connected_s >= GOOD_SPELL_S:
                    self._backoff.reset()
                yield frame
        finally:
            if self._tap:
                self._tap.closed()
            connection.close()

    def _report(self, error: SourceError) -> None:
        """To the status always, to the log once per kind of trouble: attempts that fail alike are no news.

        A camera that restarts fails in two ways in turn, so every kind since the last picture is remembered.
        """
        text = str(error)
        self._status.offline(self._clock.monotonic(), text)
        kind = re.sub(r"\d+(\.\d+)?", "#", text)
        if kind not in self._told:
            self._told.add(kind)
            _log.warning("%s", text, extra={"camera": self.camera, "event": "offline"})
