"""Draws a scene into a picture: zones and lines, who is where and how, and what an alert is about."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.alerts.drawing import COLOURS, OTHERS, Points, Rgb, box_corners, pixel_of
from streamer.render.scene import Figure, Notice, Scene
from streamer.render.tags import Tag, draw_tags
from streamer.types import SEVERITIES

_GOLDEN = 0.61803398875  # neighbours among ids get colours far from each other
_WASH = 0.12
_FRESH_S = 1.0
"""So long an alert's own box is drawn where its track is out of sight: longer, and it would frame an empty place."""


def draw_scene(rgb: NDArray[np.uint8], scene: Scene, places: Mapping[str, tuple[Points, bool]]) -> None:
    """Draw everything in place: uint8 (H, W, 3), RGB, contiguous.

    places: zone or line → its normalised points, and whether they close.
    """
    thick = max(1, round(rgb.shape[0] / 480))
    notices = sorted(scene.notices, key=_weight)
    alarmed = {notice.story.place: notice for notice in notices if notice.story.place}
    about = {track_id: notice for notice in notices for track_id in notice.said.track_ids}
    of_places = [
        _place(rgb, name, points, closed, alarmed.get(name), thick) for name, (points, closed) in places.items()
    ]
    figures = sorted(scene.figures, key=lambda each: each.track_id in about)  # those it is about lie on top
    of_figures = [_figure(rgb, figure, about.get(figure.track_id), thick) for figure in figures]
    shown = {figure.track_id for figure in figures}
    for notice in notices:
        stale = notice.said.track_ids and scene.at_s - notice.said.at_s > _FRESH_S
        if notice.said.box is not None and not stale and not shown & set(notice.said.track_ids):
            corners = box_corners(notice.said.box, rgb)
            cv2.rectangle(rgb, *corners, COLOURS[notice.story.severity], thick + 1, cv2.LINE_AA)
    draw_tags(rgb, [*reversed(of_figures), *of_places])


def _weight(notice: Notice) -> tuple[int, int]:
    """The last is drawn over the others: the worse, and of two that are as bad the one about fewer."""
    return SEVERITIES.index(notice.story.severity), -len(notice.said.track_ids)


def _place(rgb: NDArray[np.uint8], name: str, points: Points, closed: bool, notice: Notice | None, thick: int) -> Tag:
    corners = np.array([pixel_of(point, rgb) for point in points], np.int32)
    colour = COLOURS[notice.story.severity] if notice else OTHERS
    if notice and closed:
        left, top, width, height = cv2.boundingRect(corners)
        part = rgb[top : top + height, left : left + width]
        washed = part.copy()
        cv2.fillPoly(washed, [corners - (left, top)], colour)
        cv2.addWeighted(washed, _WASH, part, 1 - _WASH, 0, dst=part)
    cv2.polylines(rgb, [corners], closed, colour, thick + 1 if notice or not closed else thick, cv2.LINE_AA)
    x, y = (int(each) for each in corners[np.argmin(corners[:, 1])])
    return Tag((name,), (x, y, x, y), colour)


def _figure(rgb: NDArray[np.uint8], figure: Figure, notice: Notice | None, thick: int) -> Tag:
    colour = COLOURS[notice.story.severity] if notice else colour_of(figure.track_id)
    trail = np.array([pixel_of(point, rgb) for point in figure.trail], np.int32)
    cv2.polylines(rgb, [trail], False, colour, thick, cv2.LINE_AA)
    top_left, bottom_right = box_corners(figure.box, rgb)
    cv2.rectangle(rgb, top_left, bottom_right, colour, thick + (2 if notice else 0), cv2.LINE_AA)
    texts: tuple[str, ...] = (figure.words, str(figure.track_id))
    if notice and len(notice.said.track_ids) == 1:  # of a crowd the zone tells enough
        texts = (f"{figure.words}: {notice.story.kind.replace('_', ' ')}", *texts)
    return Tag(texts, (*top_left, *bottom_right), colour)


def colour_of(track_id: int) -> Rgb:
    """A track's own colour, light enough for dark letters; never the red and amber of alerts."""
    hue = 0.24 + 0.6 * (track_id * _GOLDEN % 1.0)
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.55, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)
