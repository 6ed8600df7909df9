"""Pictures prepared on a device are the pictures that the CPU prepares. The devices' code runs here on the CPU.

swscale, the house's own converter, rounds on the way: grey comes out two levels too dark where it scales (126 of
limited range as 126 and not 128; unscaled it says 128), and colour at half the width. The matrices here are exact,
which OpenCV and torch say too. So pictures differ from the converter's by that darkness, and hardly more.
"""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from models.average_precision import iou
from streamer.artifacts import InputSpec
from streamer.assembly.on_device import shared_card
from streamer.capture.convert import Converter, colours_of, stays_on_device
from streamer.config.model import ModelConfig
from streamer.detect import load_detector
from streamer.detect.canvas import InputBatch
from streamer.detect.on_device.nv12 import bilinear, colour_matrix, shrinking
from streamer.detect.on_device.onnx_pictures import GRAPHS, OnnxPicture, OnnxShrinker
from streamer.fit import InputFit
from streamer.types import Colours, Frame
from streamer.zoo import bundled_model
from tests.conftest import SHARED, missing
from tests.fakes import StillPicture

needs_torch = pytest.mark.needs("torch")
STREET = SHARED / "data/videos/vtest_480x360.mp4"
FITS = [InputFit((384, 288)), InputFit((416, 416), align="top_left"), InputFit((640, 640), mode="stretch")]
DARKER_LIMIT, MEAN_LIMIT = 3.5, 1.6  # grey levels of 255: mean of a channel, and on average beside that


def shrinkers():
    """Every way to shrink that can be had here."""
    ways = [OnnxShrinker("cpu")]
    if not missing("torch"):
        from streamer.detect.on_device.torch_pictures import TorchShrinker

        ways.append(TorchShrinker("cpu"))
    return ways


def drawn(width: int, height: int, *, matrix: int = 2, full: bool = False) -> av.VideoFrame:
    """Smooth colours with some edges, as an NV12 picture that says what its numbers mean."""
    y, x = np.mgrid[:height, :width]
    red = 127 + 110 * np.sin(x / width * 9) * np.cos(y / height * 7)
    green = np.where((x // (width // 6) + y // (height // 5)) % 2, 180, 80)
    blue = 240 * y / height
    image = np.stack([red, green, blue], axis=2).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    frame = frame.reformat(format="nv12", dst_colorspace=matrix if matrix != 2 else 5, dst_color_range=2 if full else 1)
    frame.colorspace, frame.color_range = matrix, 2 if full else 1
    return frame


def difference(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """How much brighter the brightest channel is on average, and how far values are apart beside that."""
    apart = ours.astype(float) - theirs.astype(float)
    brighter = apart.mean(axis=(0, 1))
    return float(np.abs(brighter).max()), float(np.abs(apart - brighter).mean())


@pytest.mark.parametrize("fit", FITS, ids=["lookout", "yolox", "stretched"])
@pytest.mark.parametrize(
    ("size", "matrix", "full"),
    [((1920, 1080), 1, False), ((1280, 720), 2, False), ((320, 240), 5, True), ((322, 240), 5, False)],
)
def test_a_picture_shrunk_on_a_device_is_that_of_the_converter(fit, size, matrix, full):
    frame = drawn(*size, matrix=matrix, full=full)
    converter = Converter(fit, size)
    expected = converter.image(frame)
    for shrinker in shrinkers():
        here, there = shrinker.shrink(frame, converter.fit, colours_of(frame))
        assert here.shape == expected.shape
        darker, apart = difference(here, expected)
        assert darker < DARKER_LIMIT, type(shrinker)
        assert apart < MEAN_LIMIT, type(shrinker)
        assert (np.asarray(there.content.numpy()) == here).all()


@pytest.mark.needs("shared")
def test_real_pictures_are_those_of_the_converter():
    with av.open(str(STREET)) as container:
        pictures = [frame for i, frame in enumerate(container.decode(video=0)) if i % 400 == 0]
    converter = Converter(FITS[0], (480, 360))
    for frame in pictures:
        stored = frame.reformat(format="nv12")
        expected = converter.image(stored)
        for shrinker in shrinkers():
            here, _ = shrinker.shrink(stored, converter.fit, colours_of(stored))
            darker, apart = difference(here, expected)
            assert darker < DARKER_LIMIT
            assert apart < MEAN_LIMIT


@pytest.mark.needs("shared")
def test_the_detector_finds_the_same_people_in_them():
    detector = load_detector(bundled_model())
    with av.open(str(STREET)) as container:
        pictures = [frame for i, frame in enumerate(container.decode(video=0)) if i % 200 == 0]
    converter, sure, partners = Converter(detector.input_fit, (480, 360)), 0, 0
    for frame in pictures:
        stored = frame.reformat(format="nv12")
        here, _ = OnnxShrinker("cpu").shrink(stored, converter.fit, colours_of(stored))
        [expected] = detector.detect([a_frame(converter.image(stored), None, (480, 360))])
        [found] = detector.detect([a_frame(here, None, (480, 360))])
        boxes = expected.boxes_xyxy[expected.scores > 0.5]
        sure += len(boxes)
        partners += int((iou(boxes, found.boxes_xyxy).max(axis=1) > 0.8).sum())
    assert sure > 10
    assert partners >= 0.97 * sure


@needs_torch
@pytest.mark.parametrize("size", [(1280, 720), (321, 240)])
def test_it_is_the_exact_picture_made_small(size):
    """OpenCV turns the colours, torch makes it small: neither is used here."""
    import torch

    planes = np.random.default_rng(0).normal(0, 8, (size[1] // 2 * 3, size[0] // 2 * 2))
    y, x = np.mgrid[: planes.shape[0], : planes.shape[1]]
    planes = np.clip(planes + 120 + 60 * np.sin(x / 40) * np.cos(y / 30), 16, 235).astype(np.uint8)
    width, height = planes.shape[1], planes.shape[0] // 3 * 2
    uv = cv2.blur(planes[height:], (9, 9))  # colour is smooth, else halving its width alone would show
    planes[height:] = uv
    frame = av.VideoFrame.from_ndarray(planes, format="nv12")
    fit = FITS[0].of((width, height))
    whole = torch.from_numpy(cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_NV12)).permute(2, 0, 1)[None].float()
    small = torch.nn.functional.interpolate(whole, size=fit.content_wh[::-1], mode="bilinear", antialias=True)
    for shrinker in shrinkers():
        here, _ = shrinker.shrink(frame, fit, Colours("bt601", full_range=False))
        assert np.abs(here - small[0].permute(1, 2, 0).numpy()).mean() < 1.0


@needs_torch
@pytest.mark.parametrize(("size", "out"), [(1080, 234), (540, 234), (1919, 416), (240, 288), (7, 7), (5, 1)])
def test_the_weights_are_those_of_an_antialiased_bilinear_filter(size, out):
    import torch

    line = np.random.default_rng(size).uniform(0, 255, size).astype(np.float32)
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(line)[None, None, None], size=(1, out), mode="bilinear", antialias=True
    )
    np.testing.assert_allclose(bilinear(size, out) @ line, theirs.numpy()[0, 0, 0], atol=5e-3)


def test_colours_of_bt601_are_those_of_opencv():
    planes = np.random.default_rng(0).integers(16, 236, (48, 64), np.uint8)  # NV12 of 64×32
    uv = planes[32:].reshape(16, 32, 2)
    theirs = cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_NV12)
    matrix, offset = colour_matrix(Colours("bt601", full_range=False))
    yuv = np.concatenate([planes[:32, :, None], uv.repeat(2, axis=0).repeat(2, axis=1)], axis=2)
    ours = np.clip(yuv @ matrix + offset, 0, 255).round()
    assert np.abs(ours - theirs).max() <= 1


@pytest.mark.parametrize("standard", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize(("full", "black", "white"), [(False, 16, 235), (True, 0, 255)])
def test_grey_is_grey_in_every_standard(standard, full, black, white):
    matrix, offset = colour_matrix(Colours(standard, full_range=full))
    np.testing.assert_allclose(np.array([white, 128, 128]) @ matrix + offset, [255] * 3, atol=1e-3)
    np.testing.assert_allclose(np.array([black, 128, 128]) @ matrix + offset, [0] * 3, atol=1e-3)


def test_bytes_beyond_a_row_are_no_part_of_the_picture():
    found = shrinking((100, 50), (128, 128), (20, 10), Colours("bt601", full_range=False))
    assert found.luma_columns.shape == (128, 20)
    assert found.chroma_columns.shape == (64, 20)
    assert not found.luma_columns[100:].any()
    assert not found.chroma_columns[50:].any()
    np.testing.assert_allclose(found.luma_columns.sum(axis=0), 1, atol=1e-6)


SPECS = [
    {"layout": "NHWC", "channels": "RGB", "dtype": "uint8"},
    {"layout": "NCHW", "channels": "BGR", "dtype": "float32"},
    {"layout": "NCHW", "channels": "RGB", "dtype": "float32", "mean": (123.675, 116.28, 103.53),
     "scale": (1 / 58.395, 1 / 57.12, 1 / 57.375)},
    {"layout": "NCHW", "channels": "BGR", "dtype": "float16", "scale": (1 / 255,) * 3},
    {"layout": "NHWC", "channels": "BGR", "dtype": "float32", "mode": "stretch"},
    {"layout": "NHWC", "channels": "RGB", "dtype": "float16"},
    {"layout": "NCHW", "channels": "RGB", "dtype": "uint8", "align": "top_left"},
]  # fmt: skip


@pytest.mark.parametrize("changes", SPECS, ids=[f"{s['layout']}-{s['dtype']}-{s['channels']}" for s in SPECS])
def test_a_batch_on_a_device_holds_what_the_usual_one_holds(changes):
    spec = InputSpec(**{"name": "images", "size": (96, 64), **changes})
    usual = InputBatch(spec)
    for shrinker in shrinkers():
        batch = None
        for slot, size in enumerate([(320, 240), (640, 200), (320, 240), (120, 90), (640, 200)]):
            fit = spec.fit.of(size)
            here, there = shrinker.shrink(drawn(*size), fit, Colours("bt601", full_range=False))
            batch = batch or there.new_batch(spec)
            batch.put(slot, there, fit)
            usual.put(slot, here, fit)
        assert batch is not None
        for first, n in ((0, 5), (2, 3), (1, 1)):
            found = batch.tensor(first, n)
            np.testing.assert_allclose(as_array(found), usual.tensor(first, n), rtol=1e-6, atol=1e-6)
        assert batch.tensor(0, 8).shape == (8, *spec.picture_shape)  # padding up to a prepared size
        np.testing.assert_allclose(as_array(batch.tensor(0, 5)), usual.tensor(0, 5), rtol=1e-6, atol=1e-6)


def as_array(tensor) -> np.ndarray:
    if hasattr(tensor, "numpy"):
        return tensor.numpy()
    import ctypes

    size = int(np.prod(tensor.shape)) * np.dtype(tensor.dtype).itemsize
    held = (ctypes.c_char * size).from_address(tensor.address)
    return np.frombuffer(held, tensor.dtype).reshape(tensor.shape)


def a_frame(image, on_device, source_wh, index=0) -> Frame:
    return Frame("c", "s", index, image, source_wh, 0.0, 0.0, 0.0, StillPicture(image), on_device)


@needs_torch
@pytest.mark.parametrize("provider", ["cpu", "torch"])
def test_a_detector_reads_pictures_where_they_lie(provider):
    detector = load_detector(bundled_model(), provider=provider, device="cpu")
    shrinker = shrinkers()[0 if provider == "cpu" else 1]
    frames = []
    for index, size in enumerate([(1280, 720), (640, 480), (1280, 720)]):
        here, there = shrinker.shrink(drawn(*size), detector.input_fit.of(size), Colours("bt709", full_range=False))
        frames.append(a_frame(here, there, size, index))
    usual = detector.detect([a_frame(f.image, None, f.source_wh) for f in frames])
    for frame in frames:
        frame.image[...] = 0  # whoever still looks at it finds nothing
    for expected, found in zip(usual, detector.detect(frames), strict=True):
        np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy, atol=1e-3)
        np.testing.assert_allclose(found.features.embedding, expected.features.embedding, atol=1e-5)


def test_one_frame_from_elsewhere_and_all_go_the_usual_way():
    detector = load_detector(bundled_model())
    fit = detector.input_fit.of((640, 480))
    here, there = OnnxShrinker("cpu").shrink(drawn(640, 480), fit, Colours("bt601", full_range=False))
    mixed = detector.detect([a_frame(here, there, (640, 480)), a_frame(here, None, (640, 480), 1)])
    np.testing.assert_array_equal(mixed[0].features.embedding, mixed[1].features.embedding)


def test_pictures_of_another_card_are_not_read_there():
    detector = load_detector(bundled_model())
    fit = detector.input_fit.of((640, 480))
    shrinker = OnnxShrinker("cpu", 0)
    here, there = shrinker.shrink(drawn(640, 480), fit, Colours("bt601", full_range=False))
    assert isinstance(there, OnnxPicture)
    there.at.name = "onnx:cuda:1"
    assert detector._on_device.filled([a_frame(here, there, (640, 480))], [fit]) is None


def test_pictures_in_this_machines_memory_take_the_usual_way():
    assert not stays_on_device(drawn(64, 48))
    converter = Converter(FITS[0], (64, 48), OnnxShrinker("cpu"))
    image, on_device = converter.images(drawn(64, 48))
    assert on_device is None
    assert (image == converter.image(drawn(64, 48))).all()


@pytest.mark.parametrize(
    ("matrix", "height", "standard"),
    [(2, 720, "bt709"), (2, 719, "bt601"), (1, 240, "bt709"), (5, 1080, "bt601"), (6, 1080, "bt601"),
     (9, 1080, "bt2020")],
)  # fmt: skip
def test_colours_are_what_the_converter_takes_them_for(matrix, height, standard):
    frame = av.VideoFrame(64, height, "nv12")
    frame.colorspace = matrix
    assert colours_of(frame) == Colours(standard, full_range=False)
    frame.color_range = 2
    assert colours_of(frame).full_range


@pytest.mark.parametrize(
    ("decode_on", "model", "card"),
    [
        ("cuda", {"provider": "torch"}, 0), ("cuda:1", {"provider": "cuda", "device": 1}, 1),
        ("cuda:1", {"provider": "tensorrt", "device": [0, 1]}, 1),
        ("cuda", {"provider": "torch", "device": "cuda:0"}, 0),
        ("cuda:1", {"provider": "cuda"}, None), ("cuda", {}, None), ("cpu", {"provider": "cuda"}, None),
        ("auto", {"provider": "cuda"}, None), ("cuda", {"provider": "torch", "device": "cpu"}, None),
        ("vaapi", {"provider": "cuda"}, None),
    ],
)  # fmt: skip
def test_pictures_stay_on_a_card_where_the_detector_runs_too(decode_on, model, card):
    assert shared_card(decode_on, ModelConfig(**model)) == card


@needs_torch
def test_the_graphs_that_are_shipped_are_those_that_export_builds():
    from export.on_device import graphs

    built = graphs()
    assert {path.name for path in GRAPHS.glob("*.onnx")} == set(built)
    for name, graph in built.items():
        assert (GRAPHS / name).read_bytes() == graph, name
