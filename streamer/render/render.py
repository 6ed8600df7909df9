"""A film drawn over its own recording, frame by frame at the recording's full rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.alerts.drawing import Points
from streamer.expectations.seen import VideoTimes
from streamer.render.artist import draw_scene
from streamer.render.encoder import VideoWriter, even
from streamer.render.film import Film
from streamer.render.panel import Judged, Panel
from streamer.render.scene import Scenes
from streamer.types import Frame

MOST_HEIGHT_PX = 1080
LEAST_HEIGHT_PX = 480


def render(
    frames: Iterable[Frame],
    film: Film,
    out: Path,
    *,
    title: str,
    places: Mapping[str, tuple[Points, bool]],
    judged: Judged,
    advance: Callable[[float], None] = lambda _media_s: None,
) -> int:
    """Draw every frame of the recording that the film is of and write the video; returns how many there were.

    frames: all of them, not only those that were analysed. Small pictures are drawn at twice their size or more, so
    that letters can be read. Raises FootageError where it cannot be written.
    """
    scenes, times = Scenes(film), VideoTimes()
    panel: Panel | None = None
    size_wh = (0, 0)
    with VideoWriter(out) as video:
        for frame in frames:
            at_s = times.see(frame.session, frame.media_s)
            if panel is None:
                size_wh = drawn_size(frame.source_wh)
                panel = Panel(size_wh, title, film.length_s, film.stories, judged)
            rgb = _fitted(frame.picture.rgb(), size_wh)
            scene = scenes.at(at_s)
            draw_scene(rgb, scene, places)
            video.add(even(np.concatenate([rgb, panel.draw(scene)])), at_s)
            advance(frame.media_s)
    return video.frames


def drawn_size(source_wh: tuple[int, int]) -> tuple[int, int]:
    """Width and height at which a picture is drawn."""
    width, height = source_wh
    scale = 1.0
    if height > MOST_HEIGHT_PX:
        scale = MOST_HEIGHT_PX / height
    elif height < LEAST_HEIGHT_PX:
        scale = float(-(-LEAST_HEIGHT_PX // height))
    return max(2, round(width * scale)), max(2, round(height * scale))


def _fitted(rgb: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """A copy of the picture in this size: the decoder's own is not drawn into."""
    if (rgb.shape[1], rgb.shape[0]) == size_wh:
        return np.array(rgb, np.uint8, order="C")
    smaller = rgb.shape[0] > size_wh[1]
    fitted = cv2.resize(rgb, size_wh, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
    return np.ascontiguousarray(fitted, np.uint8)
