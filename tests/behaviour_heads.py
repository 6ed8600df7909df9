"""A tiny behaviour head with an ONNX graph built by hand, and the same net in numpy: what a test holds the runtime to.

state' = state / 2 + features · A;  probs, attention, movement, context = softmax(state' · W);
prediction = the leading features as they are;  spread = 0.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from streamer.behaviour.features import FEATURES, STEP_S
from streamer.behaviour.head_artifact import HeadArtifact, HeadManifest
from streamer.behaviour.motion import MOTION
from streamer.behaviour.step_session import StepSession
from streamer.model_folder import write_model_folder

LABELS = ("walking", "running", "fallen")
STATE, ATTENTION = 5, 4
WIDTHS = {"probs": len(LABELS), "attention": ATTENTION, "movement": 4, "context": 4}


class TinyNet:
    """The net in numpy; its weights come from the seed."""

    def __init__(self, features: int = len(FEATURES), predicted: int = len(MOTION), seed: int = 0, probs: int = 3):
        rng = np.random.default_rng(seed)
        self.features, self.predicted = features, predicted
        self.into = rng.normal(size=(features, STATE)).astype(np.float32) * 0.3
        self.out = {
            name: rng.normal(size=(STATE, probs if name == "probs" else width)).astype(np.float32)
            for name, width in WIDTHS.items()
        }

    def step(self, features: NDArray[np.float32], state: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        after = state / 2 + features @ self.into
        outputs = {name: softmax(after @ weights) for name, weights in self.out.items()}
        prediction = features[:, : self.predicted]
        return outputs | {"prediction": prediction, "spread": np.zeros_like(prediction), "next_state": after}

    def graph(self, task: str = "track", **declared: tuple[int | str, ...]) -> bytes:
        """The same as ONNX; declared replaces the shapes that the graph states for its inputs and outputs."""
        constants = {"into": self.into, "half": np.float32(0.5), "nought": np.float32(0)}
        constants |= {"from": np.array([0]), "to": np.array([self.predicted]), "axis": np.array([1])}
        nodes = [
            helper.make_node("Mul", ["state", "half"], ["faded"]),
            helper.make_node("MatMul", ["features", "into"], ["come"]),
            helper.make_node("Add", ["faded", "come"], ["next_state"]),
            helper.make_node("Slice", ["features", "from", "to", "axis"], ["prediction"]),
            helper.make_node("Mul", ["prediction", "nought"], ["spread"]),
        ]
        shapes: dict[str, tuple[int | str, ...]] = {
            "features": ("batch", self.features),
            "state": ("batch", STATE),
            "next_state": ("batch", STATE),
            "prediction": ("batch", self.predicted),
            "spread": ("batch", self.predicted),
        }
        for name, weights in self.out.items():
            if task == "scene" and name in ("movement", "context"):
                continue
            constants[f"{name}_weights"] = weights
            nodes.append(helper.make_node("MatMul", ["next_state", f"{name}_weights"], [f"{name}_raw"]))
            nodes.append(helper.make_node("Softmax", [f"{name}_raw"], [name], axis=1))
            shapes[name] = ("batch", weights.shape[1])
        shapes |= declared
        infos = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()}
        inputs = [infos.pop("features"), infos.pop("state")]
        initials = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
        graph = helper.make_graph(nodes, "tiny", inputs, list(infos.values()), initials)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())


def softmax(raw: NDArray[np.float32]) -> NDArray[np.float32]:
    raised = np.exp(raw - raw.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def manifest_for(graph: bytes, **changes: Any) -> HeadManifest:
    """A good manifest of a tiny track head; keys can be replaced."""
    values: dict[str, Any] = {
        "name": "tiny",
        "task": "track",
        "sha256": hashlib.sha256(graph).hexdigest(),
        "step_s": STEP_S,
        "features": FEATURES,
        "predicted": MOTION,
        "labels": LABELS,
        "state_width": STATE,
        "attention_steps": ATTENTION,
        "opset": 18,
        "licence": "Apache-2.0",
    }
    return HeadManifest(**(values | changes))


def write_tiny_head(
    folder: Path, net: TinyNet | None = None, graph: bytes | None = None, **changes: Any
) -> HeadArtifact:
    """A head's folder; the manifest's keys can be replaced."""
    graph = graph or (net or TinyNet()).graph(changes.get("task", "track"))
    return write_model_folder(manifest_for(graph, **changes), graph, folder)


def tiny_session(folder: Path, net: TinyNet | None = None, **changes: Any) -> StepSession:
    """The same, opened."""
    return StepSession(write_tiny_head(folder, net, **changes))


SCENE_NAMES = ("embedded", "brightness", "motion")


class Brightness:
    """A PictureSteps of three features on the grid: whether there is an embedding, mean luma, and its change."""

    def __init__(self) -> None:
        self._next, self._last = 0, 0.0

    def update(
        self, at_s: float, image: NDArray[np.uint8], embedding: NDArray[np.float32] | None
    ) -> list[tuple[float, NDArray[np.float32]]]:
        due = []
        now = float(image.mean()) / 255
        while self._next * STEP_S <= at_s + 1e-6:
            row = np.array([embedding is not None, now, now - self._last], np.float32)
            due.append((self._next * STEP_S, row))
            self._last, self._next = now, self._next + 1
        return due


def tiny_scene_session(folder: Path, **changes: Any) -> StepSession:
    """A scene head that looks at Brightness."""
    keys: dict[str, Any] = {
        "task": "scene",
        "name": "tiny-scene",
        "features": SCENE_NAMES,
        "predicted": SCENE_NAMES,
        "labels": ("fight", "peace"),
    }
    return tiny_session(folder, TinyNet(3, 3, probs=2), **(keys | changes))
