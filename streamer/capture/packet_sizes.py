"""Motion without decoding: packets that are larger than those of a quiet scene.

A picture that is predicted from others is as large as what the prediction does not explain. PacketGame (Yuan et al.,
SIGCOMM 2023) feeds packet sizes to a net; here they are compared with the running distribution of the same camera's own
quiet packets, because codec, rate control, noise and time of day make every camera another one.
"""

from __future__ import annotations

import math
from collections import deque


class PacketSizes:
    """Learns from packets of which it is known that nothing moved, and tells which later ones stand out.

    Sizes are compared as logarithms to base 2, each with what is usual at its place after the key frame: pictures that
    are put in between (B) are smaller than others, and all of them shrink while the group mends what its key frame
    left coarse.
    """

    WINDOW = 400
    """So many quiet packets are remembered: some 16 seconds at 25 a second."""
    FEWEST = 32
    """With fewer known nothing can be said."""
    RELEARN_EVERY = 50
    TOGETHER = 6
    """Of so many two must stand out: where pictures are put in between, only every third or fourth is large."""
    FAR = 0.8
    """1.7 times the limit: one packet is enough."""
    PADDED_FROM_BYTES = 400
    """Packets that are all alike and smaller hold a picture in which nothing changed: no padding."""
    IDLE_BYTES = 64
    """Added to every size: between a picture of 14 bytes and one of 27 nothing moved that anybody could see."""
    NEAR = 8
    """Where a place is new, the largest of so many known before it is what is usual."""
    FOLLOW = 0.2

    def __init__(self) -> None:
        self._usual: dict[int, float] = {}  # place after the key frame → usual logarithm
        self._strayed: deque[float] = deque(maxlen=self.WINDOW)  # from it, of quiet packets
        self._logs: deque[float] = deque(maxlen=self.WINDOW)
        self._limit = math.inf
        self._unused = 0
        self._recent: deque[bool] = deque(maxlen=self.TOGETHER)

    @property
    def learned(self) -> bool:
        """Whether enough is known to sleep on."""
        return len(self._strayed) >= self.FEWEST

    @property
    def padded(self) -> bool:
        """True where all packets are alike whatever is in them, as a strictly constant bit rate makes them."""
        if not self.learned:
            return False
        logs = sorted(self._logs)
        low, high = logs[len(logs) // 20], logs[-1 - len(logs) // 20]
        return high - low < 0.015 and low >= math.log2(self.PADDED_FROM_BYTES)

    @property
    def suspicious(self) -> bool:
        """True while one of the last packets stood out: the next one may prove it."""
        return True in self._recent

    def learn(self, size: int, place: int) -> None:
        """A packet of so many bytes, so many after its key frame, from a time in which nothing moved."""
        self._learn(math.log2(size + self.IDLE_BYTES), place)

    def _learn(self, log_size: float, place: int) -> None:
        usual = self._usual.get(place)
        self._logs.append(log_size)
        if usual is None:
            self._usual[place] = log_size
            return
        self._usual[place] = usual + self.FOLLOW * (log_size - usual)
        self._strayed.append(log_size - usual)
        self._unused += 1
        if self._unused >= self.RELEARN_EVERY:
            self.settle()

    def stand_out(self, size: int, place: int) -> bool:
        """Whether this packet and its neighbours show motion: two of six above the limit, or one far above.

        One that does not is learned: it was quiet.
        """
        log_size = math.log2(size + self.IDLE_BYTES)
        usual = self._usual.get(place)
        if usual is None:
            usual = self._usual_near(place)
        over = log_size - usual - self._limit
        self._recent.append(over > 0)
        if over > 0 and (over > self.FAR or sum(self._recent) >= 2):
            return True
        self._learn(log_size, place)
        return False

    def _usual_near(self, place: int) -> float:
        """Groups were shorter until now: the largest of the last places that are known."""
        last = min(place, max(self._usual, default=0))
        return max((self._usual.get(near, 0.0) for near in range(last - self.NEAR, last + 1)), default=0.0)

    def forget_recent(self) -> None:
        """What comes next does not follow what came."""
        self._recent.clear()

    def settle(self) -> None:
        """Judge by all that was learned until now; done by itself every RELEARN_EVERY packets."""
        if not self.learned:
            return
        self._unused = 0
        strayed = sorted(self._strayed)
        n = len(strayed)
        spread = (strayed[3 * n // 4] - strayed[n // 4]) / 1.349  # as the standard deviation of a normal distribution
        # Whatever is rare and large but quiet (a periodic refresh that moves from place to place) is part of the quiet.
        self._limit = max(strayed[n // 2] + max(4.0 * spread, 0.25), strayed[-1 - n // 50] + 0.15)
