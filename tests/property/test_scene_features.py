"""What holds for features of any scene: light, mirror, resolution, noise, rate hardly matter; nonsense stays out."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.behaviour.scene_features import (
    LONGEST_GAP_S,
    SCENE_EMBEDDING_WIDTH,
    SCENE_FEATURES,
    SCENE_MOTION,
    STEP_S,
    SceneFeatures,
)

Image = NDArray[np.uint8]
Scene = Callable[[float], Image]
few = settings(max_examples=8, deadline=None)
EMBEDDING = np.linspace(-1, 1, SCENE_EMBEDDING_WIDTH).astype(np.float32)
TURMOIL = [n for n, name in enumerate(SCENE_MOTION) if name.startswith("turmoil_peak_share")]
ENERGY, MOVING = SCENE_MOTION.index("change_energy"), SCENE_MOTION.index("moving_share")


def drawn(seed: int, wh: tuple[int, int] = (384, 216), grapple: bool = True) -> Scene:
    """A textured wall, someone who walks past it, and two who jerk about each other on the spot, or do not.

    Drawn four times as large as asked and averaged, so that every size shows one and the same world.
    """
    random = np.random.default_rng(seed)
    wall = cv2.resize(random.integers(60, 200, (14, 24, 3), np.uint8), (384, 216), interpolation=cv2.INTER_CUBIC)
    coats = [random.integers(0, 256, (6, 3, 3), np.uint8) for _ in range(3)]
    knots = random.uniform(-16, 16, (2, 40, 2))
    walks_from, speed = random.uniform(30, 80), random.uniform(20, 40)

    def at(at_s: float) -> Image:
        scale = 2.0
        canvas = cv2.resize(wall, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        places = [(walks_from + speed * at_s, 120.0)]
        for n in range(2 if grapple else 0):
            k = min(at_s / 0.2, 38.99)
            jerk = knots[n, int(k)] * (1 - k % 1) + knots[n, int(k) + 1] * (k % 1)
            places.append((250 + 22 * n + jerk[0], 110 + jerk[1]))
        for coat, (x, y) in zip(coats, places, strict=False):
            move = np.array([[scale * 8, 0, scale * x], [0, scale * 10, scale * (y - 30)]])
            person = cv2.warpAffine(coat, move, canvas.shape[1::-1], flags=cv2.INTER_NEAREST)
            there = cv2.warpAffine(np.ones((6, 3), np.uint8), move, canvas.shape[1::-1], flags=cv2.INTER_NEAREST)
            canvas[there > 0] = person[there > 0]
        return np.asarray(cv2.resize(canvas, wh, interpolation=cv2.INTER_AREA))

    return at


def watch(
    scene: Scene,
    per_s: float = 5.0,
    for_s: float = 3.0,
    change: Callable[[Image, float], Image] = lambda image, _: image,
) -> dict[int, NDArray[np.float32]]:
    """Grid step → features, of a camera that is looked at so often."""
    memory = SceneFeatures()
    told: dict[int, NDArray[np.float32]] = {}
    for frame in range(int(for_s * per_s) + 1):
        at_s = frame / per_s
        for step_s, features in memory.update(at_s, change(scene(at_s), at_s), EMBEDDING):
            assert step_s <= at_s + 1e-6
            assert features.shape == (len(SCENE_FEATURES),)
            assert features.dtype == np.float32
            assert np.isfinite(features).all()
            told[round(step_s / STEP_S)] = features
    assert memory.refused == 0
    return told


def motion(told: dict[int, NDArray[np.float32]]) -> NDArray[np.float32]:
    """What a head that gathers evidence goes by: the mean motion of the steps, float32 (M,)."""
    return np.mean([each[: len(SCENE_MOTION)] for each in told.values()], axis=0)


def far(a: dict[int, NDArray[np.float32]], b: dict[int, NDArray[np.float32]]) -> float:
    """How far apart two views of a scene are in the mean over all motion cues; all of them are logarithms."""
    assert a.keys() == b.keys()
    return float(np.abs(motion(a) - motion(b)).mean())


def test_names_are_distinct_and_motion_comes_first():
    assert len(set(SCENE_FEATURES)) == len(SCENE_FEATURES)
    assert SCENE_FEATURES[: len(SCENE_MOTION)] == SCENE_MOTION
    assert len(SCENE_FEATURES) == len(SCENE_MOTION) + 1 + SCENE_EMBEDDING_WIDTH


@few
@given(st.integers(0, 10_000))
def test_people_who_grapple_make_more_turmoil_than_one_who_walks(seed):
    fight, walk = motion(watch(drawn(seed))), motion(watch(drawn(seed, grapple=False)))
    assert fight[TURMOIL].mean() > walk[TURMOIL].mean()


@few
@given(st.integers(0, 10_000), st.floats(0.8, 1.2), st.floats(-20, 20))
def test_a_light_that_is_switched_is_no_motion(seed, gain, offset):
    def switched(image: Image, at_s: float) -> Image:
        on = at_s >= 1.0
        return np.clip(image * (gain if on else 1.0) + (offset if on else 0.0), 0, 255).astype(np.uint8)

    scene = drawn(seed)
    soft = lambda at_s: (scene(at_s) // 2 + 50).astype(np.uint8)  # noqa: E731  # so that nothing clips at 0 or 255
    assert far(watch(soft), watch(soft, change=switched)) < 0.12


@few
@given(st.integers(0, 10_000))
def test_a_mirrored_scene_moves_the_same(seed):
    mirrored = watch(drawn(seed), change=lambda image, _: np.ascontiguousarray(image[:, ::-1]))
    assert far(watch(drawn(seed)), mirrored) < 0.15


@few
@given(st.integers(0, 10_000), st.sampled_from([(320, 180), (512, 288), (768, 432)]))
def test_resolution_hardly_matters(seed, wh):
    assert far(watch(drawn(seed)), watch(drawn(seed, wh))) < 0.25


@few
@given(st.integers(0, 10_000), st.sampled_from([10.0, 15.0, 20.0, 25.0, 30.0]))
def test_frame_rate_does_not_matter(seed, per_s):
    slow, fast = watch(drawn(seed)), watch(drawn(seed), per_s)
    assert far(slow, fast) < 1e-3


@few
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_noise_of_the_sensor_is_no_motion(seed, noise_seed):
    random = np.random.default_rng(noise_seed)

    def noisy(image: Image, _: float) -> Image:
        return np.clip(image + random.normal(0, 6, image.shape), 0, 255).astype(np.uint8)

    empty = drawn(seed)(0.0)
    still = motion(watch(lambda _: empty, change=noisy))
    moving = motion(watch(drawn(seed), change=noisy))
    assert math.exp(still[MOVING]) < 0.01
    assert moving[ENERGY] > still[ENERGY] + 1


def test_a_still_picture_has_no_motion_at_all():
    told = motion(watch(lambda _: drawn(3)(0.0)))
    assert told[MOVING] == pytest.approx(math.log(1e-3))
    assert told[ENERGY] == pytest.approx(math.log(1e-3))


def test_pictures_that_come_seldom_still_fill_the_grid_and_all_steps_come_in_order():
    memory, scene, times = SceneFeatures(), drawn(1), [0.0, 0.5, 1.0, 1.5, 2.0]
    told = [at_s for each in times for at_s, _ in memory.update(each, scene(each), None)]
    assert told == pytest.approx([0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0])


@given(st.lists(st.floats(0.01, 0.9), min_size=5, max_size=30))
@few
def test_whatever_the_times_each_grid_step_comes_once(gaps):
    memory, image = SceneFeatures(), drawn(2)(0.0)
    told = [round(at / STEP_S) for at_s in np.cumsum(gaps) for at, _ in memory.update(float(at_s), image, None)]
    assert told == sorted(set(told))
    assert not told or told == list(range(told[0], told[-1] + 1))


def test_a_long_silence_begins_anew():
    memory, scene = SceneFeatures(), drawn(1)
    for at_s in (0.0, 0.2, 0.4):
        memory.update(at_s, scene(at_s), None)
    after = 0.4 + LONGEST_GAP_S + 0.2
    assert memory.update(after, scene(after), None) == []
    assert memory.update(after + 0.2, scene(after + 0.2), None) == []
    assert len(memory.update(after + 0.4, scene(after + 0.4), None)) == 1


@pytest.mark.parametrize("other", [drawn(77)(0.0), drawn(1, (288, 288))(0.0)], ids=["another view", "another shape"])
def test_a_cut_is_no_motion(other):
    memory, scene = SceneFeatures(), drawn(1)
    for at_s in (0.0, 0.2, 0.4):
        memory.update(at_s, scene(at_s), None)
    assert memory.update(0.6, other, None) == []
    assert memory.update(0.8, other, None) == []
    [(_, features)] = memory.update(1.0, other, None)
    assert features[MOVING] == pytest.approx(math.log(1e-3))


@pytest.mark.parametrize("at_s", [math.nan, math.inf, 0.4, 0.1])
def test_a_frame_at_no_time_or_out_of_order_is_refused_and_counted(at_s):
    memory, scene = SceneFeatures(), drawn(1)
    for each in (0.0, 0.2, 0.4):
        memory.update(each, scene(each), None)
    assert memory.update(at_s, scene(0.5), None) == []
    assert memory.refused == 1
    assert len(memory.update(0.6, scene(0.6), None)) == 1


@pytest.mark.parametrize("embedding", [None, np.full(SCENE_EMBEDDING_WIDTH, np.nan, np.float32)])
def test_without_a_sound_embedding_all_of_it_is_masked(embedding):
    memory, scene, n = SceneFeatures(), drawn(1), len(SCENE_MOTION)
    told = [features for at_s in (0.0, 0.2, 0.4) for _, features in memory.update(at_s, scene(at_s), embedding)]
    assert len(told) == 1
    assert not told[0][n:].any()
    [(_, features)] = memory.update(0.6, scene(0.6), EMBEDDING)
    assert features[n] == 1.0
    np.testing.assert_array_equal(features[n + 1 :], EMBEDDING)


def test_a_new_session_remembers_nothing():
    memory, fresh, scene = SceneFeatures(), SceneFeatures(), drawn(1)
    for at_s in (5.0, 5.2, 5.4):
        memory.update(at_s, scene(at_s), None)
    memory.reset()
    for at_s in (0.0, 0.2, 0.4, 0.6):
        for (a_s, a), (b_s, b) in zip(
            memory.update(at_s, scene(at_s), None), fresh.update(at_s, scene(at_s), None), strict=True
        ):
            assert a_s == b_s
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("image", [np.zeros((20, 20), np.uint8), np.zeros((20, 20, 3), np.float32)])
def test_what_is_no_rgb_picture_is_refused_in_words(image):
    with pytest.raises(ValueError, match="a picture is uint8"):
        SceneFeatures().update(0.0, image, None)
