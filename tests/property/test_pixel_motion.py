"""What holds of motion on pixels whatever the picture."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.capture.motion.pixel_motion import Motion, PixelMotion

H, W = 36, 48
_SCENE = np.random.default_rng(5).uniform(60, 160, (H // 6, W // 6)).repeat(6, 0).repeat(6, 1)


def walk(*, step_s: float = 0.2, gain: float = 1.0, offset: float = 0.0) -> list[Motion]:
    """Fifty looks; from the thirtieth on a box of contrast crosses, one cell a look."""
    motion, rng, seen = PixelMotion(), np.random.default_rng(0), []
    for number in range(50):
        picture = _SCENE.copy()
        if number >= 30:
            picture[10:22, number - 25 : number - 18] += 60
        noisy = picture * gain + offset + rng.normal(0, 0.6, (H, W))
        seen.append(motion.look(np.clip(np.rint(noisy), 0, 255).astype(np.uint8), number * step_s))
    return seen


@given(height=st.integers(1, 50), width=st.integers(1, 50), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_any_size_and_any_picture_gives_an_answer_with_regions_inside_the_picture(
    height: int, width: int, seed: int
) -> None:
    motion, rng, at_s = PixelMotion(masks=[[(0, 0), (0.4, 0), (0, 0.4)]]), np.random.default_rng(seed), 0.0
    for _ in range(6):
        at_s += float(rng.choice((0.0, 0.04, 0.2, 2.0, 60.0)))
        answer = motion.look(rng.integers(0, 256, (height, width), dtype=np.uint8), at_s)
        assert answer.moved == bool(answer.regions) == (answer.cells is not None)
        assert 0 <= answer.changed <= 1
        for x1, y1, x2, y2 in answer.regions:
            assert 0 <= x1 < x2 <= 1
            assert 0 <= y1 < y2 <= 1


@given(gain=st.floats(0.5, 1.4), offset=st.floats(-20, 20))
@settings(max_examples=15, deadline=None)
def test_a_brighter_or_darker_camera_sees_the_same_walker(gain: float, offset: float) -> None:
    plain, other = walk(), walk(gain=gain, offset=offset)
    assert [look.moved for look in plain] == [look.moved for look in other]
    assert not any(look.moved for look in other[:30])
    assert all(look.moved for look in other[32:])


@given(step_s=st.floats(0.05, 0.6))
@settings(max_examples=15, deadline=None)
def test_a_walker_is_seen_at_any_rate_of_looking(step_s: float) -> None:
    looks = walk(step_s=step_s)
    assert not any(look.moved for look in looks[:30])
    assert all(look.moved for look in looks[32:])


@given(step_s=st.sampled_from((0.1, 0.2, 0.5, 1.0, 2.0, 5.0)))
@settings(max_examples=6, deadline=None)
def test_what_stands_still_becomes_scene_after_the_same_seconds_at_any_rate_of_looking(step_s: float) -> None:
    motion, rng, last_s = PixelMotion(), np.random.default_rng(0), 0.0
    for at_s in np.arange(0, 90, step_s).tolist():
        picture = _SCENE + rng.normal(0, 0.6, (H, W))
        if at_s >= 20:
            picture[10:22, 10:17] += 60
        if motion.look(picture.astype(np.uint8), at_s).moved:
            last_s = at_s
    assert 60 <= last_s <= 68 + 2 * step_s


@given(seed=st.integers(0, 1000), left=st.integers(6, 30))
@settings(max_examples=15, deadline=None)
def test_what_happens_under_a_mask_changes_no_answer(seed: int, left: int) -> None:
    x1, x2 = left / W, (left + 10) / W
    mask = [(x1, 0.0), (x2, 0.0), (x2, 1.0), (x1, 1.0)]
    inside = np.zeros((H, W), np.bool_)
    inside[:, left : left + 10] = True
    rng = np.random.default_rng(seed)
    plain, disturbed = PixelMotion(masks=[mask]), PixelMotion(masks=[mask])
    for number in range(20):
        picture = np.clip(_SCENE + rng.normal(0, 0.6, (H, W)), 0, 255)
        if number > 10:
            picture[10:22, 2 * number : 2 * number + 7] += 60
        other = np.where(inside, rng.uniform(0, 255, (H, W)), picture)
        one, two = (
            plain.look(picture.astype(np.uint8), 0.2 * number),
            disturbed.look(other.astype(np.uint8), 0.2 * number),
        )
        assert (one.moved, one.regions, one.changed, one.lit) == (two.moved, two.regions, two.changed, two.lit)
