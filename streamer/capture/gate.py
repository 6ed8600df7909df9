"""When a camera sleeps, and what wakes it.

Decoding is what a quiet camera costs. Asleep, only key frames are decoded (they need no other picture), and the packets
in between are watched by their size and kept, so that whoever wakes the camera sees what led up to it. It falls asleep
at a key frame only: there nothing is half-way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Literal

import av

from streamer.capture.packet_sizes import PacketSizes
from streamer.sleep_book import WakeCause

DecodeMode = Literal["always", "motion", "key_frames", "on_trigger"]

_NEAR_ENOUGH_S = 0.02
"""A key frame that comes a blink before it is due is not put off to the next one."""
_SETTLE_S = 1.0
"""So long after the last motion that was seen packets may still be larger: it goes on unseen for about half a second,
and what was uncovered has to be sent."""

_SET_BACK_S = 10.0
"""Times that go back so far begin anew."""


class Step(Enum):
    """What to do with a packet."""

    DECODE = auto()  # awake
    SLEEP = auto()  # a key frame: finish what is in the decoder, then as LOOK
    LOOK = auto()  # a key frame: decode it alone
    HOLD = auto()  # keep it undecoded
    WAKE = auto()  # decode what was kept from the last key frame on, this one included


@dataclass(frozen=True, slots=True)
class GateSettings:
    """look_every_s: asleep, key frames are decoded so far apart at least. quiet_s: nothing moved for so long is quiet.

    reject_s: where packets woke the camera and the pictures show no motion, so much is enough.
    """

    mode: DecodeMode = "motion"
    look_every_s: float = 0.0
    quiet_s: float = 3.0
    reject_s: float = 1.0


class Gate:
    """Asked about every packet of one connection, in order; told what the pictures showed. All times in stream seconds.

    wanted(): whether somebody asked for this camera to be awake.
    """

    MOST_BETWEEN_KEYS = 300
    """Packets: a wake decodes so many at most, and a camera whose key frames are farther apart stays awake."""
    MOST_WITHOUT_KEY = 750
    """So many packets without a key frame (half a minute at 25 a second): a stream that is refreshed piece by piece."""
    MOST_BARREN = 3
    """So many in a row that made no picture: such a stream marks where a refresh begins, and calls that a key frame."""
    MOST_UNANNOUNCED = 8
    """So many motions seen in pictures alone, four for each that packets told: their size means nothing here."""
    INTRA_LOOK_S = 0.5
    """Where every picture stands alone each packet could be a look: so often is enough."""

    def __init__(self, settings: GateSettings, wanted: Callable[[], bool] = lambda: False) -> None:
        self._settings, self._wanted = settings, wanted
        self._asleep = settings.mode in ("key_frames", "on_trigger")
        self._begun = False  # a key frame has come
        self._sizes = PacketSizes()
        self._pending: deque[tuple[float, int, int]] = deque(maxlen=PacketSizes.WINDOW)  # seen awake, perhaps quiet
        self._since_key = 0
        self._group = 0  # packets in the group before
        self._barren = 0
        self._keys_in_a_row = 0
        self._ahead_s = float("-inf")
        self._looked_s: float | None = None
        self._awake_until_s = float("-inf")
        self._unannounced = self._announced = 0
        self._confirmed = True  # of a wake by packets: the pictures showed motion as well
        self._quiet_from_s = float("-inf")
        self.why_not: str | None = None
        self.cause = WakeCause.PACKETS  # of the last wake

    @property
    def mode(self) -> DecodeMode:
        """As asked for; always, once that proved to be unsafe."""
        return "always" if self.why_not else self._settings.mode

    @property
    def asleep(self) -> bool:
        """Whether packets are let pass undecoded."""
        return self._asleep

    @property
    def suspicious(self) -> bool:
        """Whether the next packet may wake it, after what the last ones were."""
        return self._sizes.suspicious

    @property
    def wakes(self) -> bool:
        """Whether what is let pass may be wanted after all."""
        return self._settings.mode in ("motion", "on_trigger")

    @property
    def quiet_s(self) -> float:
        """Nothing moved for so long is quiet."""
        return self._settings.quiet_s

    @property
    def watches(self) -> bool:
        """Whether it wants to know what moves in pictures."""
        return self.mode == "motion"

    def step(self, packet: av.Packet[Any], at_s: float | None) -> Step:
        """What to do with the next packet, at this time; None where the stream does not tell times."""
        if self.mode == "always":
            return Step.DECODE
        if at_s is not None and at_s < self._ahead_s - _SET_BACK_S:
            self._begun, self._awake_until_s, self._quiet_from_s = False, at_s, at_s
            self._ahead_s = at_s - 1.0
        if at_s is not None:
            self._ahead_s = max(self._ahead_s, at_s)
        if packet.is_keyframe:
            self._keys_in_a_row += 1
            self._group, self._since_key = self._since_key, 0
        else:
            self._keys_in_a_row = 0
            self._since_key += 1
        if not self._asleep:
            return self._awake_step(packet, at_s)
        return self._asleep_step(packet, at_s)

    def _awake_step(self, packet: av.Packet[Any], at_s: float | None) -> Step:
        if at_s is None:
            return Step.DECODE
        if not packet.is_keyframe:
            self._pending.append((at_s, packet.size, self._since_key))
            return Step.DECODE
        if not self._begun and self._settings.mode == "motion":
            self._begun = True
            self._awake_until_s = max(self._awake_until_s, at_s + self._settings.quiet_s)
        if at_s < self._awake_until_s or self._wanted() or not self._may_sleep():
            return Step.DECODE
        self._asleep = True
        self._sizes.forget_recent()
        self._looked_s = at_s
        return Step.SLEEP

    def _may_sleep(self) -> bool:
        if self._settings.mode != "motion":
            return True
        while self._pending:
            then_s, size, place = self._pending.popleft()
            if then_s >= self._quiet_from_s:  # nothing has moved since
                self._sizes.learn(size, place)
        self._sizes.settle()
        if self._group > self.MOST_BETWEEN_KEYS:
            self.why_not = f"its key frames are {self._group} pictures apart"
        elif self._sizes.padded:
            self.why_not = "its packets are all of one size, whatever is in them"
        elif self._unannounced >= self.MOST_UNANNOUNCED and self._unannounced > 4 * self._announced:
            self.why_not = "what moves in its pictures does not show in the size of its packets"
        return self.why_not is None and (self._sizes.learned or self._all_intra)

    @property
    def _all_intra(self) -> bool:
        return self._keys_in_a_row > 30

    def _asleep_step(self, packet: av.Packet[Any], at_s: float | None) -> Step:
        if self.wakes and self._wanted():
            return self._wake(at_s, WakeCause.REQUEST)
        if packet.is_keyframe:
            return self._look(at_s)
        if self._settings.mode == "motion" and self._sizes.stand_out(packet.size, self._since_key):
            step = self._wake(at_s, WakeCause.PACKETS, at_least_s=self._settings.reject_s)
            self._confirmed = False
            if at_s is not None:  # should the pictures show nothing, it belongs to the quiet
                self._pending.append((at_s, packet.size, self._since_key))
            return step
        return Step.HOLD

    def _look(self, at_s: float | None) -> Step:
        every_s = self._settings.look_every_s
        if self._settings.mode == "motion" and self._all_intra:
            every_s = max(every_s, self.INTRA_LOOK_S)
        last_s = self._looked_s
        if at_s is not None and last_s is not None and 0 <= at_s - last_s < every_s - _NEAR_ENOUGH_S:
            return Step.HOLD
        self._looked_s = at_s
        return Step.LOOK

    def _wake(self, at_s: float | None, cause: WakeCause, at_least_s: float = 0.0) -> Step:
        self._asleep, self.cause = False, cause
        self._confirmed = True
        self._pending.clear()
        if at_s is not None:
            self._awake_until_s = at_s + at_least_s
        return Step.WAKE

    def looked(self, moved: bool, at_s: float | None) -> bool:
        """What the picture of a LOOK showed. True: the camera is awake now, decode from the look before on."""
        if not moved or self._settings.mode != "motion":
            return False
        self._unannounced += 1
        self._wake(at_s, WakeCause.PICTURE, at_least_s=self._settings.quiet_s)
        return True

    def saw(self, moved: bool, at_s: float) -> None:
        """What a picture showed that was decoded because the camera is awake."""
        if not moved:
            return
        if not self._confirmed:
            self._confirmed = True
            self._announced += 1
        self._awake_until_s = max(self._awake_until_s, at_s + self._settings.quiet_s)
        self._quiet_from_s = max(self._quiet_from_s, at_s + _SETTLE_S)

    def puts_off(self, at_s: float) -> None:
        """A picture was not asked for motion, because somebody moves in it anyway: its packets are not quiet ones."""
        self._quiet_from_s = max(self._quiet_from_s, at_s + _SETTLE_S)

    def made(self, pictures: int) -> None:
        """What a LOOK became."""
        self._barren = 0 if pictures else self._barren + 1

    @property
    def hopeless(self) -> bool:
        """Whether it is time to give up; see give_up_if_hopeless."""
        if self._settings.mode == "always" or self.why_not:
            return False
        if self._barren >= self.MOST_BARREN or self._since_key > self.MOST_WITHOUT_KEY:
            return True
        return self._asleep and self._since_key > self.MOST_BETWEEN_KEYS and self.wakes

    def give_up_if_hopeless(self) -> None:
        """When it turns out that this stream cannot be slept on, everything is decoded from here on: see why_not.

        What is kept undecoded then is to be decoded now.
        """
        if not self.hopeless:
            return
        if self._since_key > self.MOST_WITHOUT_KEY or self._barren >= self.MOST_BARREN:
            self.refuse("it has no key frames that stand alone")
        else:
            self.refuse(f"its key frames are more than {self.MOST_BETWEEN_KEYS} pictures apart")

    def refuse(self, why: str) -> None:
        """Never sleep on this stream any more."""
        self.why_not = self.why_not or why
        self._asleep, self.cause = False, WakeCause.UNSAFE
