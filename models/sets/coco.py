"""A folder with annotations.json in COCO form and images/."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from models.sets.shot import Shot, Shots, corners, cut, outside
from streamer.errors import ArtifactError


def _as_text(given: object) -> object:
    """Some writers quote their ids in one table and not in the other, or write 1.0 for 1."""
    if isinstance(given, float) and given.is_integer():
        return str(int(given))
    return str(given) if isinstance(given, int) else given


_Id = Annotated[str, BeforeValidator(_as_text)]


class _Image(BaseModel):
    id: _Id
    file_name: Annotated[str, Field(min_length=1)]
    width: int | None = None
    height: int | None = None
    split: str | None = None

    @property
    def stated_wh(self) -> tuple[int, int] | None:
        return (self.width, self.height) if self.width and self.height else None


class _Annotation(BaseModel):
    id: _Id = "?"
    image_id: _Id
    category_id: _Id
    bbox: Annotated[list[float], Field(min_length=4, max_length=4)]
    iscrowd: int | None = 0
    ignore: int | None = 0  # not COCO's own, but widely written


class _Category(BaseModel):
    id: _Id
    name: Annotated[str, Field(min_length=1)]


class _Coco(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def coco_folder(folder: Path, split: str | None = None, labelled: Collection[str] | None = None) -> Shots:
    """FOLDER/annotations.json with FOLDER/images/; split: only the pictures whose own `split` says so.

    labelled: the classes that are labelled completely, where the file's categories promise more than its pictures hold.
    file_name is looked for under images/, in the folder itself, and under images/ without its own sub-folders.
    iscrowd (or ignore) makes a box ignored. A picture is turned as its EXIF asks, unless the size that the file states
    is that of the picture as it lies. Raises ArtifactError.
    """
    file = folder / "annotations.json"
    coco = _read(folder, file)
    names = {each.id: each.name for each in coco.categories}
    if twice := [key for key, n in Counter(each.id for each in coco.images).items() if n > 1]:
        raise ArtifactError(f"{file}: two images have the id {twice[0]}; each needs its own")
    images = _of_split(coco.images, split, file)
    boxes, notes = _boxes_by_image(coco, names, file)
    paths = _paths(folder, images)
    for each in images:
        if each.stated_wh:
            _held_to(each.stated_wh, boxes.get(each.id, ()), file)
    known = frozenset(names.values()) if labelled is None else frozenset(labelled)

    def walk() -> Iterator[Shot]:
        for each in images:
            image = _read_picture(paths[each.id], each)
            rows, xyxy = _held_to((image.shape[1], image.shape[0]), boxes.get(each.id, ()), file)
            ignored = np.array([bool(row.iscrowd or row.ignore) for row in rows], np.bool_)
            yield Shot(each.file_name, image, xyxy, tuple(names[row.category_id] for row in rows), ignored, known)

    return Shots(len(images), walk, notes)


def _read(folder: Path, file: Path) -> _Coco:
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        raise ArtifactError(f"{folder}: {found}; expected a folder with annotations.json (COCO form) and images/")
    try:
        return _Coco.model_validate(json.loads(file.read_text(encoding="utf-8-sig")))
    except OSError as error:
        said = error.strerror or error
        raise ArtifactError(
            f"{file}: cannot be read ({said}); expected a folder with annotations.json and images/"
        ) from error
    except ValidationError as error:
        problem, more = error.errors(include_url=False)[0], error.error_count() - 1
        where = ".".join(map(str, problem["loc"]))
        if not where:
            raise ArtifactError(f"{file}: not in COCO form: no object with images, annotations, categories") from error
        also = f" (and {more} more)" if more else ""
        raise ArtifactError(f"{file}: not in COCO form: {where}: {problem['msg']}{also}") from error
    except (ValueError, RecursionError) as error:  # no text, no JSON
        raise ArtifactError(f"{file}: not JSON: {error}") from error


def _of_split(images: list[_Image], split: str | None, file: Path) -> list[_Image]:
    chosen = [each for each in images if split is None or each.split == split]
    if chosen:
        return chosen
    if split is None:
        raise ArtifactError(f"{file}: lists no images")
    there = sorted({each.split for each in images if each.split is not None})
    has = f"there are {', '.join(there)}" if there else "its images name no split"
    raise ArtifactError(f"{file}: no image of the split '{split}'; {has}")


def _boxes_by_image(
    coco: _Coco, names: Mapping[str, str], file: Path
) -> tuple[dict[str, list[_Annotation]], tuple[str, ...]]:
    """Annotations by image id, and a sentence for each kind that was let pass."""
    images = {each.id for each in coco.images}
    boxes: defaultdict[str, list[_Annotation]] = defaultdict(list)
    homeless = flat = 0
    for each in coco.annotations:
        where = f"{file}: annotation {each.id}"
        if each.category_id not in names:
            raise ArtifactError(f"{where}: category_id {each.category_id} is not among the categories")
        if not all(map(math.isfinite, each.bbox)) or min(each.bbox[2:]) < 0:
            raise ArtifactError(
                f"{where}: bbox {list(each.bbox)} is no box; expected [left, top, width, height] in pixels"
            )
        if each.image_id not in images:
            homeless += 1
        elif min(each.bbox[2:]) == 0:  # COCO itself has a few
            flat += 1
        else:
            boxes[each.image_id].append(each)
    if homeless and homeless == len(coco.annotations):
        raise ArtifactError(f"{file}: not one annotation's image_id is among the ids of its images")
    notes = []
    if homeless:
        notes.append(f"{homeless} annotation(s) of images that the file does not list are left out")
    if flat:
        notes.append(f"{flat} annotation(s) without width or height are left out")
    return dict(boxes), tuple(notes)


def _paths(folder: Path, images: Sequence[_Image]) -> dict[str, Path]:
    """Where each picture lies; a missing one is told before the first is used."""
    paths, missing = {}, []
    for each in images:
        name = Path(each.file_name.replace("\\", "/"))
        places = (folder / "images" / name, folder / name, folder / "images" / name.name)
        if found := next((place for place in places if place.is_file()), None):
            paths[each.id] = found
        else:
            missing.append(each.file_name)
    if missing:
        raise ArtifactError(
            f"{folder}: {len(missing)} of {len(images)} pictures are missing, the first: images/{missing[0]}"
        )
    return paths


def _read_picture(path: Path, said: _Image) -> NDArray[np.uint8]:
    """RGB of any picture that OpenCV reads: grey, with alpha or of 16 bits, too."""
    found = []
    for flags in (cv2.IMREAD_COLOR, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION):
        try:
            image = cv2.imdecode(np.fromfile(path, np.uint8), flags)
        except (OSError, cv2.error):
            image = None
        if image is None:
            raise ArtifactError(f"{path}: cannot be read as a picture")
        found.append((image.shape[1], image.shape[0]))
        if said.stated_wh in (None, found[-1]):
            return np.ascontiguousarray(image[..., ::-1], np.uint8)
    raise ArtifactError(
        f"{path}: annotations.json states {said.width}×{said.height}, the picture has {found[0][0]}×{found[0][1]}: "
        "its boxes would lie elsewhere"
    )


def _held_to(
    wh: tuple[int, int], boxes: Sequence[_Annotation], file: Path
) -> tuple[list[_Annotation], NDArray[np.float32]]:
    """The boxes that have area within a picture of this size, and their corners float32 (N, 4)."""
    xyxy = corners([each.bbox for each in boxes])
    if (away := outside(xyxy, wh)).any():
        wrong = boxes[int(np.argmax(away))]
        raise ArtifactError(
            f"{file}: annotation {wrong.id}: bbox {list(wrong.bbox)} lies outside its picture of {wh[0]}×{wh[1]} pixels"
        )
    inside, has_area = cut(xyxy, wh)
    return [each for each, kept in zip(boxes, has_area, strict=True) if kept], inside[has_area]
