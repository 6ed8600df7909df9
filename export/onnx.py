"""torch → ONNX, with proof that both say the same (see `parity`). A failed proof writes nothing."""

from __future__ import annotations

import hashlib
import io
import logging
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from export.limits import Limits
from export.parity import Meaning, Parity, ParityError, Tensors
from export.traces import without_traces
from streamer.detect.layouts import Candidates
from streamer.sessions import OnnxSession

OPSET = 18


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

    limits: largest allowed difference per output. Outputs are in the layout "streamer": boxes and scores among them;
    shown is what scores shown_score or more, and each of it needs a partner of its class with IoU 0.99.
    """
    session = OnnxSession(graph, "the exported graph", "cpu", threads=1)
    found = [output.name for output in session.outputs]
    if found != list(output_names):
        raise ParityError(f"outputs: expected {list(output_names)}, the graph has {found}")
    [given] = session.inputs
    net = net.eval()
    with torch.no_grad():
        expected = dict(zip(found, (each.float().numpy() for each in net(torch.from_numpy(images))), strict=True))
    allowed = Limits(differences=limits)
    tensors, meaning = Tensors(allowed), Meaning(allowed)
    tensors.compare(expected, dict(zip(found, session.run(found, {given.name: images}), strict=True)))
    for i in range(len(images)):
        single = dict(zip(found, session.run(found, {given.name: images[i : i + 1]}), strict=True))
        truth = {name: tensor[i : i + 1] for name, tensor in expected.items()}
        tensors.compare(truth, single)
        meaning.compare(_scoring(truth, shown_score), _scoring(single, max(0.0, shown_score - allowed.score_slack)))
    tensors.judge()
    meaning.judge()
    return Parity.of(f"torch {torch.__version__} fp32", len(images), tensors, meaning)


def sha256(graph: bytes) -> str:
    """As the manifest writes it."""
    return hashlib.sha256(graph).hexdigest()


def _scoring(outputs: Mapping[str, NDArray[np.float32]], at_least: float) -> Candidates:
    """The boxes of a run's first picture whose best class scores at least so much."""
    boxes, scores = outputs["boxes"][0], outputs["scores"][0]
    rows = np.flatnonzero(scores.max(-1) >= at_least)
    return Candidates(boxes[rows], scores[rows].max(-1), scores[rows].argmax(-1))
