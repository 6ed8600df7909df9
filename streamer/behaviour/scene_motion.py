"""Cues of how a picture moves against the one before: how much, how crowded, and how little neighbours move alike.

Flow is dense inverse search (Kroeger et al. 2016) on small luma pictures whose own mean and contrast are taken out;
what the whole picture does (a camera that shakes or pans) is taken out as its median. Turmoil is the part of a block's
flow that cancels out within it: a walker, a car or a door move as one, people who grapple do not. Every cue is a
logarithm; speeds are in picture heights per step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTHS_PX = {"fine": 192, "middle": 96, "coarse": 48}
_BLOCKS_ACROSS = {"fine": 8, "middle": 24, "coarse": 8}
_REFERENCE_STEP_S = 0.2

CHANGE_CUES = (
    "moving_share", "change_energy", "change_strength", "change_strongest", "change_broad", "crowding", "scatter",
    "spread", "lingering", "energy_change",
)  # fmt: skip
FLOW_CUES = (
    "flow_mean", "flow_fastest", "flow_every_way", "flow_one_way", "flow_divergence", "flow_curl", "flow_change",
    "unexplained",
    *(f"turmoil_{what}_{scale}" for scale in WIDTHS_PX for what in ("share", "peak", "peak_share", "of_strongest")),
)  # fmt: skip

_LEAST_CONTRAST = 10.0
_LEAST_CHANGE, _NOISE_SIGMAS = 0.15, 4.0
"""What counts as change, in units of the picture's contrast: less is compression; noise is told by the median."""
_CUT_LIKENESS = 0.3
_DIRECTIONS = 8
_FLOOR = 1e-3
_GREY, _CONTRAST_LEVELS = 128.0, 40.0

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One picture at every scale, float32 (h, w) each: mean 0, and contrast 1 where it has any."""

    at_scale: dict[str, Float32]

    @classmethod
    def of(cls, image: NDArray[np.uint8]) -> Look:
        """uint8 (h, w, 3) RGB of any size → its look. Raises ValueError for anything else."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise ValueError(f"a picture is uint8 (height, width, 3), RGB; got {image.dtype} {image.shape}")
        luma = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
        at_scale = {}
        for scale, width in WIDTHS_PX.items():
            size = width, max(8, round(width * image.shape[0] / image.shape[1]))
            luma = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA))
            mean, contrast = cv2.meanStdDev(luma)
            levels = max(float(contrast[0, 0]), _LEAST_CONTRAST)
            at_scale[scale] = (luma.astype(np.float32) - np.float32(mean[0, 0])) / np.float32(levels)
        return cls(at_scale)

    def is_cut_from(self, other: Look) -> bool:
        """Whether the two can hardly be of one view: another shape, or too little correlated."""
        a, b = self.at_scale["coarse"], other.at_scale["coarse"]
        if a.shape != b.shape:
            return True
        energy = float(np.sqrt((a * a).mean() * (b * b).mean()))
        return energy > 0.1 and float((a * b).mean()) < _CUT_LIKENESS * energy


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """One scale of it.

    excess float32 (h, w): change beyond what is noise; mask bool (h, w): where there is any; flow float32 (h, w, 2) and
    its length, size float32 (h, w), in picture heights per step; strong: change that 1 % and 10 % of the places exceed.
    """

    excess: Float32
    mask: NDArray[np.bool_]
    flow: Float32
    size: Float32
    strong: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """How a picture moved against the one before it, at every scale; speeds as if they were one step apart.

    unexplained: mean change that is left once the flow is undone.
    """

    at_scale: dict[str, Moved]
    unexplained: float

    @classmethod
    def between(cls, before: Look, now: Look, apart_s: float, dense_flow: Any) -> Flow:
        """dense_flow: an OpenCV DISOpticalFlow; apart_s > 0."""
        at_scale, unexplained = {}, 0.0
        for scale, a in before.at_scale.items():
            b = now.at_scale[scale]
            change = b - a
            size = np.abs(change - _median(change))
            places = [size.size // 2, int(0.9 * size.size), int(0.99 * size.size)]
            middle, many, few = (float(each) for each in np.partition(size, places, axis=None)[places])
            least = max(_LEAST_CHANGE, _NOISE_SIGMAS * 1.4826 * middle)
            raw = np.asarray(dense_flow.calc(_levels(a), _levels(b), None))
            excess = np.maximum(size - np.float32(least), 0)
            if scale == "middle":
                unexplained = _unexplained(a, b, raw, least)
            flow = raw - np.array([_median(raw[..., 0]), _median(raw[..., 1])], np.float32)
            flow *= np.float32(_REFERENCE_STEP_S / apart_s / len(a))
            at_scale[scale] = Moved(excess, excess > 0, flow, np.hypot(flow[..., 0], flow[..., 1]), (few, many))
        return cls(at_scale, unexplained)


def change_cues(now: Flow, before: Flow) -> list[float]:
    """CHANGE_CUES of a picture, given how the one before had moved."""
    at, past = now.at_scale["middle"], before.at_scale["middle"]
    h, w = at.excess.shape
    total, moving = float(at.excess.sum()), int(np.count_nonzero(at.mask))
    blocks = np.asarray(cv2.resize(at.excess, (16, max(1, round(16 * h / w))), interpolation=cv2.INTER_AREA)).ravel()
    share = blocks / (blocks.sum() + 1e-4)
    y, x = np.arange(h, dtype=np.float32) / h, np.arange(w, dtype=np.float32) / h
    columns, rows = at.excess.sum(0) / (total + _FLOOR), at.excess.sum(1) / (total + _FLOOR)
    centre = float(columns @ x), float(rows @ y)
    variance = float(columns @ (x - centre[0]) ** 2 + rows @ (y - centre[1]) ** 2)
    either = int(np.count_nonzero(at.mask | past.mask))
    return _logs(
        moving / at.mask.size,
        total / at.mask.size,
        total / max(moving, 1),
        *at.strong,
        float(np.sort(share)[-6:].sum()),
        float(-(share * np.log(share + 1e-9)).sum()),
        variance**0.5,
        int(np.count_nonzero(at.mask & past.mask)) / max(either, 1),
        abs(float(np.log((total / at.mask.size + 3e-3) / (float(past.excess.mean()) + 3e-3)))),
    )


def flow_cues(now: Flow, before: Flow) -> list[float]:
    """FLOW_CUES of a picture, given how the one before had moved."""
    at, past = now.at_scale["middle"], before.at_scale["middle"]
    size = at.size * at.mask
    total = float(size.sum()) + _FLOOR
    moving = int(np.count_nonzero(at.mask))
    u, v = at.flow[..., 0], at.flow[..., 1]
    (u_y, u_x), (v_y, v_x) = np.gradient(u), np.gradient(v)
    change = at.flow - past.flow
    changed = np.hypot(change[..., 0], change[..., 1]) * (at.mask | past.mask)
    per_cell = total / size.size + 1e-4
    return _logs(
        total / max(moving, 20),
        float(np.partition(size, int(0.99 * size.size), axis=None)[int(0.99 * size.size)]),
        _entropy_of_directions(u[at.mask], v[at.mask], size[at.mask]),
        float(np.hypot((u * at.mask).sum(), (v * at.mask).sum())) / total,
        float((np.abs(u_x + v_y) * at.mask).mean()) / per_cell,
        float((np.abs(v_x - u_y) * at.mask).mean()) / per_cell,
        float(changed.sum()) / (total + float((past.size * past.mask).sum()) + 0.1),
        now.unexplained,
        *(cue for scale in WIDTHS_PX for cue in _turmoil(now.at_scale[scale], _BLOCKS_ACROSS[scale])),
    )


def _turmoil(moved: Moved, across: int) -> tuple[float, float, float, float]:
    """What of the flow cancels out within blocks.

    Its share of all flow; where it is most, how much it is and what share; its share where most changes.
    """
    h, w = moved.mask.shape
    parts = np.dstack([moved.flow * moved.mask[..., None], moved.size * moved.mask, moved.excess])
    down = max(1, round(across * h / w))
    blocks = np.asarray(cv2.resize(parts, (across, down), interpolation=cv2.INTER_AREA)).reshape(-1, 4)
    size, few = blocks[:, 2], max(3, len(blocks) // 24)
    cancelled = size - np.hypot(blocks[:, 0], blocks[:, 1])
    most, strongest = np.argsort(-cancelled)[:few], np.argsort(-blocks[:, 3])[:few]
    return (
        float(cancelled.sum() / (size.sum() + 2 * _FLOOR)),
        float(cancelled[most].mean()),
        float(cancelled[most].sum() / (size[most].sum() + _FLOOR)),
        float(cancelled[strongest].sum() / (size[strongest].sum() + _FLOOR)),
    )


def _entropy_of_directions(u: Float32, v: Float32, weight: Float32) -> float:
    """Nats, up to log 8. Directions count in eighths of a circle that a mirror lays onto each other."""
    places = np.floor((np.arctan2(v, u) / np.pi + 1) * (_DIRECTIONS / 2)).astype(np.intp) % _DIRECTIONS
    counts = np.bincount(places, weight, _DIRECTIONS)
    share = counts / (counts.sum() + _FLOOR)
    return float(-(share * np.log(share + 1e-6)).sum())


def _unexplained(a: Float32, b: Float32, flow: Float32, least: float) -> float:
    """How much still changes once the flow is undone: what appears, bends or blurs."""
    h, w = a.shape
    x, y = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
    undone = cv2.remap(b, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return float(np.maximum(np.abs(undone - a) - np.float32(least), 0).mean())


def _levels(look: Float32) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = np.clip(look * _CONTRAST_LEVELS + _GREY, 0, 255).astype(np.uint8)
    return levels


def _median(values: NDArray[np.float32]) -> float:
    middle = values.size // 2
    return float(np.partition(values, middle, axis=None)[middle])


def _logs(*values: float) -> list[float]:
    return [float(np.log(abs(value) + _FLOOR)) for value in values]
