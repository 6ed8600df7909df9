"""Model folders, manifests and graphs with something wrong in them: an ArtifactError or a model that runs."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from streamer.artifacts import read_manifest
from streamer.behaviour.head_artifact import read_head_manifest
from streamer.detect.classifier_artifact import read_classifier_manifest
from streamer.detect.detector import load_detector
from streamer.errors import ArtifactError, InferenceError
from streamer.model_folder import GRAPH_FILE
from streamer.model_kinds import MANIFEST_FILE
from tests.fakes import a_frame
from tests.fuzz.mutations import mutated_bytes, mutated_json
from tests.onnx_models import write_tiny

ROOT = Path(__file__).resolve().parents[3]
_CLASSIFIER: dict[str, Any] = {
    "schema": "streamer.classifier/1", "name": "who", "sha256": "0" * 64, "labels": ["a", ""],
    "input": {"name": "x", "dtype": "float32", "layout": "NCHW", "channels": "RGB", "size": [32, 32]},
    "output": "y", "gives": "logits", "opset": 17, "licence": "MIT",
}  # fmt: skip


class Manifests:
    """read_manifest, read_head_manifest, read_classifier_manifest: a manifest or an ArtifactError."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / MANIFEST_FILE
        zoo = ROOT / "models" / "zoo"
        self._sound = [
            (read_manifest, _short(zoo / "lookout")),
            (read_head_manifest, _short(zoo / "gait")),
            (read_classifier_manifest, _CLASSIFIER),
        ]

    def try_one(self, rng: random.Random) -> bool:
        """One manifest, wrong as a value or as bytes."""
        read, body = rng.choice(self._sound)
        content = json.dumps(mutated_json(rng, body)).encode("utf-8", "surrogatepass")
        self._file.write_bytes(mutated_bytes(rng, content, 3) if rng.random() < 0.3 else content)
        try:
            read(self._file)
        except ArtifactError:
            return False
        return True

    def close(self) -> None:
        """Nothing is open."""


class ModelFiles:
    """A graph whose bytes are wrong under a hash that is right: refused, or it answers as a detector does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "model"
        write_tiny(self._folder)
        self._graph = (self._folder / GRAPH_FILE).read_bytes()
        self._manifest = json.loads((self._folder / MANIFEST_FILE).read_text(encoding="utf-8"))

    def try_one(self, rng: random.Random) -> bool:
        """Open it and let it look at one picture."""
        graph = mutated_bytes(rng, self._graph, 3)
        (self._folder / GRAPH_FILE).write_bytes(graph)
        manifest = {**self._manifest, "sha256": hashlib.sha256(graph).hexdigest()}
        (self._folder / MANIFEST_FILE).write_text(json.dumps(manifest), encoding="utf-8")
        try:
            detector = load_detector(self._folder)
            detector.warm_up()  # as every start does
            [found] = detector.detect([a_frame(image=np.zeros((32, 32, 3), np.uint8))])
        except (ArtifactError, InferenceError):
            return False
        if not (np.isfinite(found.boxes_xyxy).all() and np.isfinite(found.scores).all()):
            raise AssertionError("a detection that is no number went through")
        return True

    def close(self) -> None:
        """Leave nothing."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _short(folder: Path) -> dict[str, Any]:
    """The manifest without its long stories, which nobody reads by machine."""
    body: dict[str, Any] = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    return {**body, **{key: {} for key in ("provenance", "parity", "metrics") if key in body}}
