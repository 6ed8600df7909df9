"""What the scene head sees: how the picture of one camera moves, and the detector's embedding of it, on the 0.2 s grid.

The one implementation for training and runtime. People who fight are a small, quick, irregular patch of motion: next to
each other it goes every way at once, and a moment later other ways. So the flow between two pictures is asked how
little neighbouring places and successive moments agree, not only how much moves (`flow_cues`, `change_cues`).

Pictures are compared 0.2 s apart, or as far apart as they come when they come seldom, so that the frame rate does not
matter; at a fixed width, so that the resolution does not; after each one's own mean and contrast are taken out, so that
a light that is switched does not. Nothing tells left from right. Only the past counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.behaviour.scene_motion import CHANGE_CUES, FLOW_CUES, Flow, Look, change_cues, flow_cues

STEP_S = 0.2
"""Steps are at k × STEP_S of media time."""
LONGEST_GAP_S = 1.0
"""After a longer silence, or a cut to another view, the history begins anew."""
SCENE_EMBEDDING_WIDTH = 160
SCENE_MOTION: tuple[str, ...] = (*CHANGE_CUES, *FLOW_CUES)
SCENE_FEATURES: tuple[str, ...] = (
    *SCENE_MOTION,
    "embedded",
    *(f"frame_embedding_{i:03}" for i in range(SCENE_EMBEDDING_WIDTH)),
)

_NEAR_ENOUGH_S = 1e-6
_SHORTEST_PAIR_S = 0.85 * STEP_S
"""At 30, 25, 20, 15, 10 and 5 pictures per second the next one past this is 0.2 s away, and a tenth of jitter fits."""

Floats = NDArray[np.float32]


@dataclass(slots=True)
class _Seen:
    """The last picture that was compared, and how it had moved against the one before."""

    at_s: float
    look: Look
    flow: Flow | None


class SceneFeatures:
    """The memory of one camera session. Not for several threads at once."""

    def __init__(self) -> None:
        self.refused = 0
        """Frames that made no sense and were skipped: not later than the last, or at no time at all."""
        self._seen: _Seen | None = None
        self._next_step = 0
        self._optical_flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)  # Kroeger et al. 2016
        self._optical_flow.setFinestScale(0)

    def reset(self) -> None:
        """Forget what was seen: a new session, whose times start anew."""
        self._seen = None

    def update(self, at_s: float, image: NDArray[np.uint8], embedding: Floats | None) -> list[tuple[float, Floats]]:
        """The grid steps that have become due with this frame, oldest first: (media time, features).

        image uint8 (h, w, 3) RGB, the content that the detector saw, without padding; embedding float32 (160,), None
        where the detector gives none; one that is not finite counts as none. Features float32 (F,), columns as
        SCENE_FEATURES, always finite. The first step comes with the third picture that was compared (0.4 s).
        """
        last = self._seen
        if not math.isfinite(at_s) or (last is not None and at_s <= last.at_s):
            self.refused += 1
            return []
        if last is not None and at_s - last.at_s < _SHORTEST_PAIR_S:
            return []
        look = Look.of(image)
        if last is None or at_s - last.at_s > LONGEST_GAP_S + _NEAR_ENOUGH_S or look.is_cut_from(last.look):
            self._seen = _Seen(at_s, look, None)
            return []
        flow = Flow.between(last.look, look, at_s - last.at_s, self._optical_flow)
        before, self._seen = last.flow, _Seen(at_s, look, flow)
        if before is None:
            self._next_step = math.floor(at_s / STEP_S + _NEAR_ENOUGH_S) + 1
            return []
        features = np.zeros(len(SCENE_FEATURES), np.float32)
        n = len(SCENE_MOTION)
        features[:n] = (*change_cues(flow, before), *flow_cues(flow, before))
        if embedding is not None and np.isfinite(embedding).all():
            features[n] = 1.0
            features[n + 1 :] = np.clip(embedding, -1e6, 1e6)
        return [(at, features.copy()) for at in self._due(at_s)]

    def _due(self, at_s: float) -> list[float]:
        steps = []
        while self._next_step * STEP_S <= at_s + _NEAR_ENOUGH_S:
            steps.append(self._next_step * STEP_S)
            self._next_step += 1
        return steps
