"""The camera was turned, knocked or hung elsewhere: what its zones were drawn on is not where they are any more."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.rules.glance import Glance, Look
from streamer.types import Evidence, Frame, Tracks

Angles = NDArray[np.float32]

FAINT_GRADIENT = 12.0  # grey levels by which a 3 × 3 Sobel must respond before a direction means something
FEWEST_EDGES = 0.004  # of the picture; with fewer there is nothing to hold on to
STEADY_EDGE = 0.3  # of a full edge, in the mean: it is there, and the same way, a good part of the time
LOST_EDGES = 0.35  # of the reference's edges; with fewer left the picture is dark or blurred, not moved


class MovedRule:
    """Holds for report_s once the scene's edges are elsewhere and have stayed there for moved_after_s.

    The reference is a long-term mean of edge directions, as doubled angles, so that it does not matter which side of
    an edge is the brighter: a window is bright by day and dark by night. Agreement is the mean cosine between the
    reference and the picture along the reference's own edges: about 1 for the same view, about 0 for another. Light
    that is switched on, noise, dusk and people in front change little of it. A picture that lost its edges altogether
    is not judged. After the report the new view becomes the reference.
    """

    kind = "camera.moved"

    def __init__(
        self,
        *,
        name: str = kind,
        moved_after_s: float = 8.0,
        min_agreement: float = 0.35,
        learn_s: float = 10.0,
        memory_s: float = 120.0,
        report_s: float = 10.0,
        glance: Glance | None = None,
    ) -> None:
        if not 0 < min_agreement < 1:
            raise ValueError(f"min_agreement: between 0 and 1; got {min_agreement:g}")
        self.name = name
        self._after_s, self._min_agreement, self._learn_s = moved_after_s, min_agreement, learn_s
        self._memory_s, self._report_s = memory_s, report_s
        self._glance = glance if glance is not None else Glance()
        self._view = _View()
        self._elsewhere: _View | None = None  # the view that may become the new reference
        self._elsewhere_since_s = 0.0
        self._reported_s: float | None = None
        self._agreement = 1.0
        self._last_s: float | None = None
        self.settings: dict[str, object] = {
            "moved_after_s": moved_after_s,
            "min_agreement": min_agreement,
            "learn_s": learn_s,
            "memory_s": memory_s,
            "report_s": report_s,
        }

    def judge(self, frame: Frame, tracks: Tracks) -> list[Evidence]:  # noqa: ARG002  the picture alone decides
        """Evidence against the camera for a while after it was moved."""
        if (look := self._glance.at(frame)) is not None:
            self._compare(look)
        if self._reported_s is None or frame.media_s - self._reported_s >= self._report_s:
            self._reported_s = None
            return []
        share, limit = self._agreement, self._min_agreement
        text = f"the camera was moved: {share:.0%} of its edges are where they were (limit {limit:.0%})"
        return [Evidence(subject="camera", text=text, measures={"edge_agreement": (share, limit)})]

    def reset(self) -> None:
        """A new session begins. The reference stays: a camera may have been moved while its plug was out."""
        self._elsewhere = self._reported_s = self._last_s = None
        self._glance.reset()

    def _compare(self, look: Look) -> None:
        elapsed_s = look.media_s - self._last_s if self._last_s is not None else 0.0
        self._last_s = look.media_s
        edges = _edges(look)
        if edges is None or not self._view.fits(edges):
            if edges is not None:
                self._view = _View()  # another picture shape: nothing can be compared
            self._elsewhere = None
            return
        if self._view.learned_s < self._learn_s:
            self._view.learn(edges, elapsed_s, self._memory_s)
            return
        if self._view.lost(edges):
            self._elsewhere = None
            return
        agreement = self._view.agreement(edges)
        if agreement >= self._min_agreement:
            self._elsewhere = None
            self._view.learn(edges, elapsed_s, self._memory_s)
            return
        if self._elsewhere is None or self._elsewhere.agreement(edges) < self._min_agreement:
            # Still turning, or something large passes close by: only a view that stays is a new view.
            self._elsewhere, self._elsewhere_since_s = _View(), look.media_s
            elapsed_s = 0.0
        self._elsewhere.learn(edges, elapsed_s, self._memory_s)
        if look.media_s - self._elsewhere_since_s >= self._after_s:
            self._agreement, self._reported_s = max(0.0, agreement), look.media_s
            self._view, self._elsewhere = self._elsewhere, None


class _Edges(NamedTuple):
    """The edges of one look: unit vectors of doubled angles, float32 (2, h, w), zero where none is; and their share."""

    doubled: Angles
    share: float


class _View:
    """What a camera usually sees: the running mean of its edges."""

    def __init__(self) -> None:
        self.learned_s = 0.0
        self._mean: Angles | None = None
        self._steady: Angles = np.zeros((0, 0, 0), np.float32)  # the mean, where there is an edge most of the time
        self._weight = 0.0
        self._share = 0.0

    def fits(self, edges: _Edges) -> bool:
        return self._mean is None or self._mean.shape == edges.doubled.shape

    def learn(self, edges: _Edges, elapsed_s: float, memory_s: float) -> None:
        self.learned_s += elapsed_s
        if self._mean is None:
            self._mean = edges.doubled.copy()
        else:
            # A plain mean while it is young, later one that forgets over memory_s.
            pace_s = min(memory_s, max(self.learned_s, elapsed_s))
            cv2.accumulateWeighted(edges.doubled, self._mean, elapsed_s / pace_s if pace_s > 0 else 0.0)
        strength = np.sqrt(self._mean[0] * self._mean[0] + self._mean[1] * self._mean[1])
        is_steady = strength >= STEADY_EDGE
        self._steady = self._mean * is_steady
        self._weight = float(strength.sum(where=is_steady))
        self._share = np.count_nonzero(is_steady) / is_steady.size

    def agreement(self, edges: _Edges) -> float:
        """The mean cosine along the steady edges; those that are gone count as 0."""
        if self._weight == 0:
            return 1.0
        return float(np.vdot(self._steady, edges.doubled)) / self._weight

    def lost(self, edges: _Edges) -> bool:
        """Whether there is too little, in the view or in the look, to compare."""
        return self._share < FEWEST_EDGES or edges.share < LOST_EDGES * self._share


def _edges(look: Look) -> _Edges | None:
    """The edges of a look; None where there are hardly any."""
    smooth = cv2.GaussianBlur(look.grey, (0, 0), 1.2)
    gx, gy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    xx, yy = gx * gx, gy * gy
    squared = xx + yy
    # Noise answers too: after the smoothing about twice its own size. An edge stands three times above that.
    floor = max(FAINT_GRADIENT, 6.0 * look.noise)
    is_edge = squared > floor * floor
    share = np.count_nonzero(is_edge) / is_edge.size
    if share < FEWEST_EDGES:
        return None
    unit = is_edge / np.maximum(squared, np.float32(1.0))
    doubled = np.empty((2, *unit.shape), np.float32)
    np.multiply(xx - yy, unit, out=doubled[0])
    np.multiply(gx * gy, 2 * unit, out=doubled[1])
    return _Edges(doubled, share)
