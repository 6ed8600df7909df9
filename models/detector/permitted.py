"""The pictures that the bundled detector may learn from, and what is known about each set: licence, labels, weight.

Folders are those of the project's shared data. Sets marked for evaluation only are not here, and neither is any clip or
picture of a validation split: what is reported was never seen.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from models.detector.drawings import drawn_shots
from models.detector.network import LABELS
from models.sets import Shot, caviar_clips, coco_folder

_VEHICLES = frozenset({"car", "bus", "truck"})
_EVERY_CLASS = frozenset(LABELS)


@dataclass(frozen=True)
class PermittedSet:
    """One set. share: of the canvases' pictures that come from it, before normalising.

    complete: classes labelled as good as everywhere, where a teacher's find without a label is only spared; partial:
    classes whose labels are right and have gaps, which the teacher fills; unknown: classes that neither can say. The
    teacher labels all others. asked: the teacher labels here at all; taught: it knows this kind of picture so well
    that its scores are worth distilling. zoomed: it also looks at enlarged quarters. everyday: pictures of any kind, as
    people take them: what false finds are best counted on.
    held_out: says of the n-th picture whether it is kept for choosing, never learned from.
    """

    name: str
    licence: str
    share: float
    shots: Callable[[Path], Iterator[Shot]]
    complete: frozenset[str] = frozenset()
    partial: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    zoomed: bool = False
    asked: bool = True
    taught: bool = True
    everyday: bool = False
    held_out: Callable[[int, Shot], bool] = field(default=lambda n, _: n % 12 == 5)


def _coco(place: str, split: str | None = None) -> Callable[[Path], Iterator[Shot]]:
    return lambda root: iter(coco_folder(root / place, split))


def _bare(place: str) -> Callable[[Path], Iterator[Shot]]:
    def shots(root: Path) -> Iterator[Shot]:
        for path in sorted((root / place / "images").iterdir()):
            image = cv2.imread(str(path))
            if image is not None:
                yield _unlabelled(path.name, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))

    return shots


def _video(place: str, every: int) -> Callable[[Path], Iterator[Shot]]:
    def shots(root: Path) -> Iterator[Shot]:
        for n, image in enumerate(_frames_of(root / place)):
            if n % every == 0:
                yield _unlabelled(f"{Path(place).name} {n}", image)

    return shots


def _fights(root: Path) -> Iterator[Shot]:
    """Every fourth frame of the clips that are not for validation; the clip's source is in the name."""
    with (root / "surv_fight" / "clips.csv").open(encoding="utf-8", newline="") as file:
        clips = [row for row in csv.DictReader(file) if row["split"] == "train"]
    for clip in clips:
        for n, image in enumerate(_frames_of(root / "surv_fight" / clip["file"])):
            if n % 4 == 0:
                yield _unlabelled(f"{clip['source']} {clip['file']} {n}", image)


def _frames_of(video: Path) -> Iterator[NDArray[np.uint8]]:
    """RGB uint8 (H, W, 3), every frame.

    In swscale's colours: of unlabelled HD footage (shop) the service shows others (streamer.capture.convert). What was
    trained so far learned from these; change them only together with a new album.
    """
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def _unlabelled(name: str, image: NDArray[np.uint8]) -> Shot:
    return Shot(name, image, np.zeros((0, 4), np.float32), (), np.zeros(0, np.bool_), frozenset())


def _nothing_kept_back(_: int, __: Shot) -> bool:
    """One place and the same people throughout: any frame kept back would be known."""
    return False


def _sources_kept_back(_: int, shot: Shot) -> bool:
    """Whole sources, because two clips of one source share their place and people."""
    return sum(shot.name.split()[0].encode()) % 12 == 5


PERMITTED = (
    PermittedSet("fights", "MIT (repository); clips cut from public video", 0.24, _fights, zoomed=True,
                 held_out=_sources_kept_back),
    PermittedSet("shop", "CC-BY-4.0", 0.06, _video("videos/nvidia_Retail02_short.mp4", 2), zoomed=True,
                 held_out=_nothing_kept_back),
    PermittedSet("table", "CC-BY-4.0", 0.03, _video("videos/intel_one-by-one-person-detection.mp4", 6),
                 held_out=_nothing_kept_back),
    # Not asked: it takes a chair and a poster for people in every frame, and zones of doubt would hide that.
    PermittedSet("caviar train", "CC-BY-SA (EC Funded CAVIAR project/IST 2001 37540)", 0.15,
                 lambda root: iter(caviar_clips(root / "caviar", "train", 2)), complete=_EVERY_CLASS,
                 asked=False, taught=False,
                 held_out=lambda _, shot: shot.name.startswith(("Split", "Meet_WalkTogether2", "Browse1_f000935"))),
    PermittedSet("coco train half", "CC-BY-4.0 (annotations), pictures by their owners", 0.12,
                 _coco("detection/coco128x2", "train"), complete=_EVERY_CLASS, everyday=True,
                 held_out=lambda n, _: n % 6 == 5),
    PermittedSet("traffic", "CC-BY-4.0", 0.08, _coco("detection/traffic_atl"), complete=_VEHICLES,
                 partial=frozenset({"bicycle"})),
    PermittedSet("vehicles", "CC-BY-4.0 (Open Images)", 0.10, _coco("detection/vehicles_openimages"),
                 partial=_VEHICLES | {"motorcycle"}, everyday=True),
    PermittedSet("indonesia road", "CC-BY-4.0, as its uploader declared", 0.09, _coco("pictures/indonesia_road"),
                 partial=_EVERY_CLASS - {"bicycle"}),
    PermittedSet("robot cam", "CC-BY-4.0, as its uploader declared", 0.07, _coco("pictures/robot_cam"),
                 partial=frozenset({"person"})),
    PermittedSet("coco everyday", "CC-BY-4.0, as its uploader declared", 0.15, _coco("pictures/coco_everyday"),
                 partial=frozenset({"person"}), everyday=True),
    PermittedSet("india road", "CC-BY-4.0, as its uploader declared", 0.04, _coco("pictures/india_road"),
                 partial=frozenset({"car", "motorcycle", "bus"}), unknown=frozenset({"bicycle"})),
    PermittedSet("worksite", "CC-BY-4.0, as its uploader declared", 0.05, _bare("pictures/worksite")),
    PermittedSet("drawn streets", "Apache-2.0, drawn by this project", 0.05, lambda _: drawn_shots(range(100, 190), 8),
                 complete=_EVERY_CLASS, asked=False, taught=False),
)  # fmt: skip
