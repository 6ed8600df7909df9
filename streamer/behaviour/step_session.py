"""One step of a recurrent head on ONNX Runtime: features and states in, what the net says and the next states out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from streamer.behaviour.head_artifact import HeadArtifact, HeadManifest, Names, check_features
from streamer.errors import ArtifactError, InferenceError
from streamer.onnx_opset import refuse_other_opset
from streamer.sessions import OnnxSession, TensorInfo, compare

Floats = NDArray[np.float32]
Outputs = Mapping[str, Floats]


class StepSession:
    """An opened head on one thread of the CPU; 200 tracks are a millisecond's work, no GPU would be faster.

    step() may be called from any thread and releases the interpreter while it computes.
    """

    def __init__(self, head: HeadArtifact) -> None:
        """Open the head's graph and hold it to the manifest. Raises ArtifactError; ConfigError without ONNX Runtime."""
        self.manifest: HeadManifest = head.manifest
        self._where = str(head.graph_path)
        graph = head.read_graph()
        refuse_other_opset(graph, self.manifest.opset, self._where)
        self._session = OnnxSession(graph, self._where, "cpu", threads=1)
        if problems := _differences(self._session, self.manifest):
            raise ArtifactError(f"{self._where}: the graph is not what its manifest says:\n  " + "\n  ".join(problems))
        self._names = list(self.manifest.graph_outputs)

    def step(self, features: Floats, state: Floats) -> Outputs:
        """One step of every row: float32 (m, F), (m, S) → outputs by name, float32 (m, …). Raises InferenceError."""
        tensors = self._session.run(self._names, {"features": features, "state": state})
        return dict(zip(self._names, tensors, strict=True))

    def warm_up(self) -> None:
        """Run once on nothing, so that the first frame finds everything allocated, and see what only a run can show.

        Two rows, as a graph may call its batch axis free and still hold a 1 in some reshape. Raises ArtifactError.
        """
        inputs = self.manifest.graph_inputs
        try:
            outputs = self.step(*(np.zeros((2, int(inputs[name][1])), np.float32) for name in ("features", "state")))
        except InferenceError as error:
            raise ArtifactError(f"{self._where}: cannot be run on two rows: {error}") from error
        for name, shape in self.manifest.graph_outputs.items():
            if outputs[name].shape != (2, shape[1]) or not np.isfinite(outputs[name]).all():
                raise ArtifactError(
                    f"{self._where}: output '{name}' of two fresh rows: expected finite values of shape "
                    f"(2, {shape[1]}), the graph gives {outputs[name].shape}"
                )


def open_step(head: HeadArtifact, runtime_features: Names) -> StepSession:
    """The head, opened, warmed up, and made for the features that this version computes. Raises as StepSession."""
    check_features(head.manifest, runtime_features, str(head.folder))
    session = StepSession(head)
    session.warm_up()
    return session


def _differences(session: OnnxSession, manifest: HeadManifest) -> list[str]:
    """Where graph and manifest disagree, one sentence each; outputs that no head has are not asked for."""
    sides = (("input", manifest.graph_inputs, session.inputs), ("output", manifest.graph_outputs, session.outputs))
    problems = []
    for kind, expected, found in sides:
        there = {each.name: each for each in found}
        if missing := [name for name in expected if name not in there]:
            problems.append(f"{kind}s: the manifest expects {_quoted(missing)} too; the graph has {_quoted(there)}")
        if kind == "input" and (surplus := [name for name in there if name not in expected]):
            problems.append(f"inputs: the graph asks for {_quoted(surplus)}, which a head does not get")
        for name, shape in expected.items():
            if name in there:
                problems += compare(kind, TensorInfo(name, "float32", shape), there[name])
    return problems


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
