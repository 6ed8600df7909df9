"""Which waiting frames can still be in time, and which are given up so that the others are.

Earliest deadline first serves everything in time where that is possible at all. Where it is not, the fewest frames are
late when, each time a deadline cannot be kept, one of those up to it is given up (Moore, "An n job, one machine
sequencing algorithm for minimizing the number of late jobs", Management Science 15, 1968). All frames cost the same
here, so which one is free to choose: fairness chooses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from streamer.scheduling.shares import FairShares


class Waiting(NamedTuple):
    """One frame that waits: of which camera, and by which monotonic time its analysis should be through."""

    due_s: float
    camera: str


def given_up(waiting: Sequence[Waiting], now_s: float, seconds_per_frame: float, shares: FairShares) -> Counter[str]:
    """How many frames of each camera to let go, its oldest first, so that all others can be in time.

    waiting: all frames, those of one camera in order. A camera that has the weakest claim by its share gives first; it
    gives its oldest frame, because of two that cannot both be had the newer one tells more. One frame is always kept:
    whoever serves none never learns that the machine has become faster.
    """
    gone: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    n = 0
    for due_s, camera in sorted(waiting):
        kept[camera] += 1
        n += 1
        if now_s + n * seconds_per_frame > due_s:
            weakest = max(kept, key=lambda name: (shares.tag(name, kept[name]), name))
            gone[weakest] += 1
            kept[weakest] -= 1
            if not kept[weakest]:
                del kept[weakest]
            n -= 1
    if not n and waiting:
        gone[max(waiting).camera] -= 1
    return gone
