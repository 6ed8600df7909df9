"""Export: what leaves torch is what the net says, and what is not is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.detect import load_detector
from streamer.zoo import zoo_folder

try:
    import torch

    from export.onnx import check_parity, to_onnx
    from export.parity import ParityError
    from models.detector.artifact import DRAFT, LIMITS, write_fp32
    from models.detector.network import CANVAS_WH, LABELS, OUTPUTS, DetectorNet
except ImportError:  # the marker says so
    pass

pytestmark = pytest.mark.needs("torch")


@pytest.fixture(scope="module")
def net() -> DetectorNet:
    torch.set_num_threads(1)
    torch.manual_seed(5)
    made = DetectorNet()
    # Running statistics that are not the identity, so that a graph which lost them would show.
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return made.eval()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, CANVAS_WH[1], CANVAS_WH[0], 3), np.uint8)


@pytest.fixture(scope="module")
def graph(net: DetectorNet, images: np.ndarray) -> bytes:
    return to_onnx(net, torch.from_numpy(images[:2]), "images", OUTPUTS)


def test_graph_and_net_say_the_same_for_one_picture_and_for_many(
    net: DetectorNet, graph: bytes, images: np.ndarray
) -> None:
    parity = check_parity(net, graph, images, OUTPUTS, LIMITS, shown_score=0.005)
    assert parity.objects > 0
    assert parity.worst_partner_iou >= 0.99
    assert set(parity.largest_difference) == set(OUTPUTS)


def test_a_graph_of_other_weights_is_refused(graph: bytes, images: np.ndarray) -> None:
    torch.manual_seed(6)
    with pytest.raises(ParityError, match="output 'boxes': differs by"):
        check_parity(DetectorNet(), graph, images, OUTPUTS, LIMITS, shown_score=0.3)


def test_a_graph_with_other_names_is_refused(net: DetectorNet, graph: bytes, images: np.ndarray) -> None:
    with pytest.raises(ParityError, match=r"expected \['scores', 'boxes'"):
        check_parity(net, graph, images, ("scores", "boxes", *OUTPUTS[2:]), LIMITS, shown_score=0.3)


def test_an_example_of_one_is_refused(net: DetectorNet, images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="two pictures or more"):
        to_onnx(net, torch.from_numpy(images[:1]), "images", OUTPUTS)


def test_the_service_takes_the_folder(net: DetectorNet, graph: bytes, tmp_path: Path) -> None:
    write_fp32(tmp_path / "made", graph, net, DRAFT)
    detector = load_detector(tmp_path / "made")
    assert detector.labels == LABELS
    assert detector.input_fit.canvas_wh == CANVAS_WH


def test_a_graph_tells_nothing_of_the_machine_that_made_it(graph: bytes) -> None:
    bundled = [path.read_bytes() for path in zoo_folder().glob("*/model.onnx")]
    assert bundled
    for content in (graph, *bundled):
        assert b".py" not in content  # the exporter notes a stack trace at every node
