"""Dark, blurred, moved and frozen cameras on drawn, noisy pictures; and what must not be taken for trouble."""

from __future__ import annotations

import io
from collections.abc import Callable

import av
import cv2
import numpy as np
import pytest

from streamer.rules.camera_blurred import BlurredRule
from streamer.rules.camera_dark import DarkRule
from streamer.rules.camera_frozen import FrozenRule
from streamer.rules.camera_moved import MovedRule
from streamer.rules.glance import Glance
from streamer.stages import Rule
from streamer.types import Tracks
from tests.walks import LABELS, frame_at

NOBODY = Tracks.none(LABELS)
WH = (320, 180)
Story = Callable[[float], np.ndarray]


def street(seed: int) -> np.ndarray:
    """A scene with houses, windows and posts, float32 (600, 1000, 3) in [0, 255]; larger than a picture of it."""
    dice = np.random.default_rng(seed)
    scene = np.zeros((600, 1000, 3), np.float32)
    scene[:] = np.linspace(190, 90, 600, dtype=np.float32)[:, None, None]
    for _ in range(60):
        x, y = dice.integers(0, 950), dice.integers(0, 500)
        w, h = dice.integers(20, 180), dice.integers(20, 160)
        scene[y : y + h, x : x + w] = dice.uniform(30, 220, 3)
    for _ in range(25):
        a, b = dice.integers(0, 1000, 2), dice.integers(0, 600, 2)
        cv2.line(scene, (int(a[0]), int(b[0])), (int(a[1]), int(b[1])), dice.uniform(20, 235, 3).tolist(), 3)
    return scene


class Camera:
    """Takes noisy pictures of a scene."""

    def __init__(self, seed: int = 0, *, noise: float = 4.0) -> None:
        self.scene, self.noise = street(seed), noise
        self.dice = np.random.default_rng(seed + 1000)
        # Drawing noise is what costs here: one field, laid over every picture somewhere else.
        self.field = self.dice.normal(0, noise, (2 * WH[1], 2 * WH[0], 3)).astype(np.float32)

    def picture(
        self, *, at: tuple[int, int] = (200, 100), light: float = 1.0, blur: float = 0.0, people: float | None = None
    ) -> np.ndarray:
        """What the camera sees when it looks at a corner of the scene; people: how far they have walked."""
        view = self.scene[at[1] : at[1] + 351, at[0] : at[0] + 624].copy()
        if people is not None:
            for i in range(4):
                x = int((people * (30 + 15 * i) + 150 * i) % 660) - 40
                view[160 + 20 * i : 300 + 12 * i, max(0, x) : max(0, x + 45)] = (40 + 50 * i, 60, 120)
        view = cv2.resize(view, WH, interpolation=cv2.INTER_AREA)
        if blur:
            view = cv2.GaussianBlur(view, (0, 0), blur)
        x, y = self.dice.integers(0, WH[0]), self.dice.integers(0, WH[1])
        view = view * np.float32(light) + self.field[y : y + WH[1], x : x + WH[0]]
        return np.clip(view, 0, 255).astype(np.uint8)


def moments(rule: Rule, story: Story, seconds: float, *, fps: float = 1.0) -> list[float]:
    """When the rule held."""
    held = []
    for index in range(int(seconds * fps)):
        at_s = index / fps
        if list(rule.judge(frame_at(at_s, image=story(at_s)), NOBODY)):
            held.append(at_s)
    return held


def everything() -> list[Rule]:
    glance = Glance()
    return [
        DarkRule(glance=glance),
        FrozenRule(frozen_after_s=10, glance=glance),
        BlurredRule(glance=glance),
        MovedRule(glance=glance),
    ]


def troubles(story: Story, seconds: float, *, fps: float = 1.0) -> dict[str, list[float]]:
    """Kind → when it held, for all rules on one glance."""
    rules, held = everything(), {}
    for index in range(int(seconds * fps)):
        at_s = index / fps
        frame = frame_at(at_s, image=story(at_s))
        for rule in rules:
            if list(rule.judge(frame, NOBODY)):
                held.setdefault(rule.kind, []).append(at_s)
    return held


SEEDS = pytest.mark.parametrize("seed", range(4))


# --- what is no trouble ---


@SEEDS
@pytest.mark.parametrize("noise", [0.7, 4.0, 12.0])
def test_an_empty_noisy_street_is_no_trouble(seed: int, noise: float) -> None:
    camera = Camera(seed, noise=noise)
    assert troubles(lambda _: camera.picture(), 45) == {}


@SEEDS
def test_people_who_walk_through_are_no_trouble(seed: int) -> None:
    camera = Camera(seed)
    assert troubles(lambda t: camera.picture(people=t), 60) == {}


@SEEDS
def test_dusk_is_no_trouble(seed: int) -> None:
    camera = Camera(seed)
    assert troubles(lambda t: camera.picture(light=1.0 - 0.75 * min(1, t / 150)), 160) == {}


@SEEDS
@pytest.mark.parametrize("change", [(0.3, 1.0), (1.0, 0.3)])
def test_a_light_that_is_switched_is_no_trouble(seed: int, change: tuple[float, float]) -> None:
    camera = Camera(seed)
    assert troubles(lambda t: camera.picture(light=change[t >= 30]), 60) == {}


@SEEDS
def test_a_window_that_is_bright_by_day_and_dark_by_night_does_not_move_the_camera(seed: int) -> None:
    camera = Camera(seed)

    def story(t: float) -> np.ndarray:
        picture = camera.picture()
        return picture if t < 30 else 255 - picture

    assert not moments(MovedRule(), story, 60)


@SEEDS
def test_a_tremble_of_the_mast_does_not_move_the_camera(seed: int) -> None:
    camera = Camera(seed)
    dice = np.random.default_rng(seed)
    assert not moments(MovedRule(), lambda _: camera.picture(at=(200 + int(dice.integers(-3, 4)), 100)), 60)


@SEEDS
def test_a_bus_that_stops_in_front_for_a_moment_does_not_move_the_camera(seed: int) -> None:
    camera = Camera(seed)

    def story(t: float) -> np.ndarray:
        picture = camera.picture()
        if 30 <= t < 35:
            picture[30:170, 15:305] = cv2.resize(camera.picture(at=(0, 0)), (290, 140))
        return picture

    assert not moments(MovedRule(), story, 60)


def test_a_night_scene_with_a_lamp_is_not_dark() -> None:
    camera = Camera(0, noise=2)

    def story(_: float) -> np.ndarray:
        picture = camera.picture(light=0.05)
        cv2.circle(picture, (160, 80), 24, (200, 200, 180), -1)
        return picture

    assert not moments(DarkRule(), story, 20)


def test_a_still_scene_is_not_frozen_while_one_small_thing_moves() -> None:
    camera = Camera(0, noise=0)

    def story(t: float) -> np.ndarray:
        picture = camera.picture()
        x = 50 + int(t * 4)
        picture[100:109, x : x + 4] = (255, 0, 0)
        return picture

    assert not moments(FrozenRule(frozen_after_s=10), story, 40)


# --- trouble ---


@SEEDS
def test_a_covered_lens_is_dark(seed: int) -> None:
    camera = Camera(seed)
    held = troubles(lambda t: camera.picture(light=0.03 if 20 <= t < 40 else 1.0), 60)
    assert set(held) == {"camera.dark"}
    assert 25 <= held["camera.dark"][0] <= 27
    assert 39 <= held["camera.dark"][-1] <= 41


@SEEDS
@pytest.mark.parametrize("noise", [0.7, 4.0, 8.0])
def test_a_lens_out_of_focus_is_blurred_until_it_is_sharp_again(seed: int, noise: float) -> None:
    camera = Camera(seed, noise=noise)
    held = troubles(lambda t: camera.picture(blur=6.0 if 40 <= t < 70 else 0.0), 90)
    assert set(held) == {"camera.blurred"}
    assert 50 <= held["camera.blurred"][0] <= 53
    assert 69 <= held["camera.blurred"][-1] <= 72


@SEEDS
@pytest.mark.parametrize("to", [(260, 100), (200, 145), (340, 200)])
def test_a_camera_that_was_moved_is_told_once_and_then_knows_its_new_view(seed: int, to: tuple[int, int]) -> None:
    camera = Camera(seed)
    held = troubles(lambda t: camera.picture(at=to if t >= 30 else (200, 100)), 100)
    assert set(held) == {"camera.moved"}
    assert 38 <= held["camera.moved"][0] <= 42
    assert held["camera.moved"][-1] - held["camera.moved"][0] <= 10


@SEEDS
def test_a_camera_that_is_moved_back_is_told_again(seed: int) -> None:
    camera = Camera(seed)
    held = moments(MovedRule(), lambda t: camera.picture(at=(300, 160) if 30 <= t < 80 else (200, 100)), 120)
    assert len([t for t in held if 38 <= t < 55]) > 5
    assert len([t for t in held if 88 <= t < 105]) > 5
    assert not [t for t in held if 55 <= t < 88]


def test_a_camera_that_was_moved_while_its_plug_was_out_is_told() -> None:
    camera, rule = Camera(1), MovedRule()
    assert not moments(rule, lambda _: camera.picture(), 30)
    rule.reset()
    assert moments(rule, lambda _: camera.picture(at=(320, 170)), 20)


def test_a_black_picture_is_dark_and_not_frozen_too() -> None:
    black = np.zeros((WH[1], WH[0], 3), np.uint8)
    camera = Camera(0)
    assert set(troubles(lambda t: black if t >= 20 else camera.picture(), 60)) == {"camera.dark"}


def test_a_picture_that_stands_still_is_frozen_until_it_changes() -> None:
    camera = Camera(0)
    still = camera.picture()
    held = moments(FrozenRule(frozen_after_s=10), lambda t: still if 20 <= t < 50 else camera.picture(), 60)
    assert 29.5 <= held[0] <= 32
    assert 49 <= held[-1] <= 51


def encoded(pictures: list[np.ndarray]) -> list[np.ndarray]:
    """What is left of pictures after an H.264 encoder with a key frame every two seconds, at two pictures a second."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=2)
        stream.width, stream.height = WH
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "28", "g": "4", "preset": "veryfast", "tune": "zerolatency"}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_a_frozen_camera_is_told_through_a_real_encoder_and_a_living_one_is_not() -> None:
    camera = Camera(0, noise=2.0)
    frozen, living = encoded([camera.picture()] * 160), encoded([camera.picture() for _ in range(160)])
    held = moments(FrozenRule(frozen_after_s=20), lambda t: frozen[int(t * 2)], 80)
    assert held
    assert held[0] <= 50  # an encoder needs some key frames before a still picture looks still
    assert not moments(FrozenRule(frozen_after_s=20), lambda t: living[int(t * 2)], 80)


def test_a_glance_is_taken_once_a_second_and_shared() -> None:
    glance, camera = Glance(), Camera(0)
    looks = []
    for index in range(50):
        frame = frame_at(index / 10, image=camera.picture())
        first, second = glance.at(frame), glance.at(frame)
        assert first is second
        looks.append(first)
    assert [i for i, look in enumerate(looks) if look is not None] == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("noise", [0.5, 2.0, 6.0, 15.0])
def test_the_noise_of_a_glance_is_the_noise_of_the_scene(noise: float) -> None:
    dice, glance = np.random.default_rng(0), Glance()
    estimates = []
    for second in range(5):
        grey = np.clip(dice.normal(120, noise, (90, 160, 1)), 0, 255).round().astype(np.uint8)
        look = glance.at(frame_at(float(second), image=np.repeat(grey, 3, axis=2)))
        assert look is not None
        estimates.append(look.noise)
    # Whole grey levels add a twelfth to the variance.
    assert np.mean(estimates[1:]) == pytest.approx(np.sqrt(noise**2 + 1 / 12), rel=0.2)
