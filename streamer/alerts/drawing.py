"""What is drawn on an alert's picture: where, what, and why, readable from 360p to 4K.

Sizes follow the picture's height, so that a line is as thick and a letter as tall on a wall of monitors whatever the
camera sends.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.types import Severity

Rgb = tuple[int, int, int]
Box = tuple[float, float, float, float]
Points = Sequence[tuple[float, float]]

COLOURS: dict[Severity, Rgb] = {"info": (64, 160, 255), "warning": (255, 170, 0), "critical": (255, 48, 48)}
OTHERS: Rgb = (200, 200, 200)
INK: Rgb = (255, 255, 255)
PAPER: Rgb = (16, 16, 16)
FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_alert(
    rgb: NDArray[np.uint8],
    *,
    severity: Severity,
    label: str,
    lines: Sequence[str],
    box: Box | None = None,
    others: Sequence[Box] = (),
    outline: Points = (),
    closed_outline: bool = True,
) -> None:
    """Draw an alert on a picture, in place: uint8 (H, W, 3), RGB, contiguous. Boxes and outline are normalised.

    outline: the zone (or with closed_outline=False the line) that it is about; others: further boxes, drawn thinly;
    lines: what is written below the picture's content, wrapped to its width.
    """
    height = rgb.shape[0]
    colour, thick = COLOURS[severity], max(1, round(height / 360))
    if outline:
        corners = np.array([pixel_of(point, rgb) for point in outline], np.int32)
        cv2.polylines(rgb, [corners], closed_outline, colour, thick, cv2.LINE_AA)
    for other in others:
        cv2.rectangle(rgb, *box_corners(other, rgb), OTHERS, max(1, thick // 2))
    scale = max(0.4, height / 1100)
    if box is not None:
        top_left, bottom_right = box_corners(box, rgb)
        cv2.rectangle(rgb, top_left, bottom_right, colour, thick + 1)
        draw_tag(rgb, label, top_left, bottom_right, colour, scale, thick)
    _caption(rgb, lines, scale, thick)


def with_strip(rgb: NDArray[np.uint8], strip: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """The picture with small ones in a row below it, oldest on the left; the picture itself where there are none."""
    if not strip:
        return rgb
    width = rgb.shape[1]
    slot_w, slot_h = width // len(strip), max(24, round(width / len(strip) * 0.75))
    row = np.zeros((slot_h, width, 3), np.uint8)
    for n, small in enumerate(strip):
        scale = min((slot_w - 2) / small.shape[1], (slot_h - 2) / small.shape[0])
        size = max(1, round(small.shape[1] * scale)), max(1, round(small.shape[0] * scale))
        fitted = cv2.resize(small, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        x, y = n * slot_w + (slot_w - size[0]) // 2, (slot_h - size[1]) // 2
        row[y : y + size[1], x : x + size[0]] = fitted
    return np.concatenate([rgb, row])


def draw_tag(
    rgb: NDArray[np.uint8],
    label: str,
    top_left: tuple[int, int],
    bottom_right: tuple[int, int],
    colour: Rgb,
    scale: float,
    thick: int,
) -> None:
    """The label on its own ground above the box, or inside it where there is no room above."""
    (width, tall), x = tag_size(label, scale, thick), top_left[0]
    y = top_left[1] - tall if top_left[1] >= tall else min(top_left[1], bottom_right[1])
    x = max(0, min(x, rgb.shape[1] - width))
    cv2.rectangle(rgb, (x, y), (x + width, y + tall), colour, cv2.FILLED)
    ink = PAPER if sum(colour) > 380 else INK
    (_, height), _ = cv2.getTextSize(as_ascii(label), FONT, scale, thick)
    cv2.putText(rgb, as_ascii(label), (x + thick, y + height + thick), FONT, scale, ink, thick, cv2.LINE_AA)


def tag_size(label: str, scale: float, thick: int) -> tuple[int, int]:
    """Width and height in pixels of what draw_tag draws."""
    (width, height), base = cv2.getTextSize(as_ascii(label), FONT, scale, thick)
    return width + 2 * thick, height + base + 2 * thick


def _caption(rgb: NDArray[np.uint8], lines: Sequence[str], scale: float, thick: int) -> None:
    """Text on a darkened band at the bottom; never more than a third of the picture."""
    height, width = rgb.shape[:2]
    (_, text_height), base = cv2.getTextSize("Ag", FONT, scale, thick)
    step, margin = round((text_height + base) * 1.25), 2 * thick + 2
    wrapped = [part for line in lines for part in _wrap(as_ascii(line), width - 2 * margin, scale, thick)]
    wrapped = wrapped[: max(1, height // 3 // step)]
    if not wrapped:
        return
    top = height - step * len(wrapped) - 2 * margin
    band = rgb[top:]
    band[...] = band // 4
    for number, text in enumerate(wrapped, 1):
        y = top + margin + step * number - base
        cv2.putText(rgb, text, (margin, y), FONT, scale, INK, thick, cv2.LINE_AA)


def _wrap(text: str, width_px: int, scale: float, thick: int) -> list[str]:
    rows: list[str] = []
    for word in text.split():
        longer = f"{rows[-1]} {word}" if rows else word
        if rows and cv2.getTextSize(longer, FONT, scale, thick)[0][0] <= width_px:
            rows[-1] = longer
        else:
            rows.append(word)
    return rows


def as_ascii(text: str) -> str:
    """The drawing font knows ASCII only: accents fall off, what has no likeness becomes '?'."""
    text = text.translate({ord("×"): "x", ord("–"): "-", ord("−"): "-", ord("°"): " deg", ord("ß"): "ss"})
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return text.encode("ascii", "replace").decode()


def pixel_of(point: tuple[float, float], rgb: NDArray[np.uint8]) -> tuple[int, int]:
    """The pixel at a normalised point, the nearest in the picture."""
    height, width = rgb.shape[:2]
    return min(width - 1, max(0, round(point[0] * width))), min(height - 1, max(0, round(point[1] * height)))


def box_corners(box: Box, rgb: NDArray[np.uint8]) -> tuple[tuple[int, int], tuple[int, int]]:
    """The pixels at a normalised box's top left and bottom right."""
    return pixel_of(box[:2], rgb), pixel_of(box[2:], rgb)
