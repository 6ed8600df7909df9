"""Drawn streets as training pictures: random cameras on random streets, and what a bad lens and link do to them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from models.drawn.loss import Targets
from models.drawn.network import CANVAS_WH
from streamer.demo.perspective import Viewpoint
from streamer.demo.script import Ground
from streamer.demo.street import Street
from streamer.demo.views import VIEWS
from streamer.fit import InputFit

FIT = InputFit(CANVAS_WH)
MOST_OBJECTS = 48


@dataclass(frozen=True)
class Album:
    """P pictures on the net's canvas with their truth, padded to MOST_OBJECTS.

    images uint8 (P, H, W, 3) RGB; boxes float32 (P, M, 4) canvas pixels; class_ids int64 (P, M); asked and ignored
    bool (P, M), see loss.Targets.
    """

    images: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    asked: NDArray[np.bool_]
    ignored: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.images)


def random_street(seed: int) -> Street:
    """A street nobody has seen, from a camera somewhere near one of the demo's three, or far from any."""
    chance = random.Random(seed)
    base = chance.choice(list(VIEWS.values()))
    wild = 1.0 if chance.random() < 0.7 else 2.0
    view = Viewpoint(
        x=base.x + chance.uniform(-5, 5) * wild,
        z=base.z + chance.uniform(-2, 2),
        height_m=base.height_m + chance.uniform(-1.2, 1.8) * wild,
        yaw_rad=base.yaw_rad + chance.uniform(-0.16, 0.16) * wild,
        focal_px=base.focal_px * chance.uniform(0.82, 1.25),
        horizon_px=base.horizon_px + chance.uniform(-18, 22),
    )
    gate_x = chance.uniform(-4, 4)
    ground = Ground(
        gate_x, (gate_x - chance.uniform(4, 8), gate_x + chance.uniform(4, 8)), gate_x - chance.uniform(7, 12)
    )
    return Street(view, seed, ground=ground, crowd=chance.uniform(0.7, 1.5))


def draw_album(seeds: range, per_street: int, progress: Callable[[int], None] = lambda _: None) -> Album:
    """per_street pictures of every seed's street at random times, laid into the net's canvas."""
    count = len(seeds) * per_street
    w, h = CANVAS_WH
    album = Album(
        np.full((count, h, w, 3), FIT.pad_value, np.uint8),
        np.zeros((count, MOST_OBJECTS, 4), np.float32),
        np.zeros((count, MOST_OBJECTS), np.int64),
        np.zeros((count, MOST_OBJECTS), np.bool_),
        np.zeros((count, MOST_OBJECTS), np.bool_),
    )
    row = 0
    for seed in seeds:
        street, chance = random_street(seed), random.Random(seed + 1_000_003)
        for _ in range(per_street):
            image, truth = street.frame_and_truth(chance.uniform(0, street.period_s))
            fit = FIT.of((image.shape[1], image.shape[0]))
            (cw, ch), (ox, oy) = fit.content_wh, fit.offset_xy
            how = chance.choice((cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC))
            album.images[row, oy : oy + ch, ox : ox + cw] = cv2.resize(image, (cw, ch), interpolation=how)
            n = min(len(truth.class_ids), MOST_OBJECTS)
            order = np.argsort(-truth.visible)[:n]
            album.boxes[row, :n] = fit.to_canvas(truth.boxes_xyxy[order])
            album.class_ids[row, :n] = truth.class_ids[order]
            album.asked[row, :n] = truth.clear[order]
            album.ignored[row, :n] = ~truth.clear[order]
            row += 1
        progress(per_street)
    return album


def batches(album: Album, size: int, seed: int) -> Iterator[tuple[torch.Tensor, Targets]]:
    """Augmented batches without end, each picture once per round; the same seed gives the same batches."""
    rng = np.random.default_rng(seed)
    while True:
        for rows in np.array_split(rng.permutation(len(album)), max(1, len(album) // size)):
            yield collate([augment(album, int(row), rng) for row in rows])


Example = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]


def collate(examples: list[Example]) -> tuple[torch.Tensor, Targets]:
    """Examples as tensors."""
    images, *truth = (np.stack(part) for part in zip(*examples, strict=True))
    # Padding costs the loss as much as objects do: keep as many columns as the fullest picture needs.
    needed = max(1, int((truth[2] | truth[3]).sum(1).max()))
    return torch.from_numpy(images), Targets(*(torch.from_numpy(part[:, :needed]) for part in truth))


def augment(album: Album, row: int, rng: np.random.Generator) -> Example:
    """One picture, moved, mirrored, dimmed and worn as no drawing is."""
    image, boxes = album.images[row], album.boxes[row]
    asked, ignored = album.asked[row], album.ignored[row]
    image, boxes, gone = _move(image, boxes, rng)
    asked, ignored = asked & ~gone, (ignored | asked) & gone | ignored
    if rng.random() < 0.5:
        image = image[:, ::-1]
        boxes = boxes.copy()
        boxes[:, [0, 2]] = CANVAS_WH[0] - boxes[:, [2, 0]]
    return wear(np.ascontiguousarray(image), rng), boxes, album.class_ids[row], asked, ignored


def _move(
    image: NDArray[np.uint8], boxes: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]:
    if rng.random() < 0.4:
        return image, boxes, np.zeros(len(boxes), np.bool_)
    w, h = CANVAS_WH
    zoom = rng.uniform(0.9, 1.35)
    x, y = (1 - zoom) * w * rng.uniform(0, 1), (1 - zoom) * h * rng.uniform(0, 1)
    matrix = np.array([[zoom, 0, x], [0, zoom, y]], np.float32)
    # A warp maps pixel centres, boxes are edges: half a pixel of the old grid is half a zoomed pixel of the new.
    pixel_matrix = matrix + np.array([[0, 0, (zoom - 1) / 2], [0, 0, (zoom - 1) / 2]], np.float32)
    pad = (FIT.pad_value,) * 3
    moved = cv2.warpAffine(image, pixel_matrix, (w, h), flags=cv2.INTER_LINEAR, borderValue=pad)
    whole = boxes * zoom + np.array([x, y, x, y], np.float32)
    clipped = np.clip(whole, 0, np.array([w, h, w, h], np.float32))
    area, left = (whole[:, 2:] - whole[:, :2]).prod(1), (clipped[:, 2:] - clipped[:, :2]).prod(1)
    return moved, clipped, (left < 0.4 * area) | (clipped[:, 3] - clipped[:, 1] < 6.0)


def wear(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Exposure, colour cast, softness, noise and block artefacts of cheap cameras and thin links."""
    gains, lift = rng.uniform(0.8, 1.2) * rng.uniform(0.92, 1.08, 3), rng.uniform(-18, 18)
    ramp = np.clip(np.arange(256)[:, None] * gains + lift, 0, 255).astype(np.uint8)
    image = cv2.LUT(image, np.ascontiguousarray(ramp[None]))
    if rng.random() < 0.08:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if rng.random() < 0.35:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.9))
    if rng.random() < 0.3:
        noise = rng.integers(0, int(rng.integers(4, 18)), image.shape, np.uint8)
        image = cv2.add(image, noise) if rng.random() < 0.5 else cv2.subtract(image, noise)
    if rng.random() < 0.5:
        quality = int(rng.integers(30, 92))
        packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return image.astype(np.uint8, copy=False)
