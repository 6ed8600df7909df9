"""A whole detector of torchvision as one ONNX graph: a picture goes in as it is, boxes, labels and scores come out.

Traced by torch's older exporter (dynamo=False). torch.export, which the newer one builds on, cannot follow these nets:
it stops in torchvision's batched_nms, which asks whether there are more than 4,000 numbers, and whether there are any,
and both depend on the picture (torch 2.13, torchvision 0.28: GuardOnDataDependentSymNode for ssdlite and fcos). For the
older one torchvision carries ways of its own at those places, and symbols for its operators.
"""

from __future__ import annotations

import copy
import io
import warnings
from collections import OrderedDict
from types import MethodType
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import nn

from export.onnx import OPSET
from export.torchvision.operators import import_torchvision
from export.traces import without_traces

torchvision = import_torchvision()

INPUT, OUTPUTS = "images", ("boxes", "labels", "scores")
_FLOOR = "min_score"

Objects = dict[str, torch.Tensor]


class OnePicture(nn.Module):
    """The net as the service feeds it: uint8 (1, H, W, 3) RGB → boxes (N, 4), labels (N,), scores (N,).

    Works on a copy of the net, in which three things are other than torchvision has them and say the same: nothing is
    resized, SSD picks its candidates for all classes at once, and the lowest score is a tensor, so that it can be
    found in the graph.
    """

    def __init__(self, net: nn.Module, canvas_wh: tuple[int, int], min_score: float) -> None:
        super().__init__()
        net = copy.deepcopy(net)
        picks = picker(net)
        del picks.score_thresh
        picks.register_buffer("score_thresh", torch.tensor(min_score, dtype=torch.float32))
        net.transform = _AsItIs(net.transform, canvas_wh)
        if isinstance(net, torchvision.models.detection.ssd.SSD):
            net.postprocess_detections = MethodType(_pick_from_all_classes, net)
        self.net = net

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        [found] = self.net([images[0].permute(2, 0, 1).float() / 255])
        return tuple(found[name] for name in OUTPUTS)


def picker(net: nn.Module) -> nn.Module:
    """The part of the net that leaves out what scores too little; it has `score_thresh`."""
    part = getattr(net, "roi_heads", net)
    assert isinstance(part, nn.Module)
    return part


def as_graph(net: nn.Module, canvas_wh: tuple[int, int], min_score: float) -> bytes:
    """The net as a self-contained ONNX graph for canvases of that size, without what scores min_score or less."""
    example = torch.randint(0, 256, (1, canvas_wh[1], canvas_wh[0], 3), dtype=torch.uint8)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # That it is the older exporter, and that a trace keeps the canvas's size: both are meant.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            OnePicture(net, canvas_wh, min_score).eval(), (example,), buffer, dynamo=False, opset_version=OPSET,
            input_names=[INPUT], output_names=list(OUTPUTS), dynamic_axes={name: {0: "objects"} for name in OUTPUTS},
        )  # fmt: skip
    model = without_traces(onnx.load_from_string(buffer.getvalue()))
    [floor] = [tensor for tensor in model.graph.initializer if tensor.name.endswith("score_thresh")]
    _rename(model, floor.name, _FLOOR)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def with_min_score(graph: bytes, min_score: float) -> bytes:
    """The same graph with another lowest score."""
    model = onnx.load_from_string(graph)
    [floor] = [tensor for tensor in model.graph.initializer if tensor.name == _FLOOR]
    floor.CopyFrom(numpy_helper.from_array(torch.tensor(min_score, dtype=torch.float32).numpy(), _FLOOR))
    return bytes(model.SerializeToString())


class _AsItIs(nn.Module):
    """In place of torchvision's GeneralizedRCNNTransform: the picture has its size already and is normalised only."""

    def __init__(self, original: Any, canvas_wh: tuple[int, int]) -> None:
        super().__init__()
        self._hw = (canvas_wh[1], canvas_wh[0])
        self.register_buffer("mean", torch.tensor(original.image_mean)[:, None, None])
        self.register_buffer("deviation", torch.tensor(original.image_std)[:, None, None])

    def forward(self, images: list[torch.Tensor], _targets: None = None) -> tuple[Any, None]:
        [image] = images
        batch = ((image - self.mean) / self.deviation)[None]
        return torchvision.models.detection.image_list.ImageList(batch, [self._hw]), None

    def postprocess(self, found: list[Objects], *_sizes: object) -> list[Objects]:
        """Boxes are in pixels of the picture already."""
        return found


def _pick_from_all_classes(
    net: Any, gave: dict[str, torch.Tensor], anchors: list[torch.Tensor], picture_hw: list[tuple[int, int]]
) -> list[Objects]:
    """SSD.postprocess_detections for one picture: the same candidates, without a loop over the classes.

    The loop makes 90 times the same dozen nodes: ssdlite takes 21.6 ms with it and 17.1 without (processor time of one
    thread of a busy 2-core EPYC, 2026-11).
    """
    ops = torchvision.ops
    boxes = ops.clip_boxes_to_image(net.box_coder.decode_single(gave["bbox_regression"][0], anchors[0]), picture_hw[0])
    by_class = gave["cls_logits"][0].softmax(-1).T[1:]
    # With nought in the place of most, picking the highest is quick: nearly nothing ever enters the heap.
    by_class = torch.where(by_class > net.score_thresh, by_class, 0.0)
    best, rows = by_class.topk(min(net.topk_candidates, by_class.shape[1]), dim=1)
    classes, places = torch.where(best > net.score_thresh)
    scores, boxes, labels = best[classes, places], boxes[rows[classes, places]], classes + 1
    keep = ops.batched_nms(boxes, scores, labels, net.nms_thresh)[: net.detections_per_img]
    return [OrderedDict(boxes=boxes[keep], labels=labels[keep], scores=scores[keep])]


def _rename(model: onnx.ModelProto, old: str, new: str) -> None:
    """Give a tensor of the graph another name, wherever it is used."""
    for tensor in model.graph.initializer:
        if tensor.name == old:
            tensor.name = new
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name == old:
                node.input[i] = new
