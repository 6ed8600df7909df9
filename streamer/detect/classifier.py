"""A classifier of crops: what is in each of many windows of pictures, in one run."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.detect.canvas import InputBatch, resize
from streamer.detect.classifier_artifact import ClassifierArtifact, load_classifier
from streamer.errors import ArtifactError, InferenceError
from streamer.model_signature import PublicKey
from streamer.onnx_opset import refuse_other_opset
from streamer.sessions import OnnxSession, TensorInfo, compare

Crop = NDArray[np.uint8]
Floats = NDArray[np.float32]


def open_classifier(folder: Path, trusted: Sequence[PublicKey] = ()) -> Classifier:
    """The classifier in a folder, verified and warmed up; trusted: who may have signed it, none: it need not be.

    Raises ArtifactError, ConfigError.
    """
    classifier = Classifier(load_classifier(folder, trusted))
    classifier.warm_up()
    return classifier


class Classifier:
    """An opened classifier on one thread of the CPU. classify() may be called from any thread; calls wait."""

    def __init__(self, artifact: ClassifierArtifact) -> None:
        """Open the graph and hold it to its manifest. Raises ArtifactError; ConfigError without ONNX Runtime."""
        self._manifest = manifest = artifact.manifest
        self.name, self.labels, self.margin = manifest.name, manifest.labels, manifest.margin
        self._where = str(artifact.graph_path)
        graph = artifact.read_graph()
        refuse_other_opset(graph, manifest.opset, self._where)
        self._session = OnnxSession(graph, self._where, "cpu", threads=1)
        if problems := self._differences():
            raise ArtifactError(f"{self._where}: the graph is not what its manifest says:\n  " + "\n  ".join(problems))
        self._batch = InputBatch(manifest.input)
        self._one_at_a_time = threading.Lock()

    def classify(self, crops: Sequence[Crop]) -> Floats:
        """float32 (N, labels), probabilities; crops uint8 (h, w, 3) RGB of any size. Raises InferenceError."""
        if not crops:
            return np.zeros((0, len(self.labels)), np.float32)
        spec = self._manifest.input
        with self._one_at_a_time:
            for slot, crop in enumerate(crops):
                fit = spec.fit.of((crop.shape[1], crop.shape[0]))
                self._batch.put(slot, resize(crop, fit.content_wh), fit)
            runs = [(0, len(crops))] if spec.batch == "any" else [(slot, 1) for slot in range(len(crops))]
            told = [
                self._session.run([self._manifest.output], {spec.name: self._batch.tensor(first, n)})[0]
                for first, n in runs
            ]
        scores = np.concatenate(told).astype(np.float32)
        if scores.shape != (len(crops), len(self.labels)):
            raise InferenceError(
                f"{self._where}: gave {scores.shape} for {len(crops)} crops, expected one row each of "
                f"{len(self.labels)} labels"
            )
        return scores if self._manifest.gives == "probabilities" else _softmax(scores)

    def warm_up(self) -> None:
        """Run on two crops, and see what only a run can show. Raises ArtifactError."""
        noise = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
        try:
            told = self.classify(list(noise))
        except InferenceError as error:
            raise ArtifactError(f"{self._where}: cannot be run: {error}") from error
        if not (np.isfinite(told).all() and (told > -1e-3).all() and np.allclose(told.sum(axis=1), 1, atol=1e-2)):
            raise ArtifactError(
                f"{self._where}: probabilities of a crop must sum to 1; a run gave {told[0].round(3).tolist()}. "
                'Set "gives": "logits" if the graph lacks its softmax'
            )

    def _differences(self) -> list[str]:
        spec, wanted = self._manifest.input, self._manifest.output
        problems = []
        if [each.name for each in self._session.inputs] != [spec.name]:
            found = ", ".join(f"'{each.name}'" for each in self._session.inputs)
            problems.append(f"inputs: the manifest expects one, '{spec.name}'; the graph has {found}")
        else:
            problems += compare("input", TensorInfo(spec.name, spec.dtype, spec.shape), self._session.inputs[0])
        output = next((each for each in self._session.outputs if each.name == wanted), None)
        if output is None:
            names = ", ".join(f"'{each.name}'" for each in self._session.outputs)
            problems.append(f"outputs: the manifest expects '{wanted}'; the graph has {names}")
        return problems


def _softmax(logits: Floats) -> Floats:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = raised / raised.sum(axis=1, keepdims=True)
    return shares
