"""A detector's graph, opened and held to its manifest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.artifacts import Artifact, Manifest
from streamer.errors import ArtifactError
from streamer.onnx_opset import refuse_other_opset
from streamer.onnx_session import OnnxSession, Provider, TensorInfo, compare


def open_session(artifact: Artifact, provider: Provider, threads: int) -> OnnxSession:
    """The artifact's graph, opened and held to its manifest. Raises as OnnxSession; a mismatch names both sides."""
    named, manifest = str(artifact.graph_path), artifact.manifest
    graph = artifact.read_graph()
    refuse_other_opset(graph, manifest.opset, named)
    session = OnnxSession(graph, named, provider, threads)
    if problems := differences(session, manifest):
        raise ArtifactError(f"{named}: the graph is not what its manifest says:\n  " + "\n  ".join(problems))
    return session


def differences(session: OnnxSession, manifest: Manifest) -> list[str]:
    """Where graph and manifest disagree, one sentence each, both sides named."""
    spec = manifest.input
    problems = []
    if [each.name for each in session.inputs] != [spec.name]:
        found = ", ".join(f"'{each.name}'" for each in session.inputs)
        problems.append(f"inputs: the manifest expects one, '{spec.name}'; the graph has {found}")
    else:
        problems += compare("input", TensorInfo(spec.name, spec.dtype, spec.shape), session.inputs[0])
    there = {each.name: each for each in session.outputs}
    for output in manifest.outputs:
        if output.name in there:
            problems += compare("output", TensorInfo(output.name, output.dtype, output.shape), there[output.name])
        else:
            names = ", ".join(f"'{name}'" for name in there)
            problems.append(f"outputs: the manifest expects '{output.name}'; the graph has {names}")
    return problems


def as_float32(tensor: NDArray[Any]) -> NDArray[Any]:
    """Floats as float32 (half precision ends at the net's door), integers as they are."""
    return tensor.astype(np.float32, copy=False) if tensor.dtype.kind == "f" else tensor
