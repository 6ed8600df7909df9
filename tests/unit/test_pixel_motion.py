"""Motion on pixels, in worlds drawn cell by cell. The benchmark has the same with a real codec in between."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from streamer.capture.motion.light import fit_light, keeps_edges
from streamer.capture.motion.pixel_motion import Motion, PixelMotion

H, W = 90, 160
Picture = Callable[[float], np.ndarray]
_STREET = np.random.default_rng(5).uniform(50, 180, (H // 6, W // 6 + 1)).repeat(6, 0).repeat(6, 1)[:H, :W]


def seen(
    draw: Picture, until_s: float, *, step_s: float = 0.2, from_s: float = 0.0, noise: float = 0.7,
    motion: PixelMotion | None = None, vacant_s: Callable[[float], float] = lambda _: 0.0,
) -> list[tuple[float, Motion]]:  # fmt: skip
    """Looks at a drawn world through a sensor's noise."""
    motion, rng = motion or PixelMotion(), np.random.default_rng(1)
    looks = []
    for at_s in np.arange(from_s, until_s, step_s).tolist():
        picture = draw(at_s)
        noisy = picture + rng.normal(0, noise, picture.shape)
        luma = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        looks.append((at_s, motion.look(luma, at_s, vacant_s(at_s))))
    return looks


def street(_at_s: float) -> np.ndarray:
    return _STREET.copy()


def with_box(x: float, y: int, wide: int, high: int, levels: float = 60.0) -> np.ndarray:
    """A box at x, which may lie between cells, on the street."""
    picture = _STREET.copy()
    cover = np.clip(np.minimum(np.arange(W) + 1, x + wide) - np.maximum(np.arange(W), x), 0, 1)
    picture[y : y + high] += levels * cover
    return picture


def times_moved(looks: list[tuple[float, Motion]]) -> list[float]:
    return [at_s for at_s, motion in looks if motion.moved]


@pytest.mark.parametrize("noise", [0.0, 0.5, 2.0, 6.0, 15.0])
@pytest.mark.parametrize("step_s", [0.04, 0.2, 2.0, 10.0])
def test_noise_is_no_motion_however_strong_and_however_often_one_looks(noise: float, step_s: float) -> None:
    assert times_moved(seen(street, 100 * step_s, step_s=step_s, noise=noise)) == []


def test_the_first_look_only_learns() -> None:
    assert not PixelMotion().look(with_box(20, 20, 30, 30).astype(np.uint8), 0.0).moved


@pytest.mark.parametrize("step_s", [0.2, 1.0, 2.0])
def test_a_walker_is_seen_from_the_second_look_at_him_on_and_where_he_is(step_s: float) -> None:
    def draw(at_s: float) -> np.ndarray:
        return with_box(20 + 3 * (at_s - 10), 40, 5, 12) if at_s >= 10 else street(at_s)

    looks = seen(draw, 30, step_s=step_s)
    moved = times_moved(looks)
    assert 10 <= moved[0] <= 10 + step_s + 0.01
    assert len(moved) >= sum(at_s >= 10 for at_s, _ in looks) - 1
    for at_s, motion in looks:
        if motion.moved:
            x1, y1, x2, y2 = motion.regions[0]
            middle = (20 + 3 * (at_s - 10) + 2.5) / W
            assert x1 <= middle <= x2
            assert abs(y1 - 40 / H) < 0.05
            assert abs(y2 - 52 / H) < 0.05
            assert x2 - x1 < 10 / W


@pytest.mark.parametrize("step_s", [0.2, 2.0])
@pytest.mark.parametrize("cells_s", [0.25, 1.0])
def test_somebody_far_away_who_creeps_is_seen(step_s: float, cells_s: float) -> None:
    looks = seen(
        lambda t: with_box(40 + cells_s * (t - 10), 40, 1, 3, 30.0) if t >= 10 else street(t), 40, step_s=step_s
    )
    moved = times_moved(looks)
    assert moved[0] <= 14.1
    assert all(at_s >= 10 for at_s in moved)
    assert len(moved) > 0.7 * sum(at_s >= 14 for at_s, _ in looks)


@pytest.mark.parametrize("step_s", [0.2, 1.0, 5.0])
def test_who_stands_still_is_seen_for_half_a_minute_and_then_part_of_the_scene(step_s: float) -> None:
    looks = seen(lambda t: with_box(50, 30, 6, 20) if t >= 20 else street(t), 120, step_s=step_s)
    moved = times_moved(looks)
    assert {at_s for at_s, _ in looks if 20 + step_s < at_s < 50} <= set(moved)
    assert 60 <= max(moved) <= 66 + 3 * step_s


def test_the_ghost_of_what_was_in_the_first_picture_fades() -> None:
    looks = seen(lambda t: with_box(50, 30, 12, 20) if t < 30 else street(t), 100)
    moved = times_moved(looks)
    assert 30 <= moved[0] <= 30.5
    assert max(moved) < 80


def test_what_left_in_the_first_seconds_leaves_no_ghost_for_long() -> None:
    looks = seen(lambda t: with_box(50, 30, 12, 20) if t < 2 else street(t), 30)
    assert max(times_moved(looks), default=0) < 10


@pytest.mark.parametrize("step_s", [0.2, 0.55])
def test_where_analysis_sees_nobody_the_ghost_of_who_stood_there_from_the_first_picture_on_is_soon_gone(
    step_s: float,
) -> None:
    looks = seen(
        lambda t: with_box(50, 30, 12, 20) if t < 30 else street(t), 60, step_s=step_s,
        vacant_s=lambda t: max(0.0, t - 31),
    )  # fmt: skip
    moved = times_moved(looks)
    assert 30 <= moved[0] <= 30.5 + step_s
    assert 34 <= max(moved) < 37


def test_where_analysis_sees_nobody_who_keeps_moving_is_seen_all_the_same() -> None:
    looks = seen(lambda t: with_box(20 + 2 * t, 30, 6, 16), 50, vacant_s=lambda t: t)
    assert np.mean([motion.moved for at_s, motion in looks if at_s > 2]) > 0.95


@pytest.mark.parametrize(("gain", "offset"), [(0.3, 5), (0.6, 0), (1.3, 10), (0.9, 60), (0.05, 8)])
def test_a_light_switch_is_light_and_no_motion(gain: float, offset: float) -> None:
    looks = seen(lambda t: street(t) * gain + offset if 10 <= t < 20 else street(t), 30)
    assert times_moved(looks) == []
    assert [round(at_s, 1) for at_s, motion in looks if motion.lit] == [10.0, 20.0]


def test_a_lamp_that_lights_one_side_more_is_light_and_no_motion() -> None:
    shade = np.linspace(0.2, 1.0, W)[None]
    looks = seen(lambda t: street(t) * shade if 10 <= t < 20 else street(t), 30)
    assert times_moved(looks) == []
    assert any(motion.lit for at_s, motion in looks if 10 <= at_s < 10.5)


def test_who_walks_while_the_light_goes_out_is_seen_all_the_time() -> None:
    def draw(at_s: float) -> np.ndarray:
        scene = with_box(20 + 3 * (at_s - 5), 40, 5, 12) if at_s >= 5 else street(at_s)
        return scene * 0.4 + 5 if at_s >= 12 else scene

    looks = seen(draw, 25)
    late = [motion.moved for at_s, motion in looks if at_s > 5.5]
    assert np.mean(late) > 0.95
    assert all(len(motion.regions) <= 2 for at_s, motion in looks if motion.moved)


def test_dusk_is_no_motion() -> None:
    assert times_moved(seen(lambda t: street(t) * (1 - 0.5 * min(1.0, t / 60)), 80)) == []


def test_a_pulse_of_the_whole_picture_at_every_key_frame_is_no_motion() -> None:
    coarse = np.random.default_rng(2).normal(0, 2.5, (H, W))

    def draw(at_s: float) -> np.ndarray:
        return street(at_s) + coarse * (1 - (at_s % 2) / 2)

    assert times_moved(seen(draw, 60)) == []


def test_a_thing_that_comes_in_the_look_in_which_all_changes_is_seen_at_the_next() -> None:
    coarse = np.random.default_rng(2).normal(0, 2.5, (H, W))

    def draw(at_s: float) -> np.ndarray:
        scene = with_box(40 + 3 * (at_s - 20), 40, 5, 12) if at_s >= 20 else street(at_s)
        return scene + coarse * (1 - (at_s % 2) / 2)

    assert min(times_moved(seen(draw, 24))) <= 20.5


def rain(drops: int, high: int = 5) -> Picture:
    rng = np.random.default_rng(3)

    def draw(at_s: float) -> np.ndarray:
        picture = street(at_s)
        if at_s >= 5:
            for x, y in zip(rng.integers(0, W, drops), rng.integers(0, H, drops), strict=True):
                picture[y : y + high, x] += 25
        return picture

    return draw


@pytest.mark.parametrize("drops", [5, 40, 120])
def test_rain_is_soon_known_for_what_it_is(drops: int) -> None:
    looks = seen(rain(drops), 60)
    assert times_moved([look for look in looks if look[0] > 15]) == []


def test_a_walker_in_the_rain_is_seen() -> None:
    wet = rain(30)

    def draw(at_s: float) -> np.ndarray:
        walker = with_box(20 + 3 * (at_s - 30), 40, 6, 15, 80.0) - street(at_s) if at_s >= 30 else 0
        return wet(at_s) + walker

    looks = seen(draw, 50)
    assert np.mean([motion.moved for at_s, motion in looks if at_s > 33]) > 0.9
    assert not [at_s for at_s in times_moved(looks) if 15 < at_s < 30]


def swaying(texture: np.ndarray, cells: float) -> Picture:
    """The left third of the picture sways, in waves."""
    ys, xs = np.mgrid[:H, : W // 3].astype(float)

    def draw(at_s: float) -> np.ndarray:
        picture = street(at_s)
        gust = cells * np.sin(2 * np.pi * 0.9 * at_s + xs / 9 + ys / 7)
        left = np.clip(xs + gust, 0, W - 1.01)
        low = left.astype(int)
        part = left - low
        rows = ys.astype(int)
        picture[:, : W // 3] = texture[rows, low] * (1 - part) + texture[rows, low + 1] * part
        return picture

    return draw


def test_waving_leaves_are_motion_at_first_and_normal_within_a_minute_and_people_before_them_are_not() -> None:
    texture = np.random.default_rng(8).uniform(40, 130, (H, W))
    leaves = swaying(texture, 0.8)

    def draw(at_s: float) -> np.ndarray:
        picture = leaves(at_s)
        if at_s >= 90:
            x = round(100 - 2 * (at_s - 90))
            picture[30:55, x : x + 8] = 235
        return picture

    looks = seen(draw, 110)
    assert any(at_s < 20 for at_s in times_moved(looks))
    assert not [at_s for at_s in times_moved(looks) if 60 < at_s < 90]
    assert np.mean([motion.moved for at_s, motion in looks if at_s > 91]) > 0.9


def test_a_crowd_is_never_normal() -> None:
    rng = np.random.default_rng(4)
    people = [
        (start, rng.choice((-1, 1)), rng.uniform(8, 14), rng.integers(30, 70), rng.uniform(10, 240))
        for start in np.arange(0, 180, 0.7)
    ]

    def draw(at_s: float) -> np.ndarray:
        picture = street(at_s)
        for start_s, way, speed, y, shade in people:
            x = round(speed * (at_s - start_s)) - 4
            x = x if way > 0 else W - x
            if start_s <= at_s and -4 < x < W:
                picture[y : y + 12, max(0, x) : x + 4] = shade
        return picture

    looks = seen(draw, 180, step_s=0.25)
    assert np.mean([motion.moved for at_s, motion in looks if at_s > 10]) > 0.98


def test_what_a_mask_covers_does_not_count() -> None:
    left_half = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]

    def draw(at_s: float) -> np.ndarray:
        return with_box(10 + 6 * (at_s - 10), 40, 6, 14) if at_s >= 10 else street(at_s)

    looks = seen(draw, 30, motion=PixelMotion(masks=[left_half]))
    assert min(times_moved(looks)) >= 10 + (W / 2 - 16) / 6
    assert all(box[0] >= 0.5 for _, motion in looks for box in motion.regions)


def test_a_picture_that_is_masked_as_a_whole_never_moves() -> None:
    whole = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    looks = seen(lambda t: with_box(10 + 6 * t, 40, 6, 14), 10, motion=PixelMotion(masks=[whole]))
    assert times_moved(looks) == []
    assert all(motion.changed == 0 for _, motion in looks)


def test_another_size_or_an_earlier_time_or_a_reset_begins_anew() -> None:
    for disturb in ("size", "time", "reset"):
        motion = PixelMotion()
        seen(street, 10, motion=motion)
        other = np.full((H, W), 20, np.uint8) if disturb != "size" else np.full((30, 40), 20, np.uint8)
        if disturb == "reset":
            motion.reset()
        assert not motion.look(other, 3.0 if disturb == "time" else 10.0).moved
        assert not motion.look(other, 11.0).moved


def test_a_look_at_the_same_time_again_changes_nothing() -> None:
    motion = PixelMotion()
    seen(street, 10, motion=motion)
    at_s = 9.8
    assert not motion.look(with_box(50, 30, 40, 40).astype(np.uint8), at_s).moved
    assert motion.look(with_box(50, 30, 40, 40).astype(np.uint8), at_s + 2).moved


def test_the_light_of_a_picture_is_found_though_a_third_of_it_is_something_else() -> None:
    rng = np.random.default_rng(0)
    then = rng.uniform(20, 200, 900).astype(np.float32)
    now = (0.6 * then + 12 + rng.normal(0, 1, 900)).astype(np.float32)
    now[:300] = rng.uniform(0, 255, 300)
    light = fit_light(then, now)
    assert light.gain == pytest.approx(0.6, abs=0.02)
    assert light.offset == pytest.approx(12, abs=2)


def test_edges_that_stay_tell_light_from_a_thing_and_none_tell_nothing() -> None:
    then = _STREET.astype(np.float32)
    everywhere = np.ones((H, W), np.bool_)
    assert keeps_edges(then, 0.4 * then + 20, everywhere) is True
    assert keeps_edges(then, then[::-1, ::-1].copy(), everywhere) is False
    assert keeps_edges(then, np.full_like(then, 9), everywhere) is None


def test_a_lorry_that_fills_half_of_the_picture_is_motion_and_no_light() -> None:
    lorry = np.random.default_rng(9).uniform(60, 240, (10, 12)).repeat(8, 0).repeat(8, 1)[:70]

    def draw(at_s: float) -> np.ndarray:
        picture = street(at_s)
        if 20 <= at_s < 24:
            x = round(40 * (at_s - 20)) - 60
            picture[20:, max(0, x) : x + 96] = lorry[:, max(0, -x) : W - x]
        return picture

    looks = seen(draw, 40)
    assert np.mean([motion.moved for at_s, motion in looks if 20.4 < at_s < 24]) == 1.0
    assert not any(motion.lit for _, motion in looks)
    assert times_moved([look for look in looks if look[0] > 24.1]) == []


def test_who_came_early_stood_and_left_leaves_nothing_behind_not_even_an_outline() -> None:
    looks = seen(lambda t: with_box(50.4 + 0.1 * np.sin(t), 30, 6, 20) if 7 <= t < 30 else street(t), 60)
    assert {at_s for at_s, _ in looks if 7.5 < at_s < 30} <= set(times_moved(looks))
    assert max(times_moved(looks)) < 33
