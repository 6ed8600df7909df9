"""Labelled clips as the scene head meets them: features on the grid, from pictures and the detector's embeddings.

A folder holds clips.csv (file, label, source, split; more columns are ignored) and the clips. Every clip is read
several times, each time from a little later on, as an analysed camera would happen to sample it. Reading costs minutes,
so the steps are kept in a file that knows what it was made from.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from streamer.artifacts import load_artifact, sha256_of
from streamer.behaviour.scene_features import SCENE_FEATURES, SceneFeatures
from streamer.capture.convert import DecodedPicture
from streamer.detect.canvas import letterbox
from streamer.detect.session import open_session
from streamer.errors import ArtifactError

CLIPS_FILE = "clips.csv"
COLUMNS = ("file", "label", "source", "split")
FIGHT, NO_FIGHT = "fight", "noFight"
BEGINS_S = (0.0, 0.05, 0.1, 0.15)
"""Where in a clip the readings begin; the first one is the clip as it is."""
ANALYSED_S = 0.2
"""The service looks at five pictures a second unless it is told otherwise."""
_NEAR_ENOUGH_S = 1e-3

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Clip:
    """One clip: readings[n] float32 (steps, F), columns as SCENE_FEATURES; perhaps no step where it is very short."""

    file: str
    fights: bool
    source: str
    split: str
    readings: tuple[Floats, ...]


class FrameEmbedder:
    """The detector's embedding of whole pictures, computed as the service does it. Raises as open_session."""

    def __init__(self, folder: Path) -> None:
        artifact = load_artifact(folder)
        self.sha256, self.fit = artifact.manifest.sha256, artifact.manifest.input.fit
        self._input = artifact.manifest.input.name
        if artifact.manifest.layout != "streamer":
            raise ArtifactError(f"{folder}: a detector of layout '{artifact.manifest.layout}' gives no frame embedding")
        self._session = open_session(artifact, "cpu", 1)

    def look(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Floats]:
        """Any RGB picture → its content at the detector's size, uint8 (h, w, 3), and embedding float32 (160,)."""
        canvas, fit = letterbox(image, self.fit)
        [embedding] = self._session.run(["frame_embedding"], {self._input: canvas[None]})
        (x, y), (w, h) = fit.offset_xy, fit.content_wh
        return canvas[y : y + h, x : x + w], np.asarray(embedding[0], np.float32)


def gather(folder: Path, detector: Path, kept: Path, begins_s: Sequence[float] = BEGINS_S) -> list[Clip]:
    """All clips of a folder, in the order of clips.csv; read from `kept` where that was made of the same things.

    Raises ArtifactError that names the file, or the line of clips.csv.
    """
    rows = read_rows(folder)
    embedder = FrameEmbedder(detector)
    made_of = _made_of(folder, embedder.sha256, begins_s)
    if kept.is_file():
        with np.load(kept) as stored:
            if str(stored["made_of"]) == made_of:
                return [_clip(row, [stored[f"{n}/{k}"] for k in range(len(begins_s))]) for n, row in enumerate(rows)]
    clips = [_clip(row, readings_of(folder / row["file"], embedder, begins_s)) for row in track(rows, "reading clips")]
    kept.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"{n}/{k}": each for n, clip in enumerate(clips) for k, each in enumerate(clip.readings)}
    partial = kept.with_suffix(".partial.npz")
    np.savez_compressed(partial, made_of=np.array(made_of), **arrays)
    partial.replace(kept)
    return clips


def readings_of(video: Path, embedder: FrameEmbedder, begins_s: Sequence[float]) -> list[Floats]:
    """Features of a clip per reading, (steps, F) each.

    Only the first reading's pictures are shown to the detector: the others take the embedding that was last known.
    """
    memories = [SceneFeatures() for _ in begins_s]
    steps: list[list[Floats]] = [[] for _ in begins_s]
    due_s = [*begins_s]
    embedding: Floats | None = None
    for at_s, image in timed_pictures(video):
        wanted = [n for n, due in enumerate(due_s) if at_s >= due - _NEAR_ENOUGH_S]
        if not wanted:
            continue
        if 0 in wanted or embedding is None:
            content, embedding = embedder.look(image)
        else:
            canvas, fit = letterbox(image, embedder.fit)
            (x, y), (w, h) = fit.offset_xy, fit.content_wh
            content = canvas[y : y + h, x : x + w]
        for n in wanted:
            steps[n] += [each for _, each in memories[n].update(at_s - begins_s[n], content, embedding)]
            while due_s[n] <= at_s + _NEAR_ENOUGH_S:
                due_s[n] += ANALYSED_S
    return [np.array(each, np.float32).reshape(-1, len(SCENE_FEATURES)) for each in steps]


def timed_pictures(video: Path) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """(seconds from the first picture, RGB uint8 (H, W, 3)) of all pictures. Raises ArtifactError."""
    began_s: float | None = None
    try:
        with av.open(str(video)) as container:
            if not container.streams.video:
                raise ArtifactError(f"{video}: holds no video")
            for frame in container.decode(video=0):
                if frame.time is None:
                    raise ArtifactError(f"{video}: has a picture without a time stamp")
                began_s = frame.time if began_s is None else began_s
                yield frame.time - began_s, DecodedPicture(frame).rgb()
    except (OSError, av.error.FFmpegError) as error:
        raise ArtifactError(f"{video}: cannot be read as a video: {error}") from error


def read_rows(folder: Path) -> list[dict[str, str]]:
    """The lines of clips.csv, checked. Raises ArtifactError."""
    path = folder / CLIPS_FILE
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path}: cannot be read: {error}") from error
    if not rows:
        raise ArtifactError(f"{path}: names no clip; expected a line with {', '.join(COLUMNS)}, then one per clip")
    for n, row in enumerate(rows, 2):
        if missing := [name for name in COLUMNS if not row.get(name)]:
            raise ArtifactError(f"{path}, line {n}: has no {', '.join(missing)}")
        if row["label"] not in (FIGHT, NO_FIGHT):
            raise ArtifactError(f"{path}, line {n}: label must be '{FIGHT}' or '{NO_FIGHT}'; found '{row['label']}'")
        if not (folder / row["file"]).is_file():
            raise ArtifactError(f"{path}, line {n}: {folder / row['file']} is not there")
    return rows


def _clip(row: dict[str, str], readings: Sequence[Floats]) -> Clip:
    return Clip(row["file"], row["label"] == FIGHT, row["source"], row["split"], tuple(readings))


def _made_of(folder: Path, detector: str, begins_s: Sequence[float]) -> str:
    """Changes with the clips' list, the detector, and the code and names of the features."""
    import streamer.behaviour.scene_features as features
    import streamer.behaviour.scene_motion as motion

    code = [sha256_of(Path(str(each.__file__))) for each in (features, motion)]
    parts = [sha256_of(folder / CLIPS_FILE), detector, *code, str(tuple(begins_s)), *SCENE_FEATURES]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
