"""What holds for any boxes at any times: answers are well formed, and follow the picture's size, place and mirror."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.track import KalmanTracker
from streamer.types import Detections, Tracks

LABELS = ("person", "car", "truck")
Frames = list[tuple[float, NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]]


def scene(seed: int, objects: int, frames: int) -> Frames:
    """Objects that move with noise, flicker in score and label and vanish, false boxes between them, odd time steps."""
    random = np.random.default_rng(seed)
    centres, sizes = random.uniform(0, 900, (objects, 2)), random.uniform(20, 160, (objects, 2))
    speed, labels = random.normal(0, 60, (objects, 2)), random.integers(0, 3, objects)
    at_s, told = 0.0, []
    for _ in range(frames):
        step_s = float(random.choice([0.03, 0.04, 0.2, 1.0]))
        at_s, centres = at_s + step_s, centres + speed * step_s
        seen = random.random(objects) < 0.8
        ghosts = random.integers(0, 3)
        middle = np.concatenate([centres[seen], random.uniform(0, 900, (ghosts, 2))])
        size = np.concatenate([sizes[seen], random.uniform(20, 160, (ghosts, 2))])
        size = size * random.normal(1, 0.05, size.shape)
        boxes = np.concatenate([middle - size / 2, middle + size / 2], axis=1)
        kinds = np.concatenate([labels[seen], random.integers(0, 3, ghosts)])
        kinds = np.where((kinds > 0) & (random.random(len(kinds)) < 0.2), 3 - kinds, kinds)
        told.append((at_s, boxes, np.sort(random.uniform(0.05, 1, len(boxes)))[::-1], kinds))
    return told


def run(frames: Frames) -> list[Tracks]:
    tracker = KalmanTracker(LABELS)
    return [
        tracker.update(Detections(boxes.astype(np.float32), scores.astype(np.float32), kinds, LABELS), at_s)
        for at_s, boxes, scores, kinds in frames
    ]


scenes = st.builds(scene, st.integers(0, 10**6), st.integers(0, 8), st.integers(1, 25))


@settings(max_examples=40, deadline=None)
@given(scenes)
def test_every_answer_is_well_formed(frames: Frames) -> None:
    gone: set[int] = set()
    for (_, boxes, scores, kinds), tracks in zip(frames, run(frames), strict=True):
        assert len(set(tracks.ids.tolist())) == len(tracks), "no track is told twice"
        assert len(set(tracks.detection_rows.tolist())) == len(tracks), "no box belongs to two"
        assert ((tracks.detection_rows >= 0) & (tracks.detection_rows < len(boxes))).all()
        assert not gone & set(tracks.ids.tolist()), "what has ended does not come back"
        assert not gone & set(tracks.ended), "and ends once"
        assert (tracks.ids > 0).all()
        gone |= set(tracks.ended)
        np.testing.assert_array_equal(tracks.scores, scores.astype(np.float32)[tracks.detection_rows])
        same_kind = (tracks.class_ids == 0) == (kinds[tracks.detection_rows] == 0)
        assert same_kind.all(), "a person's track takes no vehicle's box"
        assert np.isfinite(tracks.boxes_xyxy).all()
        assert (tracks.boxes_xyxy[:, 2:] > tracks.boxes_xyxy[:, :2]).all()
        assert (tracks.age_s >= 0).all()


@settings(max_examples=25, deadline=None)
@given(scenes, st.sampled_from([0.25, 0.5, 2.0, 8.0]), st.integers(-500, 500), st.booleans())
def test_a_picture_scaled_moved_or_mirrored_gives_the_same_tracks_scaled_moved_or_mirrored(
    frames: Frames, scale: float, shift: int, mirror: bool
) -> None:
    def change(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
        boxes = boxes * scale + np.array([shift, -shift, shift, -shift])
        return boxes[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] if mirror else boxes

    # float32 boxes at other places round otherwise: coordinates that both can hold exactly take that out of the test.
    frames = [(t, np.round(boxes), scores, kinds) for t, boxes, scores, kinds in frames]
    plain = run(frames)
    other = run([(t, change(boxes), scores, kinds) for t, boxes, scores, kinds in frames])
    for a, b in zip(plain, other, strict=True):
        assert a.ids.tolist() == b.ids.tolist()
        assert a.detection_rows.tolist() == b.detection_rows.tolist()
        assert a.ended == b.ended
        np.testing.assert_allclose(change(a.boxes_xyxy.astype(np.float64)), b.boxes_xyxy, rtol=1e-4, atol=0.05 * scale)
        turn = np.array([-1.0 if mirror else 1.0, 1.0])
        np.testing.assert_allclose(a.velocity_xy * scale * turn, b.velocity_xy, rtol=1e-3, atol=0.05 * scale)
