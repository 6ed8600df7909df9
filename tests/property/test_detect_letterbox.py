"""Pictures onto the canvas and boxes back: round trips, and every pixel against a loop."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.artifacts import InputSpec
from streamer.detect.canvas import InputBatch, letterbox
from streamer.fit import InputFit

sides = st.integers(8, 64)
fits = st.builds(
    InputFit,
    canvas_wh=st.tuples(sides, sides),
    mode=st.sampled_from(["letterbox", "stretch"]),
    align=st.sampled_from(["centre", "top_left"]),
    pad_value=st.integers(0, 255),
)
sources = st.tuples(st.integers(1, 4000), st.integers(1, 4000))


@settings(max_examples=200, deadline=None)
@given(fits, sources, st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_boxes_find_their_way_back_from_the_canvas(input_fit, source, corners):
    fit = input_fit.of(source)
    (x1, x2), (y1, y2) = sorted(corners[:2]), sorted(corners[2:])
    box = np.array([[x1, y1, x2, y2]], np.float32) * np.array([*source, *source], np.float32)
    there = fit.to_canvas(box)
    assert (there >= -1e-3).all()
    assert (there <= np.array([*input_fit.canvas_wh] * 2) + 1e-3).all()
    # float32 carries 7 digits: a canvas pixel of a huge source may be off by a millionth of its width.
    np.testing.assert_allclose(fit.to_source(there), box, atol=max(source) * 2e-6 + 1e-3)


@settings(max_examples=200, deadline=None)
@given(fits, sources)
def test_content_lies_within_the_canvas_and_keeps_its_aspect(input_fit, source):
    fit = input_fit.of(source)
    (x, y), (w, h), (cw, ch) = fit.offset_xy, fit.content_wh, fit.canvas_wh
    assert x >= 0
    assert y >= 0
    assert x + w <= cw
    assert y + h <= ch
    if input_fit.mode == "letterbox":
        assert w == cw or h == ch
        scale = min(cw / source[0], ch / source[1])
        assert abs(w - max(1, source[0] * scale)) <= 0.5001
        assert abs(h - max(1, source[1] * scale)) <= 0.5001
        if input_fit.align == "centre":
            assert abs((cw - w) - 2 * x) <= 1
            assert abs((ch - h) - 2 * y) <= 1


specs = st.builds(
    InputSpec,
    name=st.just("images"),
    dtype=st.sampled_from(["float32", "float16"]),
    layout=st.sampled_from(["NCHW", "NHWC"]),
    channels=st.sampled_from(["RGB", "BGR"]),
    size=st.tuples(st.integers(4, 12), st.integers(4, 12)),
    mode=st.sampled_from(["letterbox", "stretch"]),
    align=st.sampled_from(["centre", "top_left"]),
    pad_value=st.integers(0, 255),
    mean=st.sampled_from([(0.0, 0.0, 0.0), (123.675, 116.28, 103.53)]),
    scale=st.sampled_from([(1.0, 1.0, 1.0), (1 / 255, 1 / 255, 1 / 255), (1 / 58.395, 1 / 57.12, 1 / 57.375)]),
)
raw_specs = st.builds(
    InputSpec,
    name=st.just("images"),
    dtype=st.just("uint8"),
    layout=st.sampled_from(["NCHW", "NHWC"]),
    channels=st.sampled_from(["RGB", "BGR"]),
    size=st.tuples(st.integers(4, 12), st.integers(4, 12)),
)


def tensor_by_hand(spec: InputSpec, content, fit):
    """(3, H, W) float64, RGB or BGR, pixel by pixel."""
    w, h = spec.size
    out = np.zeros((3, h, w))
    for channel in range(3):
        source_channel = channel if spec.channels == "RGB" else 2 - channel
        for y in range(h):
            for x in range(w):
                cx, cy = x - fit.offset_xy[0], y - fit.offset_xy[1]
                inside = 0 <= cx < fit.content_wh[0] and 0 <= cy < fit.content_wh[1]
                pixel = int(content[cy, cx, source_channel]) if inside else spec.pad_value
                out[channel, y, x] = (pixel - spec.mean[channel]) * spec.scale[channel]
    return out


@settings(max_examples=80, deadline=None)
@given(specs | raw_specs, st.lists(st.tuples(st.integers(0, 3), sources), min_size=1, max_size=5), st.randoms())
def test_every_pixel_of_a_reused_batch_is_the_one_that_belongs_there(spec, puts, random):
    batch, expected = InputBatch(spec), {}
    rng = np.random.default_rng(random.randrange(2**32))
    for slot, source in puts:
        fit = spec.fit.of(source)
        content = rng.integers(0, 256, (fit.content_wh[1], fit.content_wh[0], 3), np.uint8)
        batch.put(slot, content, fit)
        expected[slot] = tensor_by_hand(spec, content, fit)
    for slot, wanted in expected.items():
        picture = batch.picture(slot)
        assert picture.dtype == spec.dtype
        assert picture.flags.c_contiguous
        channels_first = picture if spec.layout == "NCHW" else picture.transpose(2, 0, 1)
        tolerance = {"uint8": 0, "float32": 1e-4, "float16": 0.2}[spec.dtype]
        np.testing.assert_allclose(channels_first.astype(float), wanted, atol=tolerance, rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(fits, st.tuples(st.integers(4, 90), st.integers(4, 90)), st.integers(0, 255))
def test_training_sees_what_the_service_sees(input_fit, source, grey):
    """letterbox() of a whole picture is what InputBatch holds for the resized one."""
    image = np.full((source[1], source[0], 3), grey, np.uint8)
    canvas, fit = letterbox(image, input_fit)
    spec = InputSpec(
        name="images",
        dtype="uint8",
        layout="NHWC",
        channels="RGB",
        size=input_fit.canvas_wh,
        mode=input_fit.mode,
        align=input_fit.align,
        pad_value=input_fit.pad_value,
    )
    batch = InputBatch(spec)
    batch.put(0, np.full((fit.content_wh[1], fit.content_wh[0], 3), grey, np.uint8), spec.fit.of(source))
    np.testing.assert_array_equal(canvas, batch.picture(0))
