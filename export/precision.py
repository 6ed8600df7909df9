"""A float32 model folder → the same model in half precision or in int8, proved.

The graph is converted, held to the original in three tiers (`parity`), and written with the numbers of that proof in
its manifest. A tier that fails writes nothing.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime
from pydantic import JsonValue

from export.calibration import Canvas, Method, feeder
from export.fp16 import headroom, to_fp16
from export.int8 import to_int8
from export.limits import INT8, Limits
from export.parity import Meaning, Parity, ParityError, Task, Tensors, prove
from export.speaker import Speaker
from streamer.artifacts import Artifact, Manifest, load_artifact
from streamer.detect import OnnxDetector
from streamer.errors import ArtifactError
from streamer.model_folder import write_model_folder
from streamer.onnx_opset import default_opset

_LEAST_HEADROOM = 4.0
_TIMED_RUNS = 25
_COMPARED_PICTURES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a converted graph is held to: pictures on the net's canvas that it was not calibrated on, limits, a task."""

    pictures: Sequence[Canvas]
    limits: Limits
    task: Task | None = None


def convert_to_fp16(reference: Artifact, proof: Proof, out: Path) -> tuple[Artifact, Parity]:
    """Write the folder in half precision. Raises ParityError, and ArtifactError where the net does not allow it.

    Where the reference runs on a processor in float32, an overflow would pass unseen: feature maps must stay four times
    below the largest number of half precision on the proof's pictures.
    """
    graph = reference.read_graph()
    try:
        halved = to_fp16(graph)
    except ValueError as error:
        raise ArtifactError(f"{reference.folder}: cannot be put into half precision: {error}") from error
    feed = feeder(reference.manifest.input)
    room = headroom(graph, [feed([picture]) for picture in proof.pictures])
    if room < _LEAST_HEADROOM:
        raise ParityError(
            f"{reference.folder} in fp16: feature maps come within a factor of {room:.2g} of where half precision "
            f"overflows, at least {_LEAST_HEADROOM:g} needed; nothing was written"
        )
    return _write(reference, halved, "fp16", proof, out, {"headroom": round(room, 1)})


def convert_to_int8(
    reference: Artifact, calibration: Sequence[Canvas], proof: Proof, out: Path, method: Method | None = None
) -> tuple[Artifact, Parity]:
    """Write the folder in int8, calibrated on these canvases. Raises ParityError, and ArtifactError as above.

    Without method every one is tried, and the one whose boxes and scores stay nearest on the calibration pictures wins.
    """
    graph, spec = reference.read_graph(), reference.manifest.input
    try:
        if method is None:
            tried = {each: to_int8(graph, calibration, spec, each) for each in Method}
            fits = {each: _fit(reference, made, calibration) for each, made in tried.items()}
            method = max(fits, key=lambda each: fits[each])
            made = tried[method]
        else:
            made = to_int8(graph, calibration, spec, method)
    except ValueError as error:
        raise ArtifactError(f"{reference.folder}: cannot be put into int8: {error}") from error
    notes: dict[str, JsonValue] = {"calibration": method.value, "calibration_pictures": len(calibration)}
    return _write(reference, made, "int8", proof, out, notes)


def run_cpu_ms(folders: Sequence[Path], runs: int = _TIMED_RUNS) -> dict[Path, float]:
    """Milliseconds of processor time of one run with one picture on one thread, the median.

    Folders take turns, so that they share what else this machine does.
    """
    speakers = {folder: Speaker(load_artifact(folder)) for folder in folders}
    w, h = next(iter(speakers.values())).manifest.input.size
    noise = np.random.default_rng(0).integers(0, 256, (h, w, 3), np.uint8)
    spent: dict[Path, list[float]] = {folder: [] for folder in folders}
    for turn in range(runs + 3):
        for folder, speaker in speakers.items():
            began = time.thread_time()
            speaker.say([noise])
            if turn >= 3:
                spent[folder].append(time.thread_time() - began)
    return {folder: 1000 * float(np.median(times)) for folder, times in spent.items()}


def _described(reference: Artifact, graph: bytes, precision: Literal["fp16", "int8"]) -> Manifest:
    """The manifest of the same model in another precision, before anything was measured of it."""
    old = reference.manifest
    return old.model_copy(
        update={
            "name": f"{old.name}-{precision}"[:100],
            "sha256": hashlib.sha256(graph).hexdigest(),
            "precision": precision,
            "opset": default_opset(graph, f"{old.name} in {precision}"),
            "parity": {},
            "metrics": {},
        }
    )


def _write(
    reference: Artifact,
    graph: bytes,
    precision: Literal["fp16", "int8"],
    proof: Proof,
    out: Path,
    notes: Mapping[str, JsonValue],
) -> tuple[Artifact, Parity]:
    manifest = _described(reference, graph, precision)
    with tempfile.TemporaryDirectory() as scratch:
        draft = write_model_folder(manifest, graph, Path(scratch) / manifest.name)
        try:
            parity = prove(reference.folder, draft.folder, proof.pictures, proof.limits, proof.task)
        except ParityError as error:
            raise ParityError(f"{reference.folder} in {precision}: {error}; nothing was written") from error
        ms = run_cpu_ms([reference.folder, draft.folder])
    made_from: dict[str, JsonValue] = {
        "name": reference.manifest.name,
        "sha256": reference.manifest.sha256,
        "onnxruntime": onnxruntime.__version__,
        **notes,
    }
    timed = {"fp32": ms[reference.folder], precision: ms[draft.folder]}
    final = manifest.model_copy(
        update={
            "provenance": {**reference.manifest.provenance, "converted_from": made_from},
            "parity": parity.as_dict(),
            "metrics": {"run_cpu_ms_one_thread": {key: round(value, 2) for key, value in timed.items()}},
        }
    )
    # The service itself must take what was written.
    return write_model_folder(final, graph, out, prove=lambda made: OnnxDetector(made).warm_up()), parity


def _fit(reference: Artifact, graph: bytes, pictures: Sequence[Canvas]) -> float:
    """How near a graph stays to the reference; higher is nearer."""
    some = pictures[:: max(1, len(pictures) // _COMPARED_PICTURES)]
    tensors, meaning = Tensors(INT8), Meaning(INT8)
    with tempfile.TemporaryDirectory() as scratch:
        draft = write_model_folder(_described(reference, graph, "int8"), graph, Path(scratch) / "draft")
        here, there = Speaker(reference), Speaker(draft)
        for picture in some:
            expected, found = here.say([picture]), there.say([picture])
            tensors.compare(expected, found)
            meaning.compare(here.shown(expected), there.candidates(found))
    if not meaning.ious:
        return -sum(tensors.relative.values())
    return float(np.mean(meaning.ious)) - float(np.mean(meaning.score_differences or [1.0]))
