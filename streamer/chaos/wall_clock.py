"""A clock on the wall that jumps: `python -m streamer.chaos.wall_clock FILE run CONFIG …` is `streamer run CONFIG …`.

Nobody may set the machine's clock for a drill, and Linux has no namespace for this one. The service takes all its times
from streamer.clock, so another `now` there is what a jump of the machine's clock is to it. The file holds by how many
seconds it is ahead, and may be written at any time. Processes that the service starts keep the true time.
"""

from __future__ import annotations

import mmap
import runpy
import struct
import sys
import time
from pathlib import Path

from streamer.clock import SystemClock

_AHEAD = struct.Struct("<d")


class WallClock:
    """By how far it is wrong, in a file that the service reads."""

    def __init__(self, path: Path) -> None:
        self.path, self.ahead_s = path, 0.0
        self.set(0.0)

    def set(self, ahead_s: float) -> None:
        """It is so many seconds ahead from now on."""
        with self.path.open("r+b" if self.path.exists() else "w+b") as file:
            file.write(_AHEAD.pack(ahead_s))
        self.ahead_s = ahead_s


def main() -> None:
    """The streamer command under a clock of ours."""
    with Path(sys.argv[1]).open("rb") as file:
        ahead = mmap.mmap(file.fileno(), _AHEAD.size, access=mmap.ACCESS_READ)

    def now() -> float:
        return time.time() + float(_AHEAD.unpack_from(ahead)[0])

    setattr(SystemClock, "now", staticmethod(now))  # noqa: B010 - on purpose: a command makes its clock itself
    sys.argv = ["streamer", *sys.argv[2:]]
    runpy.run_module("streamer", run_name="__main__")


if __name__ == "__main__":
    main()
