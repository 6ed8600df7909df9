"""From one connection's packets to frames that are to be analysed, every other frame accounted for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from av import VideoFrame

from streamer.capture import trouble
from streamer.capture.connection import Connection
from streamer.capture.convert import Converter, DecodedPicture, upright_size
from streamer.capture.decoder import Decoder
from streamer.capture.gate import Gate
from streamer.capture.gated import GatedDecoder
from streamer.capture.interest import Interest
from streamer.capture.motion.pixel_motion import PixelMotion
from streamer.capture.names import SessionNames
from streamer.capture.options import CameraOptions
from streamer.capture.pacing import Pacing
from streamer.capture.packet_times import PacketTimes
from streamer.capture.rate import RateSelector
from streamer.capture.repeats import RepeatFilter
from streamer.capture.timeline import Placed, Timeline
from streamer.capture.wallclock import CameraClock, RecordedClock
from streamer.clock import Clock
from streamer.errors import SourceCorrupt, SourceError
from streamer.fit import InputFit
from streamer.ledger import Drop, Skip
from streamer.surroundings import Surroundings
from streamer.types import Frame

LEAST_JUMP_S = 10.0
CLOCK_SET_S = CameraClock.TRUSTED_WITHIN_S
"""A step of this machine's clock by more than what a camera's clock may differ from it."""
LONGEST_BETWEEN_KEYS_S = 60.0
EMPTY_SLICE_WAIT_S = 0.005
SIGN_EVERY_S = 0.2
"""So often a sleeping camera's packets are told as a sign of its life."""


@dataclass(frozen=True, slots=True)
class _Arrived:
    frame: VideoFrame
    index: int
    arrived_at: float


@dataclass(slots=True)
class Session:
    """What belongs to one run of pictures of one size on one timeline."""

    name: str
    timeline: Timeline[_Arrived]
    clock: CameraClock | RecordedClock
    converter: Converter
    source_wh: tuple[int, int]
    rate: RateSelector
    decoded: int = 0
    held: int = 0  # decoded, and not yet decided about
    skew_s: float | None = None
    started_s: float | None = None  # realtime files: when media time 0 was played
    wall_at_zero: float = 0.0  # epoch time of monotonic time 0, when it began


class SessionReader:
    """Reads one connection to its end; all work happens on the thread that iterates frames().

    A change of the picture's size begins a new session in the same connection: what was tracked in the old
    pixels means nothing in the new ones. In a recording a jump of its timestamps does the same; a live camera is
    reconnected instead.

    stop: read no more. What was read until then comes still; a consumer who does not want it leaves off.
    """

    def __init__(
        self,
        connection: Connection,
        options: CameraOptions,
        input_fit: InputFit,
        around: Surroundings,
        clock: Clock,
        stop: threading.Event,
        names: SessionNames,
    ) -> None:
        self._connection, self._options, self._input_fit = connection, options, input_fit
        self._untimed = connection.untimed
        self._ledger, self._status, self._sleep = around.ledger, around.status, around.sleep
        self._tap, self._interest = around.tap, Interest(options, around, clock)
        self._shrinker, self._video, self._ration = around.shrinker, around.video, around.ration
        self._clock, self._stop = clock, stop
        self._names = names
        self._log = logging.getLogger("streamer.capture")
        self._decoder = Decoder(connection.decoding)
        self._repeats = RepeatFilter()
        self._gated = GatedDecoder(
            options.camera,
            self._decoder,
            Gate(options.gate, self._interest.is_awake),
            PixelMotion(options.motion_masks),
            around.sleep,
            clock,
            let_go=self._interest.let_go,
            offers_looks=self._interest.wants_look,
            presence=around.presence,
        )
        self._pacing = Pacing(options, clock, stop, naps=not self._untimed)
        self._spent_s = 0.0  # in the decoder, until that frame
        self._session: Session | None = None
        self._broken_counted = 0
        self._broken_in_a_row = 0
        self._decoded_any = False

    def frames(self) -> Iterator[Frame]:
        """Frames to analyse, until the source ends, fails or is stopped. Raises SourceError."""
        try:
            try:
                yield from self._read()
            except SourceError:
                yield from self._flush()  # they came before the trouble
                raise
            yield from self._flush()
        finally:  # what is held now is so only where the consumer left
            self._gated.finish()
            if self._session is not None and self._session.held:
                self._ledger.dropped(Drop.SHUTDOWN, self._session.held)
                self._session.held = 0
        if not self._decoded_any and self._options.pace != "live" and not self._stop.is_set():
            raise trouble.corrupt(self._options, self._decoder.broken)

    def _read(self) -> Iterator[Frame]:
        last_sign_s = done_s = self._clock.monotonic()
        times = PacketTimes()
        for packet in self._connection.packets():
            waited_s = self._clock.monotonic() - done_s
            if packet is None:
                if self._stop.is_set():
                    break
                self._watch(self._clock.monotonic() - last_sign_s)
                self._stop.wait(EMPTY_SLICE_WAIT_S)
                continue
            if self._repeats.is_repeat(packet):
                self._ledger.received()
                self._ledger.dropped(Drop.REPEATED)
                if self._stop.is_set():
                    break
                continue
            stream_s = times.shown_s(packet)
            self._pacing.wait_for_packet(stream_s, asleep=self._gated.asleep)
            if self._tap:
                self._tap.packet(packet, self._clock.monotonic() if self._untimed else stream_s)
            came = False
            for frame in self._gated.take(packet, None if packet.pts is None else stream_s):
                came = True
                yield from self._take(frame)
            self._count_broken()
            asleep, done_s = self._gated.asleep, self._clock.monotonic()
            if came or asleep:
                if done_s - last_sign_s > SIGN_EVERY_S:
                    self._status.frame(done_s, self._session.skew_s if self._session else None)
                    last_sign_s = done_s
                self._broken_in_a_row = 0
            elif self._options.pace == "live":
                self._watch(done_s - last_sign_s)
            if self._stop.is_set():
                break
            if not self._gated.suspicious and self._pacing.nap(stream_s, done_s, waited_s, asleep=asleep):
                done_s = self._clock.monotonic()
        for frame in self._decoder.flush():
            yield from self._take(frame)
        self._count_broken()

    def _watch(self, silent_s: float) -> None:
        """The frame-age watchdog: packets that never become pictures are as bad as none."""
        if silent_s <= self._options.stall_after_s:
            return
        if self._broken_in_a_row:
            raise trouble.corrupt(self._options, self._broken_in_a_row)
        raise trouble.stalled(self._options, silent_s)

    def _count_broken(self) -> None:
        broken = self._decoder.broken - self._broken_counted
        if broken:
            self._broken_counted += broken
            self._broken_in_a_row += broken
            self._ledger.received(broken)
            self._ledger.dropped(Drop.CORRUPT, broken)

    def _take(self, frame: VideoFrame) -> Iterator[Frame]:
        """One decoded frame into the books and onto the timeline; yields those whose turn has come."""
        now_s, now = self._clock.monotonic(), self._clock.now()
        self._decoded_any = True
        self._ledger.received()
        if (
            self._session is None
            or self._session.source_wh != upright_size(frame)
            or self._clock_was_set(self._session, now - now_s)
        ):
            yield from self._flush()
            self._session = self._begin(frame, now_s)
            self._gated.begin_session()
        session = self._session
        arrived = _Arrived(frame, session.decoded, now)
        session.decoded += 1
        session.held += 1
        pts_s = now_s if self._untimed else self._decoder.shown_s(frame)
        dts_s = None if self._untimed else self._decoder.decoded_s(frame)
        if pts_s is not None:
            session.skew_s = session.clock.skew_s(pts_s, arrived.arrived_at)
        self._status.frame(now_s, session.skew_s)
        try:
            placed = session.timeline.add(arrived, pts_s, dts_s)
        except SourceCorrupt as error:
            self._ledger.dropped(Drop.TIMESTAMP, session.held)
            session.held = 0
            self._session = None
            if self._options.pace == "live":
                raise
            self._log.warning("%s: a new session begins", error, extra={"camera": self._options.camera})
            return
        if session.timeline.by_dts:
            self._gated.refuse("its timestamps are those of decoding, not of showing")
        # A frame's age counts from here: those that were held back together while a session finds its times
        # must not be too old for the model on arrival.
        for one in placed:
            if (chosen := self._decide(session, one, now_s)) is not None:
                yield chosen
                self._note_wake()

    def _clock_was_set(self, session: Session, wall_at_zero: float) -> bool:
        """Whether this machine's clock is another than when the session began: what it says of times would be wrong for
        as long as estimates take to follow, and may not step back within a session."""
        by_s = wall_at_zero - session.wall_at_zero
        if abs(by_s) <= CLOCK_SET_S or self._options.pace != "live":
            return False
        self._log.warning(
            "camera %r: this machine's clock was set by %+.0f s: a new session begins",
            self._options.camera,
            by_s,
            extra={"camera": self._options.camera, "event": "clock set"},
        )
        return True

    def _begin(self, frame: VideoFrame, now_s: float) -> Session:
        wh = upright_size(frame)
        name = self._names.next()
        self._pacing.wanted_from(None, busy_s=0.0)
        timeline: Timeline[_Arrived] = Timeline(
            self._options.camera,
            reorders=self._decoder.reorders and not self._gated.asleep,
            nominal_s=self._connection.nominal_interval_s,
            jump_s=max(self._longest_between_s(), 2.0 * self._options.stall_after_s),
        )
        clock: CameraClock | RecordedClock
        match self._options.pace:
            case "live":
                clock = CameraClock(self._connection.realtime_at_zero)
            case "demand":
                clock = RecordedClock(self._connection.created_at)
            case "realtime":
                clock = RecordedClock(self._clock.now())
        self._status.online(now_s, wh, self._decoder.codec, self._connection.decoding.where)
        self._log.info(
            "camera %r is online: %s×%s %s, session %s",
            self._options.camera,
            *wh,
            self._decoder.codec,
            name,
            extra={"camera": self._options.camera, "event": "online", "session": name},
        )
        converter = Converter(self._input_fit, wh, self._shrinker)
        rate = RateSelector(self._options.analyse_fps)
        return Session(name, timeline, clock, converter, wh, rate, wall_at_zero=self._clock.now() - now_s)

    def _longest_between_s(self) -> float:
        if self._options.decode == "always":
            return LEAST_JUMP_S
        return LONGEST_BETWEEN_KEYS_S + max(self._options.look_every_s, self._options.keep_alive_s)

    def _flush(self) -> Iterator[Frame]:
        session = self._session
        if session is None:
            return
        try:
            placed = session.timeline.flush()
        except SourceCorrupt:  # the trouble that ends the session is told already, or the session is over anyway
            self._ledger.dropped(Drop.TIMESTAMP, session.held)
            session.held = 0
            return
        now_s = self._clock.monotonic()
        for one in placed:
            if (chosen := self._decide(session, one, now_s)) is not None:
                yield chosen
                self._note_wake()

    def _decide(self, session: Session, placed: Placed[_Arrived], received_s: float) -> Frame | None:
        """Where one placed frame goes: dropped, skipped, or converted and on to the model."""
        session.held -= 1
        if placed.media_s is None:
            self._ledger.dropped(Drop.TIMESTAMP)
            return None
        arrived = placed.item
        if self._ration is not None:
            session.rate.become(self._ration.of(self._options.analyse_fps))
        chosen = session.rate.choose(placed.media_s)
        if chosen and self._options.pace == "realtime" and not self._pacing.waits_for_packets:
            received_s = self._wait_for(session, placed.media_s)
        captured_at = session.clock.at(placed.media_s, placed.stream_s, arrived.arrived_at)
        if self._tap:
            self._tap.timed(captured_at - placed.stream_s)
        if not chosen:
            self._ledger.skipped(Skip.RATE)
            return None
        self._expect_next(session, placed)
        self._interest.offered(placed.stream_s)
        if self._gated.catching_up:
            self._pacing.keep_distance(received_s)
        image, on_device = session.converter.images(arrived.frame)
        return Frame(
            camera=self._options.camera,
            session=session.name,
            index=arrived.index,
            image=image,
            source_wh=session.source_wh,
            media_s=placed.media_s,
            captured_at=captured_at,
            received_s=received_s,
            picture=DecodedPicture(arrived.frame),
            late=self._gated.catching_up,
            on_device=on_device,
        )

    def _note_wake(self) -> None:
        """The first frame after a wake is on its way to the model."""
        if self._gated.woke_s is not None:
            self._sleep.first_offered(self._clock.monotonic() - self._gated.woke_s)
            self._gated.woke_s = None

    def _expect_next(self, session: Session, placed: Placed[_Arrived]) -> None:
        spent_s, next_s = self._decoder.spent_s, session.rate.next_from_s
        if self._video is not None and self._video.turn:  # somebody watches its packets as they come
            next_s = None
        elif next_s is not None and placed.media_s is not None:
            next_s += placed.stream_s - placed.media_s
        self._pacing.wanted_from(next_s, busy_s=spent_s - self._spent_s)
        self._spent_s = spent_s

    def _wait_for(self, session: Session, media_s: float) -> float:
        """Sleep until a file's frame is due, woken by a stop; returns when that was, or now where it is the last."""
        now_s = self._clock.monotonic()
        if session.started_s is None:
            session.started_s = now_s - media_s
        due_s = session.started_s + media_s
        if due_s > now_s and self._stop.wait(due_s - now_s):
            return self._clock.monotonic()
        return max(now_s, due_s)
