"""One step of a recurrent head on ONNX Runtime: features and states in, what the net says and the next states out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.behaviour.head_artifact import HeadArtifact, HeadManifest, Names, Shapes, check_features
from streamer.errors import ArtifactError, ConfigError, InferenceError

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
        ort, self._failures = _onnxruntime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except self._failures as error:
            raise ArtifactError(
                f"{self._where}: ONNX Runtime {ort.__version__} cannot open it: {_said(error)}"
            ) from error
        problems = _differences("inputs", self.manifest.graph_inputs, self._session.get_inputs())
        problems += _differences("outputs", self.manifest.graph_outputs, self._session.get_outputs())
        if problems:
            raise ArtifactError(f"{self._where}: the graph is not what its manifest says:\n  " + "\n  ".join(problems))
        self._names = list(self.manifest.graph_outputs)

    def step(self, features: Floats, state: Floats) -> Outputs:
        """One step of every row: float32 (m, F), (m, S) → outputs by name, float32 (m, …). Raises InferenceError."""
        try:
            tensors = self._session.run(self._names, {"features": features, "state": state})
        except self._failures as error:
            raise InferenceError(
                f"{self._where}: failed on features {features.shape}, state {state.shape}: {_said(error)}"
            ) from error
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


def _differences(what: str, expected: Shapes, found: list[Any]) -> list[str]:
    there = {each.name: each for each in found}
    problems = []
    if missing := [name for name in expected if name not in there]:
        problems.append(f"{what}: the manifest expects {_quoted(missing)} too; the graph has {_quoted(there)}")
    if what == "inputs" and (surplus := [name for name in there if name not in expected]):
        problems.append(f"inputs: the graph asks for {_quoted(surplus)}, which a head does not get")
    for name, shape in expected.items():
        if name not in there:
            continue
        tensor = there[name]
        if tensor.type != "tensor(float)":
            problems.append(f"{what}: '{name}' should be tensor(float), the graph has {tensor.type}")
        free = [axis for axis in tensor.shape[:1] if isinstance(axis, int)]
        if len(tensor.shape) != 2 or free or (isinstance(tensor.shape[1], int) and tensor.shape[1] != shape[1]):
            problems.append(f"{what}: '{name}' should be (batch, {shape[1]}), the graph has {tuple(tensor.shape)}")
    return problems


def _quoted(names: Any) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _onnxruntime() -> tuple[Any, tuple[type[Exception], ...]]:
    """The module, and its own exceptions, which share no base class."""
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state
    except ImportError as error:
        raise ConfigError([f"ONNX Runtime is not installed ({error}): pip install 'streamer[cpu]'"]) from error
    own = [each for each in vars(state).values() if isinstance(each, type) and issubclass(each, Exception)]
    return onnxruntime, (*own, RuntimeError, ValueError)


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:500] if lines else type(error).__name__
