"""What capture resizes and what training resizes are the same picture, and a wrong picture is refused."""

from __future__ import annotations

import av
import numpy as np
import pytest

from streamer.artifacts import InputSpec
from streamer.detect.canvas import InputBatch, letterbox, resize
from streamer.fit import InputFit


def a_picture(w: int, h: int) -> np.ndarray:
    """Smooth shapes with some edges, as a camera gives."""
    y, x = np.mgrid[:h, :w]
    red = 127 + 120 * np.sin(x / w * 9) * np.cos(y / h * 7)
    green = np.where((x // (w // 6) + y // (h // 5)) % 2, 200, 60)
    blue = 255 * y / h
    return np.stack([red, green, blue], axis=2).astype(np.uint8)


@pytest.mark.parametrize(
    ("source", "content"), [((480, 360), (416, 312)), ((1280, 720), (416, 234)), ((320, 240), (320, 240))]
)
def test_letterbox_resizes_as_the_scaler_of_capture_does(source, content):
    image = a_picture(*source)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    scaled = frame.reformat(width=content[0], height=content[1], format="rgb24", interpolation="AREA").to_ndarray()
    ours = resize(image, content).astype(int)
    difference = np.abs(ours - scaled)
    assert difference.mean() < 0.6
    assert np.percentile(difference, 99) <= 6


def test_content_is_in_the_middle_on_padding():
    canvas, fit = letterbox(np.full((10, 40, 3), 200, np.uint8), InputFit((20, 20), pad_value=7))
    assert fit.offset_xy == (0, 7)
    assert (canvas[7:12] == 200).all()
    assert (canvas[:7] == 7).all()
    assert (canvas[12:] == 7).all()


SPEC = InputSpec(name="images", dtype="uint8", layout="NHWC", channels="RGB", size=(32, 32))


@pytest.mark.parametrize(
    "content", [np.zeros((16, 30, 3), np.uint8), np.zeros((16, 32), np.uint8), np.zeros((16, 32, 3), np.float32)]
)
def test_a_picture_prepared_for_another_model_is_refused(content):
    with pytest.raises(ValueError, match=r"as uint8 \(16, 32, 3\)"):
        InputBatch(SPEC).put(0, content, SPEC.fit.of((64, 32)))


def test_growing_keeps_what_was_put():
    batch, fit = InputBatch(SPEC), SPEC.fit.of((32, 32))
    for slot in range(9):
        batch.put(slot, np.full((32, 32, 3), slot, np.uint8), fit)
    assert [int(picture[0, 0, 0]) for picture in batch.tensor(0, 9)] == list(range(9))


def test_the_tensor_is_not_copied():
    batch = InputBatch(SPEC, capacity=4)
    assert np.shares_memory(batch.tensor(0, 4), batch.tensor(1, 2))
