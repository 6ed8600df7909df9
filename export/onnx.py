"""torch → ONNX → model folder, with proof that both say the same. A failed proof writes nothing.

Parity is shown in two tiers. Tensors: names and shapes are those asked for, values differ by less than a tolerance, for
batches of one and more. Meaning: every box that would be shown has a partner of the same class with IoU ≥ 0.99.
"""

from __future__ import annotations

import hashlib
import io
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

OPSET = 18
PARTNER_IOU = 0.99


class ParityError(Exception):
    """The exported graph does not say what the net says; the message names tensor, limit and what was found."""


@dataclass(frozen=True)
class Parity:
    """How close graph and net are: largest difference per output, worst partner's IoU among `objects` shown boxes."""

    largest_difference: Mapping[str, float]
    objects: int
    worst_partner_iou: float
    pictures: int

    def as_dict(self) -> dict[str, object]:
        """For the manifest."""
        return {
            "against": f"torch {torch.__version__} fp32",
            "pictures": self.pictures,
            "largest_difference": {name: float(f"{value:.3g}") for name, value in self.largest_difference.items()},
            "objects": self.objects,
            "worst_partner_iou": round(self.worst_partner_iou, 5),
        }


def to_onnx(net: nn.Module, example: torch.Tensor, input_name: str, output_names: Sequence[str]) -> bytes:
    """The net as one self-contained ONNX graph with a free batch axis; example is a batch of two or more."""
    if len(example) < 2:
        raise ValueError("the example needs two pictures or more: a batch of one would be taken for a fixed axis")
    # A net that trained in channels_last would carry that memory order into the trace.
    net = net.eval().to(memory_format=torch.contiguous_format)
    # It warns about torchvision's absence, and about torch's own use of what torch has deprecated.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        program = _traced(net, example, input_name, output_names)
    buffer = io.BytesIO()
    onnx.save(without_traces(program.model_proto), buffer)
    onnx.checker.check_model(onnx.load_from_string(buffer.getvalue()), full_check=True)
    return buffer.getvalue()


def without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph without the exporter's notes: they hold stack traces, and with them the paths of this machine."""
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info):
        part.doc_string = ""
        del part.metadata_props[:]
    return model


def _traced(
    net: nn.Module, example: torch.Tensor, input_name: str, output_names: Sequence[str]
) -> torch.onnx.ONNXProgram:
    return torch.onnx.export(
        net, (example,), dynamo=True, external_data=False, opset_version=OPSET, verbose=False,
        input_names=[input_name], output_names=list(output_names), dynamic_shapes=({0: torch.export.Dim("batch")},),
    )  # fmt: skip


def check_parity(
    net: nn.Module,
    graph: bytes,
    images: NDArray[np.uint8],
    output_names: Sequence[str],
    limits: Mapping[str, float],
    shown_score: float,
) -> Parity:
    """Run net and graph on the same pictures, uint8 (P, H, W, 3), one by one and all at once. Raises ParityError.

    limits: largest allowed difference per output. Outputs are in the layout "streamer": boxes, scores.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    found = [output.name for output in session.get_outputs()]
    if found != list(output_names):
        raise ParityError(f"outputs: expected {list(output_names)}, the graph has {found}")
    [given] = session.get_inputs()
    net = net.eval()
    with torch.no_grad():
        expected = [tensor.float().numpy() for tensor in net(torch.from_numpy(images))]
    together = session.run(found, {given.name: images})
    singly = [
        np.concatenate(parts)
        for parts in zip(
            *(session.run(found, {given.name: images[i : i + 1]}) for i in range(len(images))), strict=True
        )
    ]
    largest: dict[str, float] = {}
    for name, truth, *others in zip(found, expected, together, singly, strict=True):
        for other in others:
            if other.shape != truth.shape:
                raise ParityError(f"output '{name}': torch gives {truth.shape}, the graph {other.shape}")
            largest[name] = max(largest.get(name, 0.0), float(np.abs(other - truth).max()))
        if not largest[name] <= limits[name]:
            raise ParityError(f"output '{name}': differs by {largest[name]:.3g}, allowed {limits[name]:.3g}")
    worst, objects = _worst_partner(expected, together, shown_score)
    if worst < PARTNER_IOU:
        raise ParityError(
            f"a box that torch shows has no partner in the graph: best IoU {worst:.4f}, at least {PARTNER_IOU} expected"
        )
    return Parity(largest, objects, worst, len(images))


def sha256(graph: bytes) -> str:
    """As the manifest writes it."""
    return hashlib.sha256(graph).hexdigest()


def _worst_partner(
    expected: Sequence[NDArray[np.float32]], found: Sequence[NDArray[np.float32]], score: float
) -> tuple[float, int]:
    worst, objects = 1.0, 0
    for boxes, scores, other_boxes, other_scores in zip(*expected, *found, strict=True):
        shown, other_shown = scores.max(-1) >= score, other_scores.max(-1) >= score * 0.98
        if not shown.any():
            continue
        a, b = boxes[shown], other_boxes[other_shown]
        objects += len(a)
        if not len(b):
            return 0.0, objects
        low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
        shared = np.clip(high - low, 0, None).prod(-1)
        area_a, area_b = (a[:, 2:] - a[:, :2]).prod(-1), (b[:, 2:] - b[:, :2]).prod(-1)
        iou = shared / (area_a[:, None] + area_b[None] - shared)
        same = scores[shown].argmax(-1)[:, None] == other_scores[other_shown].argmax(-1)[None]
        worst = min(worst, float((iou * same).max(1).min()))
    return worst, objects
