"""A film drawn over its own recording, frame by frame at the recording's full rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from streamer.alerts.drawing import Points
from streamer.expectations.seen import VideoTimes
from streamer.privacy.publishable import Rgb, veiled
from streamer.privacy.video import VideoWriter
from streamer.render.artist import draw_scene
from streamer.render.film import Film
from streamer.render.panel import Judged, Panel
from streamer.render.scene import Scene, Scenes
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
            scene, below = scenes.at(at_s), panel.draw(scenes.at(at_s))

            def draw(rgb: Rgb, scene: Scene = scene, below: Rgb = below) -> Rgb:
                draw_scene(rgb, scene, places)
                return np.concatenate([rgb, below])

            shown = veiled(frame.picture, film.veils.at(at_s)).resized(size_wh)
            video.add(shown.drawn(draw), at_s)
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
