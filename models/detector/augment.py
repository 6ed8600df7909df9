"""From album pages to training canvases: mosaics, moves, pasted people, double exposures, what cameras and links do.

Mosaic after Bochkovskiy et al., YOLOv4, 2020; pasted objects after Ghiasi et al., Simple Copy-Paste, CVPR 2021, with
feathered boxes in place of masks, which nobody has for these pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.detector.album import Known, Page
from models.detector.network import LABELS

PAD = 114
_LEFT_SHARE = 0.35
"""Of an object's box, how much must be left after a cut to be asked for."""
_SMALLEST_PX = (3.0, 6.0)
_CELL_PX = 8


@dataclass
class Canvas:
    """A training canvas in the making: uint8 (H, W, 3) RGB, what is known of it, and per 8-pixel cell what is not.

    unknown bool (H/8, W/8, K): classes that nobody labelled there; taught bool (H/8, W/8): the teacher knows such
    pictures.
    """

    image: NDArray[np.uint8]
    known: Known
    unknown: NDArray[np.bool_]
    taught: NDArray[np.bool_]


def blank(canvas_wh: tuple[int, int]) -> Canvas:
    """Nothing but padding."""
    w, h = canvas_wh
    cells = (h // _CELL_PX, w // _CELL_PX)
    return Canvas(
        np.full((h, w, 3), PAD, np.uint8),
        nothing(),
        np.zeros((*cells, len(LABELS)), np.bool_),
        np.ones(cells, np.bool_),
    )


def nothing() -> Known:
    """No objects."""
    return Known(
        np.zeros((0, 4), np.float32),
        np.zeros(0, np.int64),
        np.zeros(0, np.float32),
        np.zeros(0, np.bool_),
        np.zeros(0, np.bool_),
    )


def single(page: Page, canvas_wh: tuple[int, int], rng: np.random.Generator, calm: bool) -> Canvas:
    """One page, as the service would lay it out where calm, else zoomed, turned and stretched a little."""
    canvas = blank(canvas_wh)
    w, h = canvas_wh
    ph, pw = page.image.shape[:2]
    fit = min(w / pw, h / ph)
    zoom = fit * (rng.uniform(0.9, 1.1) if calm else float(np.exp(rng.uniform(np.log(0.6), np.log(1.9)))))
    stretch = float(np.exp(rng.uniform(-0.05, 0.05) if calm else rng.uniform(-0.18, 0.18)))
    turn = 0.0 if calm or rng.random() < 0.6 else float(rng.uniform(-5, 5))
    sx, sy = zoom * stretch, zoom / stretch
    # Where the page is larger than the canvas, any part of it; where smaller, anywhere (nearly centred where calm).
    room_x, room_y = w - pw * sx, h - ph * sy
    at = (0.5 + rng.uniform(-0.1, 0.1, 2)) if calm else rng.uniform(0, 1, 2)
    _lay(canvas, page, (sx, sy), (room_x * at[0], room_y * at[1]), turn, (0, 0, w, h), rng)
    return canvas


def mosaic(pages: list[Page], canvas_wh: tuple[int, int], rng: np.random.Generator) -> Canvas:
    """Four pages around a random middle, each cut to its quarter."""
    canvas = blank(canvas_wh)
    w, h = canvas_wh
    mx = int(rng.uniform(0.3, 0.7) * w) // _CELL_PX * _CELL_PX
    my = int(rng.uniform(0.3, 0.7) * h) // _CELL_PX * _CELL_PX
    for page, (x0, y0, x1, y1) in zip(
        pages, ((0, 0, mx, my), (mx, 0, w, my), (0, my, mx, h), (mx, my, w, h)), strict=True
    ):
        ph, pw = page.image.shape[:2]
        cover = max((x1 - x0) / pw, (y1 - y0) / ph)
        zoom = cover * float(np.exp(rng.uniform(np.log(1.0), np.log(2.2))))
        stretch = float(np.exp(rng.uniform(-0.15, 0.15)))
        sx, sy = zoom * max(1.0, stretch), zoom * max(1.0, 1 / stretch)
        room = (x1 - x0 - pw * sx, y1 - y0 - ph * sy)
        at = rng.uniform(0, 1, 2)
        _lay(canvas, page, (sx, sy), (x0 + room[0] * at[0], y0 + room[1] * at[1]), 0.0, (x0, y0, x1, y1), rng)
    return canvas


def _lay(
    canvas: Canvas,
    page: Page,
    scale: tuple[float, float],
    offset: tuple[float, float],
    turn_deg: float,
    window: tuple[int, int, int, int],
    rng: np.random.Generator,
) -> None:
    """Warp a page into a window of the canvas, objects along with it."""
    x0, y0, x1, y1 = window
    image, known = page.image, page.known
    ph, pw = image.shape[:2]
    boxes = known.boxes
    if rng.random() < 0.5:
        image = image[:, ::-1]
        boxes = np.stack([pw - boxes[:, 2], boxes[:, 1], pw - boxes[:, 0], boxes[:, 3]], 1)
    turn = np.deg2rad(turn_deg)
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * np.array(scale)
    middle = np.array([pw, ph]) / 2
    shift = np.array(offset) + middle * np.array(scale) - linear @ middle
    # A warp maps pixel centres, boxes are edges: half a pixel of the old grid is half a scaled pixel of the new.
    pixel = np.hstack([linear, (shift + linear @ [0.5, 0.5] - 0.5 - [x0, y0])[:, None]])
    image = np.ascontiguousarray(image)
    shrink = min(scale)
    if shrink < 0.6:
        # Bilinear sampling alone would alias; the mean over whole pixels first, as a camera's scaler does.
        f = max(1, round(1 / shrink) - (0 if rng.random() < 0.7 else 1))
        if f > 1:
            small = cv2.resize(image, (max(1, pw // f), max(1, ph // f)), interpolation=cv2.INTER_AREA)
            fx, fy = pw / small.shape[1], ph / small.shape[0]
            pixel = pixel @ np.array([[fx, 0, (fx - 1) / 2], [0, fy, (fy - 1) / 2], [0, 0, 1]])
            image = small
    how = cv2.INTER_LINEAR if rng.random() < 0.8 else cv2.INTER_CUBIC
    canvas.image[y0:y1, x0:x1] = cv2.warpAffine(
        image, pixel.astype(np.float32), (x1 - x0, y1 - y0), flags=how, borderValue=(PAD,) * 3
    )
    corners = boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]].astype(np.float64) @ linear.T + shift
    low, high = corners.min(1), corners.max(1)
    if turn_deg:
        # The box around a turned box is too large: people are not rectangles. Give half of the excess back.
        grown = (high - low) - (boxes[:, 2:] - boxes[:, :2]) * np.array(scale)
        low, high = low + grown / 4, high - grown / 4
    whole = np.hstack([low, high])
    cut = np.clip(whole, [x0, y0, x0, y0], [x1, y1, x1, y1])
    size, full = cut[:, 2:] - cut[:, :2], (whole[:, 2:] - whole[:, :2]).prod(1)
    left = size.prod(1) / np.maximum(full, 1e-6)
    there = (size > 1.0).all(1) & (left > 0.03)
    faint = (left < _LEFT_SHARE) | (size < _SMALLEST_PX).any(1)
    canvas.known = _joined(
        canvas.known,
        Known(
            cut[there].astype(np.float32),
            known.class_ids[there],
            known.weights[there],
            (known.ignored | faint)[there],
            known.any_class[there],
        ),
    )
    rows, cols = slice(y0 // _CELL_PX, y1 // _CELL_PX), slice(x0 // _CELL_PX, x1 // _CELL_PX)
    canvas.taught[rows, cols] = page.of_set.taught
    canvas.unknown[rows, cols] = [label in page.of_set.unknown for label in LABELS]


def _joined(a: Known, b: Known) -> Known:
    return Known(
        np.concatenate([a.boxes, b.boxes]),
        np.concatenate([a.class_ids, b.class_ids]),
        np.concatenate([a.weights, b.weights]),
        np.concatenate([a.ignored, b.ignored]),
        np.concatenate([a.any_class, b.any_class]),
    )


def paste(canvas: Canvas, page: Page, rng: np.random.Generator) -> None:
    """Put one sure object of a page somewhere free on the canvas, softly edged."""
    known = page.known
    wh = known.boxes[:, 2:] - known.boxes[:, :2]
    good = np.flatnonzero((known.weights >= 0.8) & ~known.ignored & (wh[:, 1] >= 24) & (wh[:, 0] >= 10))
    if not len(good):
        return
    n = int(rng.choice(good))
    x0, y0, x1, y1 = np.round(known.boxes[n]).astype(int)
    crop = page.image[max(0, y0) : y1, max(0, x0) : x1]
    h, w = canvas.image.shape[:2]
    tall = float(np.exp(rng.uniform(np.log(18), np.log(min(200.0, 0.7 * h)))))
    scale = tall / crop.shape[0]
    pw, ph = max(4, round(crop.shape[1] * scale)), max(4, round(tall))
    if pw >= w or ph >= h or scale > 2.5:
        return
    px, py = int(rng.integers(0, w - pw)), int(rng.integers(0, h - ph))
    box = np.array([px, py, px + pw, py + ph], np.float32)
    low, high = np.maximum(box[:2], canvas.known.boxes[:, :2]), np.minimum(box[2:], canvas.known.boxes[:, 2:])
    covered = np.clip(high - low, 0, None).prod(1)
    areas = (canvas.known.boxes[:, 2:] - canvas.known.boxes[:, :2]).prod(1)
    if (covered > 0.3 * np.minimum(areas, pw * ph)).any():
        return
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    patch = cv2.resize(crop, (pw, ph), interpolation=how)
    if rng.random() < 0.5:
        patch = patch[:, ::-1]
    edge = max(1, round(0.08 * min(pw, ph)))
    soft = np.zeros((ph + 2 * edge, pw + 2 * edge), np.float32)
    soft[2 * edge : -2 * edge, 2 * edge : -2 * edge] = 1.0
    soft = cv2.blur(soft, (2 * edge + 1, 2 * edge + 1))[edge:-edge, edge:-edge, None]
    under = canvas.image[py : py + ph, px : px + pw]
    canvas.image[py : py + ph, px : px + pw] = (under * (1 - soft) + patch * soft).astype(np.uint8)
    one = np.ones(1)
    canvas.known = _joined(
        canvas.known,
        Known(
            box[None], known.class_ids[n : n + 1], one.astype(np.float32), ~one.astype(np.bool_), ~one.astype(np.bool_)
        ),
    )


def blend(a: Canvas, b: Canvas, share: float) -> Canvas:
    """One canvas seen through the other (mixup, Zhang et al., ICLR 2018), a's share of it given; all objects count."""
    return Canvas(
        cv2.addWeighted(a.image, share, b.image, 1 - share, 0).astype(np.uint8, copy=False),
        _joined(a.known, b.known),
        a.unknown | b.unknown,
        a.taught & b.taught,
    )


def wear(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Exposure, colour cast, night, softness, noise and block artefacts."""
    if rng.random() < 0.8:
        gains, lift = rng.uniform(0.75, 1.25) * rng.uniform(0.9, 1.1, 3), rng.uniform(-25, 25)
        gamma = float(np.exp(rng.uniform(-0.35, 0.35)))
        if rng.random() < 0.1:  # night: dark and noisy
            gains, lift, gamma = gains * rng.uniform(0.35, 0.7), 0.0, gamma * 1.1
        ramp = 255 * (np.arange(256) / 255) ** gamma
        table = np.clip(ramp[:, None] * gains + lift, 0, 255).astype(np.uint8)
        image = cv2.LUT(image, np.ascontiguousarray(table[None]))
    if rng.random() < 0.12:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    elif rng.random() < 0.3:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        colour = rng.uniform(0.3, 1.5)
        image = cv2.addWeighted(image, colour, grey, 1 - colour, 0)
    chance = rng.random()
    if chance < 0.15:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.2))
    elif chance < 0.22:
        image = _dragged(image, int(rng.integers(3, 8)), rng.random() < 0.8)
    elif chance < 0.32:
        image = cv2.addWeighted(image, 1.6, cv2.GaussianBlur(image, (0, 0), 1.2), -0.6, 0)
    if rng.random() < 0.25:
        cv2.setRNGSeed(int(rng.integers(2**31)))  # OpenCV's generator is one for the whole process
        grain = cv2.randn(np.empty(image.shape, np.int16), 0, float(rng.uniform(2, 14)))
        image = cv2.add(image, grain, dtype=cv2.CV_8U)
    if rng.random() < 0.35:
        quality = int(rng.integers(18, 85))
        packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return image.astype(np.uint8, copy=False)


def _dragged(image: NDArray[np.uint8], length: int, sideways: bool) -> NDArray[np.uint8]:
    """Motion blur."""
    kernel = np.zeros((length, length), np.float32)
    if sideways:
        kernel[length // 2] = 1 / length
    else:
        kernel[:, length // 2] = 1 / length
    return cv2.filter2D(image, -1, kernel).astype(np.uint8, copy=False)
