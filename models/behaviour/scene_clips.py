"""Labelled clips as the scene head meets them: features on the grid, from pictures and the detector's embeddings.

A folder holds clips.csv (file, label, source, split; more columns are ignored) and the clips. Every training clip is
read several times, as other cameras might have seen it (scene_views), and so are pieces of ordinary footage. Reading
costs minutes, so the steps are kept in a file that knows what it was made from.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from models.behaviour.scene_footage import Piece
from models.behaviour.scene_views import AS_IT_IS, View, views_of
from streamer.artifacts import load_artifact
from streamer.behaviour.scene_features import SCENE_FEATURES, SceneFeatures
from streamer.capture.convert import DecodedPicture
from streamer.detect.canvas import letterbox
from streamer.detect.session import open_session
from streamer.errors import ArtifactError
from streamer.model_folder import sha256_of

CLIPS_FILE = "clips.csv"
COLUMNS = ("file", "label", "source", "split")
FIGHT, NO_FIGHT = "fight", "noFight"
TRAIN, ORDINARY = "train", "ordinary"
VIEWS = 12
"""Readings of a training clip."""
ANALYSED_S = 0.2
"""The service looks at five pictures a second unless it is told otherwise."""
_NEAR_ENOUGH_S = 1e-3
_WIDEST_PX = 640
"""Larger pictures are made smaller first, as noise and blur are in pixels of such."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Clip:
    """One clip: readings[n] float32 (steps, F), columns as SCENE_FEATURES; perhaps no step where it is very short.

    The first reading is the clip as it is. split: that of clips.csv, or ORDINARY.
    """

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


def gather(folder: Path, detector: Path, kept: Path, footage: Sequence[Piece] = (), views: int = VIEWS) -> list[Clip]:
    """All clips of a folder, in the order of clips.csv, then the footage; read from `kept` where it was made of these.

    Raises ArtifactError that names the file, or the line of clips.csv.
    """
    rows = read_rows(folder)
    asked = [
        *(
            (row["file"], row["label"] == FIGHT, row["source"], row["split"], Piece(folder / row["file"]))
            for row in rows
        ),
        *((f"{each.video.name} at {each.begins_s:.1f} s", each.fights, each.place, ORDINARY, each) for each in footage),
    ]
    embedder = FrameEmbedder(detector)
    made_of = _made_of([repr((file, *about)) for file, *about, _ in asked], embedder.sha256, views)
    if kept.is_file():
        with np.load(kept) as stored:
            if str(stored["made_of"]) == made_of:
                return [
                    Clip(*about, tuple(stored[f"{n}/{k}"] for k in range(int(stored[f"{n}/count"]))))
                    for n, (*about, _) in enumerate(asked)
                ]
    clips = []
    for n, (file, fights, source, split, piece) in enumerate(track(asked, "reading clips")):
        pictures = [(at_s, _narrowed(image)) for at_s, image in pictures_of(piece)]
        random = np.random.default_rng(n)
        count = views if split in (TRAIN, ORDINARY) else 1
        seen_as = views_of([image for _, image in pictures], fights, count, random)
        readings = tuple(reading_of(pictures, embedder, view, random) for view in seen_as)
        clips.append(Clip(file, fights, source, split, readings))
    kept.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"{n}/{k}": each for n, clip in enumerate(clips) for k, each in enumerate(clip.readings)}
    counts = {f"{n}/count": np.array(len(clip.readings)) for n, clip in enumerate(clips)}
    partial = kept.with_suffix(".partial.npz")
    np.savez_compressed(partial, made_of=np.array(made_of), **arrays, **counts)
    partial.replace(kept)
    return clips


def reading_of(
    pictures: Sequence[tuple[float, NDArray[np.uint8]]],
    embedder: FrameEmbedder,
    view: View = AS_IT_IS,
    random: np.random.Generator | None = None,
) -> Floats:
    """Features of a clip, (steps, F), as the service would have them of this view at its usual rate."""
    memory, steps, due_s = SceneFeatures(), [], view.begins_s
    random = random or np.random.default_rng(0)
    for clip_s, image in pictures:
        at_s = clip_s / view.speed
        if at_s < due_s - _NEAR_ENOUGH_S:
            continue
        content, embedding = embedder.look(view.of(image, random))
        steps += [each for _, each in memory.update(at_s - view.begins_s, content, embedding)]
        while due_s <= at_s + _NEAR_ENOUGH_S:
            due_s += ANALYSED_S
    return np.array(steps, np.float32).reshape(-1, len(SCENE_FEATURES))


def pictures_of(piece: Piece) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """(seconds from the piece's beginning, RGB uint8 (H, W, 3)). Raises ArtifactError."""
    for at_s, image in timed_pictures(piece.video):
        if at_s >= piece.ends_s:
            return
        if at_s >= piece.begins_s:
            yield at_s - piece.begins_s, image


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


def _narrowed(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    if width <= _WIDEST_PX:
        return image
    size = _WIDEST_PX, round(_WIDEST_PX * height / width)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _made_of(clips: Sequence[str], detector: str, views: int) -> str:
    """Changes with the clips, the detector, and the code and names of the features."""
    import models.behaviour.scene_views as seen_as
    import streamer.behaviour.scene_features as features
    import streamer.behaviour.scene_motion as motion

    code = [sha256_of(Path(str(each.__file__))) for each in (features, motion, seen_as)]
    parts = [*clips, detector, *code, str(views), *SCENE_FEATURES]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
