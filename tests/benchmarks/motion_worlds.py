"""Short worlds drawn for the motion detector: a still street and one thing that happens there, sent through x264.

Pictures are float32 (h, w) brightness at 640×360 and 25 a second. What the camera sends is really encoded and decoded
again, so that key frames pulse, blocks freeze and noise is smoothed as they are in life.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.capture.motion.luma import small_luma
from streamer.demo.street import Street
from streamer.demo.views import SEED, VIEWS

FPS = 25
WIDTH, HEIGHT = 640, 360
Picture = NDArray[np.float32]
Draw = Callable[[float, np.random.Generator], Picture]


@dataclass(frozen=True)
class World:
    """Pictures by time, how they are encoded, when something moves (from, to; media seconds), when judging begins."""

    draw: Draw
    seconds: float = 60.0
    noise: float = 3.0
    crf: int = 26
    gop: int = 50
    bit_rate: int | None = None
    moving_s: tuple[float, float] | None = None
    settled_s: float = 0.0


@cache
def street() -> Picture:
    """float32 (360, 640): a street, empty."""
    picture = cv2.cvtColor(Street(VIEWS["gate"], SEED).backdrop.sunny, cv2.COLOR_RGB2GRAY)
    return cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)


def still(_at_s: float, _rng: np.random.Generator) -> Picture:
    """Nothing happens."""
    return street().copy()


def rain(drops: float, length_px: tuple[int, int] = (10, 30), width_px: int = 1, levels: float = 35.0) -> Draw:
    """Streaks at new places in every picture."""

    def draw(_at_s: float, rng: np.random.Generator) -> Picture:
        layer = np.zeros_like(street())
        for _ in range(rng.poisson(drops)):
            x, y, long = int(rng.integers(WIDTH)), int(rng.integers(HEIGHT)), float(rng.uniform(*length_px))
            end = (round(x + 0.15 * long), round(y + long))
            cv2.line(layer, (x, y), end, levels * float(rng.uniform(0.5, 1)), width_px, cv2.LINE_AA)
        return street() + layer

    return draw


def snow(flakes: float) -> Draw:
    """Blurred flakes near the lens, at new places in every picture."""

    def draw(_at_s: float, rng: np.random.Generator) -> Picture:
        layer = np.zeros_like(street())
        for _ in range(rng.poisson(flakes)):
            centre, wide = (int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))), int(rng.integers(3, 8))
            light = float(rng.uniform(15, 50))
            cv2.ellipse(layer, centre, (wide, round(1.6 * wide)), float(rng.uniform(-20, 20)), 0, 360, light, -1)
        return street() + cv2.GaussianBlur(layer, (0, 0), 1.5)

    return draw


def insects(_at_s: float, rng: np.random.Generator) -> Picture:
    """By infrared light an insect crosses now and then, within one picture: a long streak."""
    picture = 0.6 * street()
    if rng.random() < 0.03:
        x, y, turn, long = rng.integers(WIDTH), rng.integers(HEIGHT), rng.uniform(0, 2 * np.pi), rng.uniform(20, 80)
        end = (round(x + long * np.cos(turn)), round(y + long * np.sin(turn)))
        layer = cv2.line(np.zeros_like(picture), (int(x), int(y)), end, 60.0, int(rng.integers(3, 9)), cv2.LINE_AA)
        picture = picture + layer
    return picture


def lamp(at_s: float, _rng: np.random.Generator) -> Picture:
    """A lamp that lights the middle more than the corners is off from 20 to 40 s."""
    if 20 <= at_s < 40:
        return 0.3 * street() + 5
    x, y = np.arange(WIDTH)[None] / WIDTH, np.arange(HEIGHT)[:, None] / HEIGHT
    glow = np.exp(-((x - 0.5) ** 2 + (y - 0.2) ** 2) / 0.3)
    return (street() * (0.35 + 0.65 * glow)).astype(np.float32)


def exposure(at_s: float, _rng: np.random.Generator) -> Picture:
    """A camera that changes its exposure to 60 % and back within one second, every ten."""
    t = at_s % 10
    return street() * np.float32(1 - 0.4 * np.clip(t - 3, 0, 1) + 0.4 * np.clip(t - 8, 0, 1))


def dusk(at_s: float, _rng: np.random.Generator) -> Picture:
    """The light comes and goes, by a third in ten seconds."""
    return street() * np.float32(1 - 0.35 * (0.5 - 0.5 * np.cos(2 * np.pi * at_s / 20)))


def tree(sway_px: float) -> Draw:
    """A tree whose leaves sway by so many pixels, in gusts."""
    rng = np.random.default_rng(3)
    leaves = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 2.5)
    leaves = leaves / leaves.std() * 30 + 90
    crown = cv2.ellipse(np.zeros((HEIGHT, WIDTH), np.float32), (160, 108), (80, 70), 0, 0, 360, 1.0, -1)
    crown = cv2.GaussianBlur(crown, (0, 0), 2)
    phase = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 25)
    phase *= np.float32(2 / phase.std())
    x, y = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))

    def draw(at_s: float, _rng: np.random.Generator) -> Picture:
        gust = sway_px * (0.6 + 0.4 * np.sin(0.35 * at_s))
        right = x + (gust * np.sin(2 * np.pi * 0.8 * at_s + phase)).astype(np.float32)
        down = y + (0.5 * gust * np.sin(2 * np.pi * 1.1 * at_s + phase)).astype(np.float32)
        cover = cv2.remap(crown, right, down, cv2.INTER_LINEAR)
        return street() * (1 - cover) + cv2.remap(leaves, right, down, cv2.INTER_LINEAR) * cover

    return draw


def shrubs(sway_px: float) -> Draw:
    """Shrubs in a corner, through which gusts travel: each leaf moves about a fifth of the time."""
    rng = np.random.default_rng(3)
    leaves = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 2)
    leaves = leaves / leaves.std() * 25 + 70
    corner = np.array([[0, 0], [260, 0], [0, 260]], np.int32)
    cover = cv2.GaussianBlur(cv2.fillConvexPoly(np.zeros((HEIGHT, WIDTH), np.float32), corner, 1.0), (0, 0), 2)
    gusts = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, 4 * WIDTH)).astype(np.float32), (0, 0), 12)
    gusts /= gusts.std()
    phase = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 10)
    phase *= np.float32(3 / phase.std())
    x, y = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))

    def draw(at_s: float, _rng: np.random.Generator) -> Picture:
        blown = round(90 * at_s) % (3 * WIDTH)
        gust = sway_px * np.clip(gusts[:, blown : blown + WIDTH] - 0.9, 0, 1)
        right = (x + gust * np.sin(2 * np.pi * 1.3 * at_s + phase)).astype(np.float32)
        down = (y + 0.6 * gust * np.sin(2 * np.pi * 1.7 * at_s + phase)).astype(np.float32)
        return street() * (1 - cover) + cv2.remap(leaves, right, down, cv2.INTER_LINEAR) * cover

    return draw


def walker(high_px: int, px_s: float, levels: float, from_s: float = 15.0, to_s: float = 45.0) -> Draw:
    """Somebody walks past from 15 to 45 s: darker or lighter than what is behind by so many grey levels."""
    wide, fine = max(2, round(0.4 * high_px)), 8

    def draw(at_s: float, _rng: np.random.Generator) -> Picture:
        picture = street().copy()
        if from_s <= at_s < to_s:
            x = 150 + px_s * (at_s - from_s)
            body = np.zeros((high_px * fine, (wide + 2) * fine), np.float32)
            left = round((x % 1) * fine)
            body[:, left : left + wide * fine] = levels
            body = cv2.resize(body, (wide + 2, high_px), interpolation=cv2.INTER_AREA)
            picture[200 : 200 + high_px, int(x) : int(x) + wide + 2] += body
        return picture

    return draw


def crowd(people_s: float, seed: int = 7, until_s: float = 200.0) -> Draw:
    """So many people a second cross, one tenth of the picture high, in clothes of all shades."""
    rng = np.random.default_rng(seed)
    starts = np.cumsum(rng.exponential(1 / people_s, round(until_s * people_s)))
    people = [
        (start, rng.choice((-1, 1)), rng.uniform(40, 70), int(rng.integers(120, 300)), rng.uniform(20, 220, 3))
        for start in starts
    ]

    def draw(at_s: float, _rng: np.random.Generator) -> Picture:
        picture = street().copy()
        for start_s, way, px_s, y, shades in people:
            gone = px_s * (at_s - start_s)
            x = round(-20 + gone if way > 0 else WIDTH + 20 - gone)
            if start_s <= at_s and -8 < x < WIDTH + 8:
                for top, bottom, wide, shade in ((-20, -10, 4, 0), (-10, 5, 8, 1), (5, 20, 8, 2)):
                    picture[y + top : y + bottom, max(0, x - wide) : max(0, x + wide)] = shades[shade]
        return picture

    return draw


QUIET = {
    "noise 2": World(still, noise=2, crf=23),
    "noise 5": World(still, noise=5, crf=23),
    "noise 10": World(still, noise=10),
    "noise 20": World(still, noise=20, crf=28),
    "pulse crf 35": World(still, noise=4, crf=35),
    "pulse crf 36, gop 10 s": World(still, noise=5, crf=36, gop=250),
    "pulse 150 kbit/s": World(still, noise=5, bit_rate=150_000),
    "pulse 400 kbit/s": World(still, noise=8, bit_rate=400_000),
    "pulse crf 42": World(still, noise=6, crf=42),
    "rain light": World(rain(30), noise=2),
    "rain heavy": World(rain(150), noise=2),
    "rain near": World(rain(30, (20, 60), 2, 50.0), noise=2),
    "snow light": World(snow(3), noise=2),
    "snow heavy": World(snow(15), noise=2),
    "insects": World(insects, noise=4),
    "lamp": World(lamp),
    "exposure": World(exposure, crf=28),
    "dusk": World(dusk, crf=28),
    "tree 3 px": World(tree(3.0), seconds=120, settled_s=60),
    "tree 8 px": World(tree(8.0), seconds=120, settled_s=60),
    "shrubs": World(shrubs(4.0), crf=24, seconds=120, settled_s=60),
}
"""Nothing moves that is worth being awake for; of the trees after a minute."""

MOVING = {
    "2.5 %, 4 px/s": World(walker(9, 4, -30), moving_s=(15, 45)),
    "2.5 %, 1 px/s": World(walker(9, 1, -30), crf=28, moving_s=(15, 45)),
    "2.5 %, faint": World(walker(9, 3, -18), crf=28, moving_s=(15, 45)),
    "2.2 %, noise 8": World(walker(8, 3, -30), noise=8, crf=28, moving_s=(15, 45)),
    "11 %, 12 px/s": World(walker(40, 12, -30), crf=28, moving_s=(15, 45)),
    "11 %, stands": World(walker(40, 0.1, -30), crf=28, moving_s=(15, 45)),
    "crowd": World(crowd(1.2), seconds=120, moving_s=(10, 120)),
    "dense crowd": World(crowd(3.0), seconds=120, moving_s=(10, 120)),
}
"""Somebody is there to be seen in `moving_s`."""


def looks(world: World) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Every picture as the camera's viewer gets it: uint8 (n, 90, 160) luma, bool (n,) key frames."""
    encoder, decoder = av.CodecContext.create("libx264", "w"), av.CodecContext.create("h264", "r")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base, encoder.framerate, encoder.thread_count = Fraction(1, FPS), Fraction(FPS, 1), 1
    options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(world.gop), "sc_threshold": "0"}
    if world.bit_rate is None:
        options["crf"] = str(world.crf)
    else:
        encoder.bit_rate = world.bit_rate
        options |= {"maxrate": str(world.bit_rate), "bufsize": str(world.bit_rate)}
    encoder.options = options
    frames = [frame for packet in _packets(world, encoder) for frame in map(_look, decoder.decode(packet))]
    frames += map(_look, decoder.decode(None))
    return np.stack([luma for luma, _ in frames]), np.array([key for _, key in frames])


def _look(frame: av.VideoFrame) -> tuple[NDArray[np.uint8], bool]:
    return small_luma(frame), bool(frame.key_frame)


def _packets(world: World, encoder: av.VideoCodecContext) -> Iterator[av.Packet]:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, world.noise, (2 * HEIGHT, 2 * WIDTH)).astype(np.float32)
    picture = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    for number in range(round(world.seconds * FPS)):
        y, x = rng.integers(HEIGHT), rng.integers(WIDTH)
        drawn = world.draw(number / FPS, rng) + noise[y : y + HEIGHT, x : x + WIDTH]
        picture[:HEIGHT] = np.clip(np.rint(drawn), 0, 255)
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        yield from encoder.encode(frame)
    yield from encoder.encode()
