"""What a net saw of a picture, pooled under boxes."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.artifacts import OutputSpec
from streamer.detect import OnnxDetector, load_detector
from streamer.fit import InputFit
from streamer.types import Frame, PictureFeatures
from tests.fakes import StillPicture
from tests.onnx_models import BOXES, SCORES, graph_of, manifest_for, write_tiny


def a_frame_for(detector: OnnxDetector, source_wh: tuple[int, int]) -> Frame:
    width, height = detector.input_fit.of(source_wh).content_wh
    image = np.zeros((height, width, 3), np.uint8)
    return Frame("gate", "s", 0, image, source_wh, 0.0, 0.0, 0.0, StillPicture(image))


def features(source_wh: tuple[int, int] = (128, 64)) -> PictureFeatures:
    """A map of 4 × 8 cells on a canvas of 128 × 64 pixels; channel 0 counts columns, channel 1 rows."""
    columns, rows = np.meshgrid(np.arange(8.0), np.arange(4.0))
    fit = InputFit((128, 64)).of(source_wh)
    return PictureFeatures(np.zeros(3, np.float32), np.stack([columns, rows]).astype(np.float32), fit)


@pytest.mark.parametrize(
    ("box", "mean"),
    [
        ((0, 0, 128, 64), (3.5, 1.5)),
        ((16, 16, 48, 48), (1.5, 1.5)),
        ((33, 17, 35, 19), (2.0, 1.0)),  # smaller than a cell: the one that it lies in
        ((100, 40, 500, 500), (6.5, 2.5)),  # beyond the picture
        ((-50, -50, -10, -10), (0.0, 0.0)),  # outside: the nearest cell
    ],
)
def test_a_box_gets_the_mean_of_the_cells_under_it(box: tuple[int, ...], mean: tuple[float, float]) -> None:
    assert features().pool(np.array([box], np.float32))[0] == pytest.approx(mean)


def test_boxes_are_in_source_pixels() -> None:
    # 256 × 128 is halved onto the canvas.
    boxes = np.array([[32, 32, 96, 96], [0, 0, 256, 128]], np.float32)
    assert features((256, 128)).pool(boxes) == pytest.approx(np.array([[1.5, 1.5], [3.5, 1.5]]))


def test_no_boxes_no_rows() -> None:
    assert features().pool(np.zeros((0, 4), np.float32)).shape == (0, 2)


def test_a_detector_hands_on_what_its_net_saw(tmp_path) -> None:
    rng = np.random.default_rng(0)
    embedding, seen = rng.random(5, np.float32), rng.random((3, 2, 2), np.float32)
    graph = graph_of({"boxes": BOXES, "scores": SCORES, "frame_embedding": embedding, "feature_map": seen})
    outputs = (
        *manifest_for(graph).outputs,
        OutputSpec(name="frame_embedding", dtype="float32", shape=("batch", 5)),
        OutputSpec(name="feature_map", dtype="float32", shape=("batch", 3, 2, 2)),
    )
    detector = load_detector(write_tiny(tmp_path / "seeing", graph, outputs=outputs).folder)
    [_, found] = detector.detect([a_frame_for(detector, (64, 64)), a_frame_for(detector, (64, 32))])
    assert found.features is not None
    assert found.features.embedding == pytest.approx(embedding)
    assert found.features.feature_map == pytest.approx(seen)
    assert found.features.fit == detector.input_fit.of((64, 32))
    assert len(found.keep(np.array([0]))) == 1
    assert found.keep(np.array([0])).features is found.features


def test_a_detector_without_such_outputs_hands_on_none(tmp_path) -> None:
    detector = load_detector(write_tiny(tmp_path / "blind").folder)
    [found] = detector.detect([a_frame_for(detector, (64, 64))])
    assert found.features is None
    assert not detector.gives_features
