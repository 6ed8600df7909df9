"""The newest analysed picture of every camera, and as JPEG for those who watch.

Analysis hands over every result; what that costs it is one copy of the small picture. Nothing is encoded before
somebody asks, and once for all who ask for the same.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass
from typing import Any

from streamer.privacy.jpeg import jpeg
from streamer.privacy.publishable import Publishable, publishable, small_publishable
from streamer.types import Detections, FrameResult, Picture, Tracks
from streamer.wire import watched_body

_QUALITY = 80
_LARGE_WANTED_S = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What a camera saw last. number rises over all cameras; image: a copy of our own.

    picture: the full-size one, only while somebody wants it larger than image: it may hold memory of a decoder.
    """

    number: int
    camera: str
    session: str
    index: int
    media_s: float
    captured_at: float
    received_s: float
    source_wh: tuple[int, int]
    image: Publishable
    picture: Picture | None
    detections: Detections
    tracks: Tracks

    def body(self) -> dict[str, Any]:
        """The frame message (streamer.frame/1) of it."""
        return watched_body(self)


class Pictures:
    """Written by whoever publishes results, read by those who show them; from any thread."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._newest: dict[str, Sight] = {}
        self._large_until_s: dict[str, float] = {}
        self._lock = threading.Lock()
        self._encoded: dict[tuple[str, int], tuple[int, bytes]] = {}

    def seen(self, result: FrameResult) -> None:
        """The newest result of a camera."""
        f = result.frame
        large = f.received_s < self._large_until_s.get(f.camera, 0.0)
        self._newest[f.camera] = Sight(
            *(next(self._numbers), f.camera, f.session, f.index, f.media_s, f.captured_at, f.received_s, f.source_wh),
            # A copy: the frame's own pixels are memory that capture wants back.
            small_publishable(f).drawn(lambda _: None),
            f.picture if large else None,
            result.detections,
            result.tracks,
        )

    def newest(self, camera: str) -> Sight | None:
        """What the camera saw last; None before its first analysed frame."""
        return self._newest.get(camera)

    def forget(self, camera: str) -> None:
        """The camera is gone."""
        self._newest.pop(camera, None)
        self._large_until_s.pop(camera, None)
        with self._lock:
            self._encoded = {key: each for key, each in self._encoded.items() if key[0] != camera}

    def want_large(self, camera: str, now_s: float) -> None:
        """Somebody watches it in large: keep full-size pictures for a few seconds from monotonic now_s on."""
        self._large_until_s[camera] = now_s + _LARGE_WANTED_S

    def jpeg(self, sight: Sight, width: int) -> bytes:
        """A JPEG of at most so many pixels in width, as sharp as there is a picture for. Takes milliseconds."""
        key = sight.camera, width
        with self._lock:
            known = self._encoded.get(key)
        if known is not None and known[0] == sight.number:
            return known[1]
        encoded = jpeg(_sized(sight, width), _QUALITY)
        with self._lock:
            self._encoded[key] = sight.number, encoded
        return encoded


def _sized(sight: Sight, width: int) -> Publishable:
    image = sight.image
    if width > image.size_wh[0] and sight.picture is not None:
        image = publishable(sight.picture)
    width = min(width, image.size_wh[0])
    source_w, source_h = sight.source_wh
    height = max(1, round(width * source_h / max(1, source_w)))
    return image.resized((width, height))
