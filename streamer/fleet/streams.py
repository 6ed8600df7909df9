"""What cameras really send: measured where they are watched, believed by placement only where it makes a difference.

A configuration does not say what a stream is like, so a camera counts as full HD with 25 pictures a second until its
node has measured it. What is measured differs a little each time, and must move nobody: placement believes what it
knows until a stream takes half as much work again, or two thirds of it, and looks at that once a minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streamer.ledger import CameraState, Link

Stream = tuple[int, int, float]
"""Width, height in pixels and pictures a second."""

MEASURED_OVER_S = 20.0
"""Packets of a camera that sleeps are counted key frame by key frame: of less time than this its rate says little."""
BELIEVES_EVERY_S = 60.0
_DIFFERS = 1.5


@dataclass(frozen=True, slots=True)
class _Begun:
    at_s: float
    received: int
    since_s: float  # of the connection


class StreamMeter:
    """Of one node. One thread."""

    def __init__(self) -> None:
        self._begun: dict[str, _Begun] = {}
        self._found: dict[str, Stream] = {}

    def look(self, cameras: Mapping[str, tuple[CameraState, int]], now_s: float) -> Mapping[str, Stream]:
        """camera → how its link is, and how many frames it has sent so far; what is known of each by now."""
        self._found = {name: stream for name, stream in self._found.items() if name in cameras}
        self._begun = {name: begun for name, begun in self._begun.items() if name in cameras}
        for name, (state, received) in cameras.items():
            begun = self._begun.get(name)
            if state.link is not Link.ONLINE or state.source_wh is None:
                self._begun.pop(name, None)
            elif begun is None or begun.since_s != state.since_s:
                self._begun[name] = _Begun(now_s, received, state.since_s)
            elif now_s - begun.at_s >= MEASURED_OVER_S:
                fps = (received - begun.received) / (now_s - begun.at_s)
                self._found[name] = (*state.source_wh, round(fps, 1))
                self._begun[name] = _Begun(now_s, received, state.since_s)
        return dict(self._found)


def believed(before: Mapping[str, Stream], told: Mapping[str, Stream]) -> dict[str, Stream]:
    """What placement goes by from now on: what it went by, but where what is told is of another order."""
    now = dict(before)
    for camera, stream in told.items():
        if camera not in now or not 1 / _DIFFERS <= _work(stream) / max(_work(now[camera]), 1.0) <= _DIFFERS:
            now[camera] = stream
    return now


def _work(stream: Stream) -> float:
    width, height, fps = stream
    return width * height * fps
