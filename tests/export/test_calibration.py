"""Calibration pictures lie on the canvas as the service lays them, and ranges are what the maps really held."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper

from export.calibration import Method, canvases, feeder, measure_ranges
from streamer.artifacts import InputSpec
from streamer.demo.clips import encode
from streamer.detect.canvas import InputBatch, letterbox, resize
from streamer.errors import ConfigError
from streamer.fit import InputFit
from tests.export.graphs import model

FIT = InputFit((64, 32))


@pytest.fixture
def pictures(tmp_path):
    """Six pictures in two folders, each of one grey."""
    for i in range(6):
        folder = tmp_path / "pictures" / ("a" if i < 3 else "b")
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{i}.png"), np.full((40, 100, 3), 20 * i, np.uint8))
    return tmp_path / "pictures"


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Sixty pictures that grow brighter, 2 s."""
    path = tmp_path_factory.mktemp("video") / "brighter.mp4"
    encode((np.full((96, 160, 3), 4 * i, np.uint8) for i in range(60)), path, fps=30)
    return path


def greys(found):
    return [int(np.median(canvas[10:20])) for canvas in found]


def test_a_folder_is_searched_to_its_depths_and_sampled_evenly(pictures):
    assert greys(canvases([pictures], FIT, 6)) == [0, 20, 40, 60, 80, 100]
    assert greys(canvases([pictures], FIT, 3)) == [20, 60, 100]


def test_pictures_are_letterboxed_as_the_service_does_it(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (50, 80, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "one.png"), image[..., ::-1])
    [canvas] = canvases([tmp_path / "one.png"], FIT, 1)
    np.testing.assert_array_equal(canvas, letterbox(image, FIT)[0])


def test_a_video_is_sampled_over_all_its_length(video):
    found = greys(canvases([video], FIT, 4))
    assert found == sorted(found)
    assert np.abs(np.array(found) - [28, 90, 150, 210]).max() < 12


def test_the_same_sources_give_the_same_pictures(video, pictures):
    first, again = (canvases([video, pictures], FIT, 8) for _ in range(2))
    assert len(first) == 8
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda folder: folder / "nowhere", "there is no such picture"),
        (lambda folder: folder, "holds neither pictures nor videos"),
        (lambda folder: written(folder / "empty.jpg", b""), "is no picture that can be read"),
        (lambda folder: written(folder / "broken.png", b"\x89PNG no"), "is no picture that can be read"),
        (lambda folder: written(folder / "broken.mp4", b"no video"), "cannot be read as a video"),
    ],
    ids=["nothing there", "empty folder", "empty picture", "broken picture", "broken video"],
)
def test_what_cannot_be_read_is_named(tmp_path, made, says):
    source = made(tmp_path)
    with pytest.raises(ConfigError, match=says) as raised:
        canvases([source], FIT, 4)
    assert str(source) in str(raised.value)


def written(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("batch", ["any", 1, "none"])
def test_a_net_is_fed_with_what_the_service_would_feed(layout, batch):
    spec = InputSpec(
        name="x", dtype="float32", layout=layout, channels="BGR", size=(64, 32), batch=batch, mean=(1.0, 2.0, 3.0),
        scale=(0.5, 0.25, 0.1),
    )  # fmt: skip
    image = np.random.default_rng(0).integers(0, 256, (50, 80, 3), np.uint8)
    fit = spec.fit.of((80, 50))
    service = InputBatch(spec)
    service.put(0, resize(image, fit.content_wh), fit)
    fed = feeder(spec)([letterbox(image, spec.fit)[0]])
    np.testing.assert_array_equal(fed, service.picture(0) if batch == "none" else service.tensor(0, 1))


@pytest.fixture(scope="module")
def doubling():
    nodes = [helper.make_node("Mul", ["x", "two"], ["y"]), helper.make_node("Relu", ["y"], ["z"])]
    shape = ("batch", 1, 100, 100)
    ports = {"x": (TensorProto.FLOAT, shape)}, {"z": (TensorProto.FLOAT, shape)}
    graph = model(nodes, {"two": np.array(2, np.float32)}, *ports)
    graph.graph.value_info.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, shape))
    return graph


def test_minmax_is_all_that_was_seen(doubling):
    tensors = [np.full((1, 1, 100, 100), value, np.float32) for value in (-3, 1, 5)]
    ranges = measure_ranges(doubling, ["Mul", "Relu"], tensors, Method.MINMAX)
    assert ranges["y"] == (-6, 10)
    assert ranges["z"] == (0, 10)


def test_a_percentile_lets_an_outlier_go(doubling):
    rng = np.random.default_rng(0)
    tensors = [rng.uniform(0, 1, (1, 1, 100, 100)).astype(np.float32) for _ in range(30)]
    tensors[7][0, 0, 0, 0] = 100  # one in 300,000
    assert measure_ranges(doubling, ["Mul", "Relu"], tensors, Method.MINMAX)["z"][1] == 200
    assert 1.9 < measure_ranges(doubling, ["Mul", "Relu"], tensors, Method.PERCENTILE)["z"][1] < 3
