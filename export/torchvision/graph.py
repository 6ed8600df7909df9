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

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from export.onnx import OPSET
from export.torchvision.drawings import pictures
from export.torchvision.operators import import_torchvision
from export.traces import without_traces

torchvision = import_torchvision()

INPUT, OUTPUTS = "images", ("boxes", "labels", "scores")
_FLOOR, _PROPOSAL_FLOOR = "min_score", "min_proposal_score"

Objects = dict[str, torch.Tensor]


class OnePicture(nn.Module):
    """The net as the service feeds it: uint8 (1, H, W, 3) RGB → boxes (N, 4), labels (N,), scores (N,).

    Works on a copy of the net, in which four things are other than torchvision has them: nothing is resized; SSD picks
    its candidates for all classes at once; boxes are read from proposals in one way, however many there are; and the
    lowest scores, of objects and of proposals, are tensors below 0, so that a trace has something to see, and that they
    can be found in the graph and set there.
    """

    def __init__(self, net: nn.Module, canvas_wh: tuple[int, int]) -> None:
        super().__init__()
        net = copy.deepcopy(net)
        # Two values: the exporter makes one tensor of equal ones.
        picks = picker(net)
        for part, lower_than_all in ((picks, -0.25), (getattr(net, "rpn", None), -0.5)):
            if part is not None:
                del part.score_thresh
                part.register_buffer("score_thresh", torch.tensor(lower_than_all))
        if picks is not net:
            picks.box_coder.decode = MethodType(_decode, picks.box_coder)
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
    example = torch.from_numpy(pictures(canvas_wh, n=1)[0])[None]
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # That it is the older exporter, and that a trace keeps the canvas's size: both are meant.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            OnePicture(net, canvas_wh).eval(), (example,), buffer, dynamo=False, opset_version=OPSET,
            input_names=[INPUT], output_names=list(OUTPUTS), dynamic_axes={name: {0: "objects"} for name in OUTPUTS},
        )  # fmt: skip
    model = without_traces(onnx.load_from_string(buffer.getvalue()))
    floors = [tensor.name for tensor in model.graph.initializer if tensor.name.endswith("score_thresh")]
    for name in floors:
        of_proposals = name.endswith("rpn.score_thresh")
        _rename(model, name, _PROPOSAL_FLOOR if of_proposals else _FLOOR)
        if of_proposals:
            _set(model, _PROPOSAL_FLOOR, net.rpn.score_thresh)
    _set(model, _FLOOR, min_score)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def with_min_score(graph: bytes, min_score: float) -> bytes:
    """The same graph with another lowest score."""
    model = onnx.load_from_string(graph)
    _set(model, _FLOOR, min_score)
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


def _decode(coder: Any, codes: torch.Tensor, proposals: list[torch.Tensor]) -> torch.Tensor:
    """BoxCoder.decode: float (N, 4 × classes), boxes float (N, 4) → float (N, classes, 4).

    torchvision goes two ways, for some proposals and for none. A trace keeps one of them, and would fail on the first
    picture that needs the other: a dark one, where the proposals of the 320 net score too little.
    """
    boxes: torch.Tensor = coder.decode_single(codes, torch.cat(proposals))
    return boxes.reshape(-1, codes.shape[1] // 4, 4)


def _set(model: onnx.ModelProto, name: str, value: float) -> None:
    """Give an initial tensor of one number another value."""
    [tensor] = [each for each in model.graph.initializer if each.name == name]
    tensor.CopyFrom(numpy_helper.from_array(np.array(value, np.float32), name))


def _rename(model: onnx.ModelProto, old: str, new: str) -> None:
    """Give a tensor of the graph another name, wherever it is used."""
    for tensor in model.graph.initializer:
        if tensor.name == old:
            tensor.name = new
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name == old:
                node.input[i] = new
