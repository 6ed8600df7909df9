"""Make before break: who lets a camera go waits until the next node reads it, who gets it reads it before it may speak.

    old owner   Departures.waiting(): not yet ─▶ … ─▶ let go, hand over with the last frame seen
    new owner   Arrivals.turn(): the lease is another's ─▶ warm it ─▶ … the lease is ours ─▶ go on behind that frame

Neither asks the other anything: shares say who goes where, beats say how far they are. Where the next node does not get
on (it died, the camera refuses a second connection, its configuration says `overlap: false`), the old one lets go all
the same, and it is as without.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from streamer.assembly.changing import Warming, Warmth
from streamer.cluster.state import Beat
from streamer.config import CameraConfig
from streamer.errors import StreamerError, redact

_log = logging.getLogger("streamer.fleet")

WAITS_S = 10.0
"""So long nobody is waited for who does not get on: two connections that fail, or one that is slow."""
AT_ONCE = 4
"""Cameras that are warmed at once: each is decoded twice meanwhile, and holds pictures."""


class Departures:
    """Cameras that go, on the side of who has them; one thread."""

    def __init__(self) -> None:
        self._moved: dict[str, tuple[Mapping[str, str], float]] = {}  # node → how far it was, and since when
        self._since_s: dict[str, float] = {}

    def waiting(self, going: Mapping[str, str], beats: Mapping[str, Beat], now_s: float) -> frozenset[str]:
        """Those that are not to be let go yet. going: camera → the node that is to get it; beats: of these nodes."""
        nodes = set(going.values())
        self._since_s = {camera: self._since_s.get(camera, now_s) for camera in going}
        self._moved = {node: each for node, each in self._moved.items() if node in nodes}
        for node in nodes & beats.keys():
            if node not in self._moved or self._moved[node][0] != beats[node].warmth:
                self._moved[node] = beats[node].warmth, now_s
        return frozenset(camera for camera, node in going.items() if self._is_waited_for(camera, node, beats, now_s))

    def _is_waited_for(self, camera: str, node: str, beats: Mapping[str, Beat], now_s: float) -> bool:
        warmth = beats[node].warmth.get(camera) if node in beats else None
        if warmth in ("warm", "cold"):
            return False
        since_s = self._since_s[camera]
        if node in self._moved:  # others may come before it: their turns are not its time
            since_s = max(since_s, self._moved[node][1])
        if now_s - since_s < WAITS_S:
            return True
        _log.warning(
            "camera %r goes to %s, which does not get on: it is let go before it is read there", camera, node,
            extra={"camera": camera, "event": "let_go_unread"},
        )  # fmt: skip
        return False


class Arrivals:
    """Cameras that come, on the side of who gets them. turn() and close() on one thread, warmth from any."""

    def __init__(self, warming: Warming) -> None:
        self._warming = warming
        self._cold: frozenset[str] = frozenset()

    @property
    def warmth(self) -> dict[str, Warmth]:
        """For the beat."""
        return {**self._warming.warmth(), **dict.fromkeys(self._cold, "cold")}

    def turn(self, refused: Mapping[str, CameraConfig], taken: Iterable[str]) -> None:
        """refused: those that should be here, whose lease is another's still, and that may overlap; taken: those that
        came just now."""
        self._cold &= refused.keys()
        for name, warmth in self._warming.warmth().items():
            if name not in refused and name not in taken:
                self._warming.cool(name)
            elif warmth == "cold" and name in refused:
                _log.warning("camera %r cannot be read beside its owner", name, extra={"camera": name})
                self._give_up(name)
        for name, camera in refused.items():
            if len(self._warming.warmth()) >= AT_ONCE:
                break
            if name not in self._cold and name not in self._warming.warmth():
                self._begin(name, camera)

    def close(self) -> None:
        """None of them is to come any more."""
        self.turn({}, ())

    def _begin(self, name: str, camera: CameraConfig) -> None:
        try:
            self._warming.warm(name, camera)
        except (StreamerError, LookupError, ValueError) as error:
            _log.warning("camera %r: %s", name, redact(str(error)), extra={"camera": name})
            self._give_up(name)
        except Exception:  # noqa: BLE001 - one camera never harms another
            _log.exception("camera %r cannot be read before it comes", name, extra={"camera": name})
            self._give_up(name)
        else:
            _log.info("camera %r is about to come", name, extra={"camera": name, "event": "warming"})

    def _give_up(self, name: str) -> None:
        self._cold |= {name}
        self._warming.cool(name)
