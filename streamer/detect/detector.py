"""One ONNX detector for all cameras: pictures into a batch, one run, boxes back to source pixels."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.artifacts import Artifact, Manifest, Thresholds, load_artifact
from streamer.detect.canvas import InputBatch
from streamer.detect.layouts import Candidates, layout_of
from streamer.detect.nms import nms
from streamer.detect.on_device.batch import DeviceBatch, DeviceBatches
from streamer.detect.session import as_float32, open_session
from streamer.errors import ArtifactError, InferenceError
from streamer.fit import Fit, InputFit
from streamer.model_signature import PublicKey
from streamer.sessions import Device, Provider, may_be, written
from streamer.sessions.batch_sizes import Run
from streamer.sessions.providers import Precision
from streamer.stages import nothing
from streamer.types import Detections, Frame, PictureFeatures

Tensors = dict[str, NDArray[Any]]

_log = logging.getLogger("streamer.detect")

_ONE = np.float32(1)
_SPOILED_TOLD = 5
_FEATURES = ("frame_embedding", "feature_map")
"""Outputs that any net may have: float (B, E) and (B, C, h, w), see types.PictureFeatures."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Where a detector's time went so far; every number only rises.

    prepare_s: pictures into the batch; run_s: inside session.run, run_cpu_s: the calling thread's CPU time of it (all
    of it with one thread); decode_s: outputs to detections. strange_rows: boxes given up because they held NaN or
    infinity; spoiled_frames: frames that count as empty because the outputs did not fit together.
    """

    frames: int = 0
    runs: int = 0
    prepare_s: float = 0.0
    run_s: float = 0.0
    run_cpu_s: float = 0.0
    decode_s: float = 0.0
    strange_rows: int = 0
    spoiled_frames: int = 0

    def __add__(self, other: Timings) -> Timings:
        """Both together."""
        return Timings(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


def load_detector(
    folder: Path,
    *,
    provider: Provider = "cpu",
    threads: int = 1,
    device: Device = None,
    precision: Precision = "as_exported",
    least_score: float = 0.0,
    trusted: Sequence[PublicKey] = (),
) -> OnnxDetector:
    """The detector in a model folder, verified against its manifest; device: see sessions.Device.

    least_score: boxes that nobody will look at need not be compared; the manifest's own floor stays where it is higher.
    trusted: who may have signed it; with none it need not be signed.

    Raises ArtifactError (the folder is not what it says), ConfigError (what runs it is not installed), InferenceError
    (the configured provider cannot be had). Call warm_up() before the first frame: creating a session and the first run
    are slow, and hold the interpreter.
    """
    return OnnxDetector(load_artifact(folder, trusted), provider, threads, device, precision, least_score)


def asked_for(manifest: Manifest, least_score: float) -> Manifest:
    """The manifest of a detector of which scores from least_score on are wanted, see load_detector."""
    if manifest.thresholds.min_score >= (floor := min(least_score, manifest.thresholds.track_score)):
        return manifest
    thresholds = manifest.thresholds.model_copy(update={"min_score": floor})
    return manifest.model_copy(update={"thresholds": thresholds})


class OnnxDetector:
    """stages.Detector on an ONNX graph. detect() may be called from any thread; calls wait for each other."""

    def __init__(
        self,
        artifact: Artifact,
        provider: Provider = "cpu",
        threads: int = 1,
        device: Device = None,
        precision: Precision = "as_exported",
        least_score: float = 0.0,
    ) -> None:
        manifest = asked_for(artifact.manifest, least_score)
        self.model_name, self.model_hash = manifest.name, manifest.sha256
        self.thresholds: Thresholds = manifest.thresholds
        self.labels: tuple[str, ...] = manifest.labels
        self.input_fit: InputFit = manifest.input.fit
        self._where = str(artifact.graph_path)
        self._manifest, self._input = manifest, manifest.input
        self._layout = layout_of(manifest)
        self._session = open_session(artifact, provider, threads, device, precision)
        roles = {o.as_role for o in manifest.outputs}
        self.gives_features = roles.issuperset(_FEATURES)
        wanted = (*self._layout.uses, *(_FEATURES if self.gives_features else ()))
        read = [o for o in manifest.outputs if o.as_role in wanted]
        self._output_names, self._output_roles = [o.name for o in read], [o.as_role for o in read]
        self._batch = InputBatch(manifest.input, memory=self._session.buffer)
        self._on_device = DeviceBatches(manifest.input, self._session.memory)
        self._timings = Timings()
        self._one_at_a_time = threading.Lock()

    @property
    def timings(self) -> Timings:
        """Where the time went so far."""
        return self._timings

    @property
    def run_seconds_total(self) -> float:
        """Wall seconds spent inside session.run so far."""
        return self._timings.run_s

    def detect(self, frames: Sequence[Frame], before_run: Callable[[], None] = nothing) -> list[Detections]:
        """One Detections per frame, boxes in source pixels; before_run: see stages.Detector. Raises InferenceError."""
        with self._one_at_a_time:
            began = time.perf_counter()
            fits = [self.input_fit.of(frame.source_wh) for frame in frames]
            batch = self._filled(frames, fits)
            prepared = time.perf_counter()
            if frames:
                before_run()
            found: list[Detections] = []
            run_s = run_cpu_s = 0.0
            strange = spoiled = runs = 0
            for first, n, padded in self._runs(len(frames)):
                run_began, cpu_began = time.perf_counter(), time.thread_time()
                tensors = self._run(batch, first, padded)
                run_cpu_s += time.thread_time() - cpu_began
                run_s += time.perf_counter() - run_began
                runs += 1
                for picture in range(n):
                    try:
                        detections, rejected = self._read(tensors, picture, fits[first + picture])
                    except (ValueError, IndexError) as error:
                        detections, rejected = Detections.none(self.labels), 0
                        self._note_spoiled(frames[first + picture], error)
                        spoiled += 1
                    strange += rejected
                    found.append(detections)
            so_far = self._timings
            self._timings = Timings(
                frames=so_far.frames + len(frames),
                runs=so_far.runs + runs,
                prepare_s=so_far.prepare_s + prepared - began,
                run_s=so_far.run_s + run_s,
                run_cpu_s=so_far.run_cpu_s + run_cpu_s,
                decode_s=so_far.decode_s + time.perf_counter() - prepared - run_s,
                strange_rows=so_far.strange_rows + strange,
                spoiled_frames=so_far.spoiled_frames + spoiled,
            )
            return found

    def _read(self, tensors: Tensors, picture: int, fit: Fit) -> tuple[Detections, int]:
        """What one picture's share of the outputs says, and how many rows were given up. Raises ValueError, IndexError
        where the outputs do not fit together."""
        candidates = self._layout.decode(tensors, picture)
        rows, highest = len(candidates.scores), int(candidates.class_ids.max(initial=-1))
        if candidates.boxes_xyxy.shape != (rows, 4) or candidates.class_ids.shape != (rows,):
            raise ValueError(f"{rows} scores, boxes {written(candidates.boxes_xyxy.shape)}")
        if highest >= len(self.labels):
            raise ValueError(f"class {highest}, and there are {len(self.labels)} labels")
        candidates, rejected = _finite(candidates)
        detections = self._detections(candidates, fit)
        if self.gives_features:
            detections = replace(detections, features=_features(tensors, picture, fit))
        return detections, rejected

    def _note_spoiled(self, frame: Frame, error: Exception) -> None:
        """A net that answers one frame with nonsense answers many: each is counted, a few are told."""
        count = self._timings.spoiled_frames
        if count < _SPOILED_TOLD or count % 1000 == 0:
            _log.error(
                "camera %r, frame %d: what the model gave cannot be read, the frame counts as empty: %s",
                *(frame.camera, frame.index, error),
                extra={"camera": frame.camera, "event": "frame_spoiled"},
            )

    def warm_up(self) -> None:
        """Run on noise, so that the first frame finds everything allocated, and check what only a run can show.

        Raises ArtifactError where the outputs' real shapes are not the manifest's, or a score lies outside [0, 1].
        """
        noise = np.random.default_rng(0).integers(0, 256, (*self.input_fit.canvas_wh[::-1], 3), np.uint8)
        whole = Fit(self.input_fit.canvas_wh, self.input_fit.canvas_wh, self.input_fit.canvas_wh, (0, 0))
        with self._one_at_a_time:
            # Two pictures as well: a graph may call its batch axis free and still hold a 1 in some reshape.
            for n in sorted({1, 2, *self._session.batch_sizes.sizes}) if self._input.batch == "any" else (1,):
                for slot in range(n):
                    self._batch.put(slot, noise, whole)
                try:
                    tensors = self._run(self._batch, 0, n)
                except InferenceError as error:
                    many = f" with {n} pictures; set input.batch to 1 if it takes one only" if n > 1 else ""
                    raise ArtifactError(f"{self._where}: cannot be run{many}: {error}") from error
                self._check_shapes(tensors, n)
                for picture in range(n):
                    try:
                        self._check_scores(self._layout.decode(tensors, picture))
                        self._read(tensors, picture, whole)
                    except (ValueError, IndexError) as error:
                        raise ArtifactError(f"{self._where}: its outputs do not fit together: {error}") from error

    def _runs(self, n_frames: int) -> list[Run]:
        """As few as the session is prepared for, or one by one where the graph takes one picture."""
        if self._input.batch == "any":
            return self._session.batch_sizes.runs(n_frames)
        return [Run(slot, 1, 1) for slot in range(n_frames)]

    def _filled(self, frames: Sequence[Frame], fits: Sequence[Fit]) -> InputBatch | DeviceBatch:
        """The net's input with these frames in it, on the device where all of them are there."""
        if on_device := self._on_device.filled(frames, fits):
            return on_device
        for slot, (frame, fit) in enumerate(zip(frames, fits, strict=True)):
            try:
                self._batch.put(slot, frame.image, fit)
            except ValueError as error:
                raise InferenceError(f"camera '{frame.camera}', frame {frame.index}: {error}") from error
        return self._batch

    def _run(self, batch: InputBatch | DeviceBatch, first: int, n: int) -> Tensors:
        feed = batch.picture(first) if self._input.batch == "none" else batch.tensor(first, n)
        tensors = self._session.run(self._output_names, {self._input.name: feed})
        return {role: as_float32(tensor) for role, tensor in zip(self._output_roles, tensors, strict=True)}

    def _detections(self, candidates: Candidates, fit: Fit) -> Detections:
        if not len(candidates.scores):
            return Detections.none(self.labels)
        limits = self.thresholds
        if limits.nms_iou is None:
            rows = np.argsort(-candidates.scores, kind="stable")[: limits.max_objects]
        else:
            rows = nms(
                candidates.boxes_xyxy, candidates.scores, candidates.class_ids, limits.nms_iou, limits.max_objects
            )
        boxes = fit.to_source(candidates.boxes_xyxy[rows])
        # What lies in the padding alone has no area in the picture.
        larger_than_0 = boxes[:, 2:] > boxes[:, :2]
        if not larger_than_0.all():
            has_area = larger_than_0.all(axis=1)
            boxes, rows = boxes[has_area], rows[has_area]
        # Half precision may round a score to a hair above 1.
        scores = np.minimum(candidates.scores[rows], _ONE)
        return Detections(boxes, scores, candidates.class_ids[rows], self.labels)

    def _check_shapes(self, tensors: Tensors, n: int) -> None:
        for output in self._manifest.outputs:
            if output.as_role not in tensors:
                continue
            real: tuple[int, ...] = tensors[output.as_role].shape
            wanted = tuple(n if i == 0 and self._input.batch == "any" else axis for i, axis in enumerate(output.shape))
            if not may_be(wanted, real):
                raise ArtifactError(
                    f"{self._where}: output '{output.name}': the manifest expects {written(wanted)} for {n} "
                    f"picture{'s' if n > 1 else ''}, a run gave {written(real)}"
                )

    def _check_scores(self, candidates: Candidates) -> None:
        highest = float(np.nanmax(candidates.scores, initial=0.0))
        if highest > 1.01:
            raise ArtifactError(
                f"{self._where}: scores must lie in [0, 1]; a run gave {highest:.3g}. The graph seems to lack its "
                f"sigmoid, or its layout is not '{self._manifest.layout}'"
            )


def _features(tensors: Tensors, picture: int, fit: Fit) -> PictureFeatures:
    return PictureFeatures(tensors["frame_embedding"][picture], tensors["feature_map"][picture], fit)


def _finite(candidates: Candidates) -> tuple[Candidates, int]:
    """The rows without NaN and infinity, and how many others there were."""
    scores, boxes = np.isfinite(candidates.scores), np.isfinite(candidates.boxes_xyxy)
    if scores.all() and boxes.all():
        return candidates, 0
    good = scores & boxes.all(axis=1)
    rejected = len(good) - int(np.count_nonzero(good))
    return Candidates(candidates.boxes_xyxy[good], candidates.scores[good], candidates.class_ids[good]), rejected
