"""Packets in, the pictures that are worth having out: the gate's decisions carried out, every packet in the books."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from av import Packet, VideoFrame

from streamer.capture.decoder import Decoder
from streamer.capture.gate import Gate, Step
from streamer.capture.lead_up import LeadUp, Start
from streamer.capture.motion.luma import small_luma
from streamer.capture.motion.pixel_motion import PixelMotion
from streamer.capture.vacancy import Vacancy
from streamer.clock import Clock
from streamer.cores import usable_cores
from streamer.presence import Presence
from streamer.sleep_book import SleepBook

_SEEN_EVERY_S = 0.18
"""Awake, pictures so far apart are asked for motion: a little more often than five a second."""
_SEEN_MOVING_EVERY_S = 0.55
"""While something moves, which keeps the camera awake for seconds anyway: as seldom as looks still tell what lasts."""
_OF_QUIET = 0.7
"""Where analysis itself sees somebody move, looks are so much of the quiet time apart, after which it would sleep."""
_CATCHING_UP = threading.BoundedSemaphore(max(1, usable_cores() // 2))
"""Cameras that wake together (the light goes on in all rooms) leave half of the machine to those that are awake."""

_log = logging.getLogger("streamer.capture")


class GatedDecoder:
    """One connection's decoder behind its gate; used by its capture thread alone.

    let_go(n): n packets will never be pictures that anybody asked for. offers_looks(at_s): whether a picture that was
    decoded from a key frame while the camera sleeps, and in which nothing moved, goes on to analysis. presence: what
    analysis sees in them.
    """

    def __init__(
        self,
        camera: str,
        decoder: Decoder,
        gate: Gate,
        motion: PixelMotion,
        book: SleepBook,
        clock: Clock,
        *,
        let_go: Callable[[int], None],
        offers_looks: Callable[[float | None], bool],
        presence: Presence | None = None,
    ) -> None:
        self._camera, self._decoder, self._gate, self._motion = camera, decoder, gate, motion
        self._book, self._clock, self._let_go, self._offers_looks = book, clock, let_go, offers_looks
        self._presence, self._vacancy = presence, Vacancy(presence)
        self._lead_up = LeadUp()
        self._seen_s = self._next_seen_s = float("-inf")
        self._moved_s = float("-inf")  # of the last look that showed motion
        self._spent_s = 0.0
        self._probed = False
        self._shown_pts: int | None = None  # of a picture that comes out a second time
        self._told: str | None = None
        self.woke_s: float | None = None  # when the packet came that woke it, until a frame of it was offered
        self.catching_up = False

    @property
    def asleep(self) -> bool:
        """Whether packets are let pass undecoded."""
        return self._gate.asleep

    @property
    def suspicious(self) -> bool:
        """Whether the next packet may well wake it."""
        return self._gate.suspicious

    def take(self, packet: Packet[Any], at_s: float | None) -> Iterable[VideoFrame]:
        """The pictures that are to be placed and perhaps analysed, now that this packet came, of stream time at_s.

        Go through all of them before the next packet.
        """
        step = self._gate.step(packet, at_s)
        if step is Step.HOLD and self._gate.wakes:  # nearly every packet of a camera that sleeps
            self._lead_up.hold(packet)
            if not self._lead_up.overfull and not self._gate.hopeless:
                return ()
        if step is Step.DECODE and self._told == self._gate.why_not and not self._gate.hopeless and not self._lead_up:
            frames = self._awake(self._decoder.decode(packet))  # nearly every packet of one that is awake
            self._book_decoding()
            return frames
        return self._turn(step, packet)

    def _turn(self, step: Step, packet: Packet[Any]) -> Iterator[VideoFrame]:
        """What is done seldom: the gate turns, or a picture is looked at."""
        if step is Step.SLEEP and not self._can_begin_at(packet):
            step = Step.DECODE
        match step:
            case Step.DECODE:
                yield from self._awake(self._decoder.decode(packet))
            case Step.SLEEP:
                yield from self._awake(self._decoder.drain())
                self._book.fell_asleep(self._clock.monotonic())
                yield from self._look(packet)
            case Step.LOOK:
                self._book.fell_asleep(self._clock.monotonic())
                yield from self._look(packet)
            case Step.HOLD if not self._gate.wakes:
                self._let_go(1)
            case Step.HOLD:
                pass  # held above
            case Step.WAKE:
                self._lead_up.hold(packet)
                yield from self._wake(self._lead_up.since_last_key())
        if self._lead_up.overfull:
            self.refuse("more comes between two of its key frames than can be kept")
        self._gate.give_up_if_hopeless()
        self._tell_why_not()
        if self._lead_up and not self._gate.asleep:
            yield from self._wake(self._lead_up.since_last_key())
        self._book.holds(self._lead_up.bytes)
        self._book_decoding()

    def _book_decoding(self) -> None:
        spent_s = self._decoder.spent_s
        if spent_s != self._spent_s:
            self._book.decoded(spent_s - self._spent_s)
            self._spent_s = spent_s

    def refuse(self, why: str) -> None:
        """Never sleep on this stream."""
        if self._gate.mode != "always":
            self._gate.refuse(why)

    def begin_session(self) -> None:
        """Pictures of another size, or times that begin anew."""
        self._motion.reset()
        self._seen_s = self._next_seen_s = self._moved_s = float("-inf")

    def finish(self) -> None:
        """No packets will come: what is held undecoded goes into the books."""
        self._let_go(self._lead_up.drop())
        self._book.holds(0)
        self._book.woke(self._clock.monotonic())

    def _can_begin_at(self, key: Packet[Any]) -> bool:
        """Asked once, before the first sleep: some streams call a key frame what needs the pictures before it."""
        if not self._probed:
            self._probed = True
            if not self._decoder.stands_alone(key):
                self.refuse("its key frames do not stand alone")
                return False
        return True

    def _awake(self, frames: list[VideoFrame]) -> list[VideoFrame]:
        """Of pictures that were decoded because the camera is awake those that were not shown before; some are asked
        for motion."""
        if self._shown_pts is not None:
            frames = [frame for frame in frames if not self._was_shown(frame)]
        if self._gate.watches:
            for frame in frames:
                if (at_s := self._decoder.shown_s(frame)) is not None and at_s >= self._next_seen_s:
                    self._ask(frame, at_s)
        return frames

    def _ask(self, frame: VideoFrame, at_s: float) -> None:
        """Whether something moves; not where analysis says so itself, and a look did a short while ago."""
        if (
            self._presence is not None
            and self._presence.moving
            and at_s < self._moved_s + _OF_QUIET * self._gate.quiet_s
        ):
            self._gate.puts_off(at_s)
            self._next_seen_s = at_s + _SEEN_EVERY_S
        else:
            self._gate.saw(self._moved(frame, at_s), at_s)

    def _was_shown(self, frame: VideoFrame) -> bool:
        if self._shown_pts is None or frame.pts != self._shown_pts:
            return False
        self._shown_pts = None
        return True

    def _look(self, key: Packet[Any]) -> Iterator[VideoFrame]:
        self._let_go(self._lead_up.begin(key))
        broken = self._decoder.broken
        frames = self._decoder.decode_alone(key)
        self._gate.made(len(frames))
        at_s = self._decoder.shown_s(frames[0]) if frames else None
        moved = False
        if frames and at_s is not None and self._gate.watches:
            moved = self._moved(frames[0], at_s)
        if self._gate.looked(moved, at_s):
            yield from self._wake(self._lead_up.since_look_before())
            return
        if not frames and self._decoder.broken == broken:
            return  # swallowed: it is booked with the packets that were never decoded
        self._lead_up.book_look()
        if frames and self._offers_looks(at_s):
            yield from frames
        elif frames:
            self._let_go(len(frames))

    def _wake(self, start: Start) -> Iterator[VideoFrame]:
        """Decode from a key frame on: the very pictures that decoding everything would have given."""
        now_s = self._clock.monotonic()
        self._book.woke(now_s, self._gate.cause)
        self._let_go(start.passed_over)
        self.woke_s, self.catching_up = now_s, True
        try:
            first = start.packets[0] if start.packets else None
            self._shown_pts = first.pts if first is not None and start.first_booked else None
            for packet in start.packets:
                if first is not None and _leads(packet, first):
                    self._let_go(1)  # an open group's: shown before the key frame, made from pictures before it
                    continue
                with _CATCHING_UP:
                    frames = self._decoder.decode(packet)
                yield from self._awake(frames)
        finally:
            self.catching_up = False

    def _moved(self, frame: VideoFrame, at_s: float) -> bool:
        if at_s <= self._seen_s:  # of what led up to now, the end was looked at already
            return False
        self._seen_s = at_s
        moved = self._motion.look(small_luma(frame), at_s, self._vacancy.lasted_s(at_s)).moved
        self._next_seen_s = at_s + (_SEEN_MOVING_EVERY_S if moved else _SEEN_EVERY_S)
        if moved:
            self._moved_s = at_s
        return moved

    def _tell_why_not(self) -> None:
        if self._told == self._gate.why_not:
            return
        self._told = self._gate.why_not
        self._book.never(self._told)
        _log.warning(
            "camera %r: it cannot be let asleep, because %s; all of its stream is decoded from now on. Set 'decode: "
            "always', or have the camera send key frames every one to four seconds at a variable bit rate",
            self._camera,
            self._gate.why_not,
            extra={"camera": self._camera, "event": "never asleep"},
        )


def _leads(packet: Packet[Any], key: Packet[Any]) -> bool:
    return packet.pts is not None and key.pts is not None and packet.pts < key.pts
