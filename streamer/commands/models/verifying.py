"""`streamer models verify`: everything that the service checks before its first frame."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from streamer.artifacts import Manifest, load_artifact
from streamer.behaviour.features import FEATURES
from streamer.behaviour.head_artifact import load_head
from streamer.behaviour.scene_features import SCENE_FEATURES
from streamer.behaviour.step_session import StepSession, open_step
from streamer.catalogue import read_catalogue
from streamer.commands.models.naming import folder_of
from streamer.commands.models.signing import Keys, trusted_by
from streamer.detect import OnnxDetector, load_detector
from streamer.detect.classifier import open_classifier
from streamer.errors import ArtifactError
from streamer.model_folder import content_of
from streamer.model_kinds import HEADS, MANIFEST_FILE, kind_of
from streamer.model_signature import refuse_unsigned
from streamer.types import Frame


def add_action(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this action beside the others."""
    parser = actions.add_parser(
        "verify",
        help="hash, graph and a run on noise; exit 3 with both sides of a mismatch",
        description="Everything that the service checks before its first frame, and how long a frame takes here. A "
        "model that was pulled is held to the catalogue's hash as well. A behaviour head is held to the features that "
        "this version computes, and always runs on one thread of the processor.",
    )
    parser.add_argument("model", type=Path, metavar="NAME|FOLDER", help="a bundled or pulled model, or a model folder")
    parser.add_argument("--provider", choices=("cpu", "cuda", "tensorrt"), default="cpu")
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        metavar="KEY",
        help="a public key of OpenSSH, a file or its line: the model must be signed by it, or by one of several",
    )
    parser.add_argument("--threads", type=int, default=1, help="threads for one run (default 1)")
    parser.set_defaults(handler=_verify)


def _verify(args: argparse.Namespace) -> int:
    folder, trusted = folder_of(args.model), trusted_by(args.trust)
    if trusted:
        signer = refuse_unsigned(folder, content_of(folder / MANIFEST_FILE), trusted)
        print(f"signature  by {signer.fingerprint}")
    if kind_of(folder) in HEADS:
        _verify_head(folder, trusted)
    elif kind_of(folder) == "classifier":
        open_classifier(folder, trusted)
    else:
        _verify_detector(folder, args, trusted)
    print(f"{folder}: good")
    return 0


def _verify_head(folder: Path, trusted: Keys) -> None:
    head = load_head(folder, trusted)
    m = head.manifest
    print(f"files      model.onnx and manifest.json, schema {m.format}")
    print(f"hash       sha256 {m.sha256}")
    session = open_step(head, FEATURES if m.task == "track" else SCENE_FEATURES)
    print(f"features   the {len(m.features)} that this version computes, in their order")
    print(f"graph      inputs, outputs and opset {m.opset} as the manifest says")
    print("run        on two fresh rows: shapes as promised, values finite")
    print(f"speed      {_timed_steps(session)} on cpu, 1 thread")


def _verify_detector(folder: Path, args: argparse.Namespace, trusted: Keys) -> None:
    artifact = load_artifact(folder, trusted)
    print(f"files      model.onnx and manifest.json, schema version {artifact.manifest.schema_version}")
    print(f"hash       sha256 {artifact.manifest.sha256}")
    if published := _as_published(folder, artifact.manifest):
        print(f"catalogue  {published}")
    detector = load_detector(folder, provider=args.provider, threads=args.threads, trusted=trusted)
    print(f"graph      inputs, outputs and opset {artifact.manifest.opset} as the manifest says")
    detector.warm_up()
    print("run        on noise: shapes as promised, scores in [0, 1]")
    timing = _timed(detector)
    print(f"speed      {timing} on {args.provider}, {args.threads} thread{'s' if args.threads > 1 else ''}")


def _as_published(folder: Path, manifest: Manifest) -> str | None:
    """A line about a pulled model, None for others: a manifest and graph replaced together still match each other.

    Raises ArtifactError where the folder says that it was pulled and holds another file than the catalogue names.
    """
    entry = read_catalogue().get(str(manifest.provenance.get("catalogue", "")))
    if not entry:
        return None
    if entry.sha256 != manifest.sha256:
        raise ArtifactError(
            f"{folder}: says that it was pulled as '{entry.name}', but the catalogue of this version names sha256 "
            f"{entry.sha256} and the folder holds {manifest.sha256}: pull it anew into another folder, with --to"
        )
    return f"the published file of '{entry.name}', {entry.licence}"


def _timed(detector: OnnxDetector, rounds: int = 20) -> str:
    w, h = detector.input_fit.canvas_wh
    image = np.random.default_rng(1).integers(0, 256, (h, w, 3), np.uint8)
    frame = Frame("verify", "verify", 0, image, (w, h), 0.0, 0.0, 0.0, _Noise(image))
    began = time.perf_counter()
    for _ in range(rounds):
        detector.detect([frame])
    whole_s, t = time.perf_counter() - began, detector.timings
    return (
        f"{whole_s / rounds * 1e3:.1f} ms per frame: prepare {t.prepare_s / t.frames * 1e3:.2f}, "
        f"run {t.run_s / t.frames * 1e3:.2f}, decode {t.decode_s / t.frames * 1e3:.2f}"
    )


def _timed_steps(session: StepSession, rounds: int = 100) -> str:
    m = session.manifest
    rows, watched = (200, "200 tracks") if m.task == "track" else (1, "one camera")
    features = np.random.default_rng(1).normal(size=(rows, len(m.features))).astype(np.float32)
    state = np.zeros((rows, m.state_width), np.float32)
    began = time.perf_counter()
    for _ in range(rounds):
        state = session.step(features, state)["next_state"]
    whole_s = time.perf_counter() - began
    return f"{whole_s / rounds * 1e3:.2f} ms per step of {watched}, every {m.step_s:g} s,"


class _Noise:
    def __init__(self, image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
        self._image = image

    def rgb(self) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return self._image
