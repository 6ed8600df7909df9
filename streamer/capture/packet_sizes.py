"""Motion without decoding: packets that are larger than those of a quiet scene.

A picture that is predicted from others is as large as what the prediction does not explain. PacketGame (Yuan et al.,
SIGCOMM 2023) feeds packet sizes to a net; here they are compared with the running distribution of the same camera's own
quiet packets, because codec, rate control, noise and time of day make every camera another one.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np


class PacketSizes:
    """Learns from packets of which it is known that nothing moved, and tells which later ones stand out.

    Sizes are compared as logarithms to base 2. Pictures that lie ahead of all before them (P) and those that are put in
    between (B) have different sizes and are two distributions.
    """

    WINDOW = 400
    """So many quiet packets of a kind are remembered: some 16 seconds at 25 a second."""
    FEWEST = 16
    """With fewer known nothing can be said."""
    RELEARN_EVERY = 25
    FAR = 1.5
    """2.8 times the limit: one packet is enough."""
    PADDED_FROM_BYTES = 400
    """Packets that are all alike and smaller hold a picture in which nothing changed: no padding."""

    def __init__(self) -> None:
        self._quiet = {True: _Quiet(), False: _Quiet()}
        self._recent: deque[int] = deque(maxlen=3)

    @property
    def learned(self) -> bool:
        """Whether enough is known to sleep on."""
        return len(self._quiet[True].logs) >= self.FEWEST

    @property
    def padded(self) -> bool:
        """True where all packets are alike whatever is in them, as a strictly constant bit rate makes them."""
        return self._quiet[True].even_from(math.log2(self.PADDED_FROM_BYTES))

    def learn(self, size: int, ahead: bool) -> None:
        """A packet of so many bytes, from a time when nothing moved; ahead: its picture is shown after the others."""
        self._quiet[ahead].add(math.log2(max(1, size)))

    def stand_out(self, size: int, ahead: bool) -> bool:
        """Whether this packet and its neighbours show motion: two of three above the limit, or one far above."""
        over = math.log2(max(1, size)) - self._quiet[ahead].limit
        self._recent.append(int(over > 0))
        return over > self.FAR or (over > 0 and sum(self._recent) >= 2)

    def forget_recent(self) -> None:
        """What comes next does not follow what came."""
        self._recent.clear()


class _Quiet:
    """The sizes of quiet packets of one kind, and the limit above which one stands out."""

    def __init__(self) -> None:
        self.logs: deque[float] = deque(maxlen=PacketSizes.WINDOW)
        self.limit = math.inf
        self._unused = 0

    def add(self, log_size: float) -> None:
        self.logs.append(log_size)
        self._unused += 1
        due = self._unused >= PacketSizes.RELEARN_EVERY or (len(self.logs) < 2 * PacketSizes.FEWEST)
        if due and len(self.logs) >= PacketSizes.FEWEST:
            self._unused = 0
            low, middle, high, highest = np.quantile(np.fromiter(self.logs, float), (0.25, 0.5, 0.75, 0.98))
            spread = (high - low) / 1.349  # as the standard deviation of a normal distribution
            # Whatever is rare and large but quiet (a periodic refresh) is part of the quiet.
            self.limit = float(max(middle + max(4.0 * spread, 0.5), highest + 0.25))

    def even_from(self, log_size: float) -> bool:
        if len(self.logs) < PacketSizes.FEWEST:
            return False
        low, high = np.quantile(np.fromiter(self.logs, float), (0.05, 0.95))
        return bool(high - low < 0.015 and low >= log_size)
