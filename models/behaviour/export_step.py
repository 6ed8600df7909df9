"""A step net as ONNX with its state outside, proven against torch over 200 carried steps before a byte is written."""

from __future__ import annotations

import io
import logging
import warnings
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from export.onnx import OPSET
from export.parity import ParityError
from export.traces import without_traces
from models.behaviour.step_net import StepNet
from streamer.sessions import OnnxSession

STEPS = 200
LARGEST_DIFFERENCE = 1e-3
"""Of any output after any number of carried steps; spread and prediction in units of the feature's own scale."""


@dataclass(frozen=True)
class StepParity:
    """What the proof measured."""

    reference: str
    steps: int
    rows: int
    largest_difference: dict[str, float]


def step_graph(net: StepNet) -> bytes:
    """The net as one self-contained ONNX graph: features, state → the net's outputs; the batch axis is free."""
    net = net.eval()
    # A batch of one would be taken for a fixed axis.
    example = torch.zeros(3, net.features), net.fresh(3)
    batch = torch.export.Dim("batch")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        program = torch.onnx.export(
            net, example, dynamo=True, external_data=False, opset_version=OPSET, verbose=False,
            input_names=["features", "state"], output_names=list(net.output_names),
            dynamic_shapes=({0: batch}, {0: batch}),
        )  # fmt: skip
    buffer = io.BytesIO()
    onnx.save(without_traces(program.model_proto), buffer)
    onnx.checker.check_model(onnx.load_from_string(buffer.getvalue()), full_check=True)
    return buffer.getvalue()


def check_step_parity(net: StepNet, graph: bytes, features: NDArray[np.float32]) -> StepParity:
    """Carry both states through the same features, float32 (steps, rows, F), each its own. Raises ParityError.

    The rows go through the graph together, and the first one once more alone: answers may not depend on the company.
    """
    if len(features) < STEPS:
        raise ParityError(f"parity needs {STEPS} carried steps or more, got features for {len(features)}")
    net = net.eval()
    session = OnnxSession(graph, "the exported step", "cpu", threads=1)
    names = [output.name for output in session.outputs]
    if names != list(net.output_names):
        raise ParityError(f"outputs: expected {list(net.output_names)}, the graph has {names}")
    rows = features.shape[1]
    mine, theirs, alone = net.fresh(rows), net.fresh(rows).numpy(), net.fresh(1).numpy()
    scale = net.scale[: net.predicted].numpy()
    largest = dict.fromkeys(names, 0.0)
    for given in features:
        with torch.no_grad():
            expected = dict(zip(names, (each.numpy() for each in net(torch.from_numpy(given), mine)), strict=True))
        found = dict(zip(names, session.run(names, {"features": given, "state": theirs}), strict=True))
        single = dict(zip(names, session.run(names, {"features": given[:1], "state": alone}), strict=True))
        for name in names:
            unit = scale if name == "prediction" else np.float32(1)
            for truth, other in ((expected[name], found[name]), (expected[name][:1], single[name])):
                if other.shape != truth.shape or not np.isfinite(other).all():
                    raise ParityError(f"output '{name}': expected finite {truth.shape}, the graph gives {other.shape}")
                largest[name] = max(largest[name], float((np.abs(other - truth) / unit).max(initial=0.0)))
        mine, theirs, alone = torch.from_numpy(expected["next_state"]), found["next_state"], single["next_state"]
    for name, difference in largest.items():
        if not difference <= LARGEST_DIFFERENCE:
            raise ParityError(f"output '{name}': differs by {difference:.3g}, allowed {LARGEST_DIFFERENCE:g}")
    rounded = {name: float(f"{difference:.3g}") for name, difference in largest.items()}
    return StepParity(f"torch {torch.__version__} fp32", len(features), rows, rounded)


def export_step(net: StepNet, features: NDArray[np.float32]) -> tuple[bytes, StepParity]:
    """The graph and its proof; features float32 (steps, rows, F) as the head meets them. Raises ParityError."""
    graph = step_graph(net)
    return graph, check_step_parity(net, graph, features)
