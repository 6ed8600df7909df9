"""Small brightness pictures straight from decoded frames."""

from __future__ import annotations

import av
import numpy as np
import pytest

from streamer.capture.motion.luma import LONG_SIDE, small_luma

PLANAR_8 = ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "nv12", "nv21", "gray"]


def grey_frame(picture: np.ndarray) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(picture, format="gray")


def ramp(width: int, height: int) -> np.ndarray:
    x, y = np.linspace(20, 120, width), np.linspace(0, 100, height)
    return (x[None] + y[:, None]).astype(np.uint8)


@pytest.mark.parametrize(
    "size", [(1280, 720), (1920, 1080), (640, 360), (768, 432), (320, 240), (366, 158), (720, 1280)]
)
def test_a_cell_is_the_mean_of_its_block(size: tuple[int, int]) -> None:
    width, height = size
    picture = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
    small = small_luma(grey_frame(picture))
    block = max(1, round(max(size) / LONG_SIDE))
    rows, columns = height // block, width // block
    blocks = picture[: rows * block, : columns * block].reshape(rows, block, columns, block)
    assert small.shape == (rows, columns)
    assert np.abs(small - blocks.mean((1, 3))).max() <= 2  # every halving rounds


@pytest.mark.parametrize("name", PLANAR_8)
def test_formats_with_a_luma_plane_of_8_bits_give_the_plane_itself(name: str) -> None:
    frame = grey_frame(ramp(160, 90)).reformat(format=name)
    plane = frame.planes[0]
    expected = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:90, :160]
    np.testing.assert_array_equal(small_luma(frame), expected)


@pytest.mark.parametrize("name", ["yuv420p10le", "p010le", "yuv444p16le", "gray10le", "yuv420p12le"])
def test_deeper_formats_show_the_same_as_8_bits_do(name: str) -> None:
    frame = grey_frame(ramp(640, 360)).reformat(format="yuv420p")
    deep = small_luma(frame.reformat(format=name))
    if name.startswith("gray"):
        frame = frame.reformat(format="gray")
    assert np.abs(deep.astype(int) - small_luma(frame)).max() <= 2


@pytest.mark.parametrize(
    "name", ["yuyv422", "uyvy422", "rgb24", "bgra", "gbrp", "gray16be", "yuv420p10be", "ya8", "monow"]
)
def test_formats_without_a_plain_luma_plane_are_converted(name: str) -> None:
    bright = np.full((90, 160), 30, np.uint8)
    bright[:, 80:] = 220
    small = small_luma(grey_frame(bright).reformat(format=name))
    assert small.shape == (90, 160)
    assert small[:, 90:].mean() > 150 + small[:, :70].mean()


@pytest.mark.parametrize("size", [(2, 2), (16, 2), (1000, 2), (2, 1000), (162, 2), (322, 182)])
def test_no_size_is_too_odd(size: tuple[int, int]) -> None:
    small = small_luma(grey_frame(np.full((size[1], size[0]), 77, np.uint8)))
    assert small.size
    assert (small == 77).all()


def test_the_result_outlives_its_frame() -> None:
    frame = grey_frame(ramp(160, 90))
    small = small_luma(frame)
    before = small.copy()
    memoryview(frame.planes[0])[:] = bytes(frame.planes[0].buffer_size)
    np.testing.assert_array_equal(small, before)
