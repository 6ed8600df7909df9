"""What is normal at each camera, kept in one JSON file per camera: written whole or not at all, believed or refused."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from streamer.behaviour.conformal import Hour, NormalScores
from streamer.errors import ArtifactError

FOLDER = "calibration"
UNKNOWN_HOUR = "unknown"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
HourName = Annotated[str, Field(pattern=rf"^([01][0-9]|2[0-3]|{UNKNOWN_HOUR})$")]
Scores = list[float]


class Calibration(BaseModel):
    """What `streamer calibrate` learned at one camera, with which models.

    head, scene_head, detector   sha256 of what made the scores: those of others mean something else
    timezone                     of the hours
    learned_at                   epoch seconds
    seconds                      of footage, and `tracks` in it: the highest smoothed surprise of each life, by the hour
                                 of the day in which it began ("00" to "23", or "unknown")
    scene                        the same of spells of the whole picture
    usual                        feature → what 1 %, 50 % and 99 % of steps stayed below
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    format: Literal["streamer.calibration/1"] = Field(default="streamer.calibration/1", alias="schema")
    camera: Annotated[str, Field(min_length=1)]
    head: Sha256 | None
    scene_head: Sha256 | None
    detector: Sha256
    timezone: str
    learned_at: float
    seconds: Annotated[float, Field(gt=0)]
    tracks: dict[HourName, Scores]
    scene: dict[HourName, Scores]
    usual: dict[str, tuple[float, float, float]]

    @model_validator(mode="after")
    def _ranges_rise(self) -> Calibration:
        for feature, (low, middle, high) in self.usual.items():
            if not low <= middle <= high:
                raise ValueError(f"usual: '{feature}' should rise from 1 % to 99 %; found {low}, {middle}, {high}")
        return self

    @property
    def normal_tracks(self) -> NormalScores:
        """Scores of tracks for conformal p-values."""
        return NormalScores(self.seconds, _by_hour(self.tracks))

    @property
    def normal_scene(self) -> NormalScores:
        """Scores of spells of the whole picture."""
        return NormalScores(self.seconds, _by_hour(self.scene))


def hour_name(hour: Hour) -> str:
    """How an hour of the day is written in the file."""
    return UNKNOWN_HOUR if hour is None else f"{hour:02}"


def calibration_path(data_dir: Path, camera: str) -> Path:
    """Where a camera's calibration lies."""
    return data_dir / FOLDER / f"{camera}.json"


def load_calibration(
    data_dir: Path, camera: str, *, head: str | None, scene_head: str | None, detector: str, timezone: str
) -> Calibration | None:
    """The camera's calibration, or None where it was never calibrated.

    Scores of another scene head are left out: those of tracks are as good without.
    Raises ArtifactError where it is broken, another camera's, or made with other models or hours than these.
    """
    path = calibration_path(data_dir, camera)
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from error
    again = f"run `streamer calibrate --camera {camera}` again, or remove the file: the camera is then learning"
    try:
        found = Calibration.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "file"
        raise ArtifactError(f"{path}: not a whole calibration ({where}: {first['msg']}); {again}") from error
    if found.camera != camera:
        raise ArtifactError(f"{path}: is the calibration of camera '{found.camera}', not of '{camera}'; {again}")
    expected = {"track head": head, "detector": detector, "time zone": timezone}
    made_with = (found.head, found.detector, found.timezone)
    for (what, ours), theirs in zip(expected.items(), made_with, strict=True):
        if ours != theirs:
            raise ArtifactError(
                f"{path}: was learned with another {what} ({_short(theirs)}) than is in use ({_short(ours)}): its "
                f"scores say nothing about this one; {again}"
            )
    return found if found.scene_head == scene_head else found.model_copy(update={"scene": {}})


def check_place(data_dir: Path, camera: str) -> None:
    """Raises ArtifactError where the camera's calibration could not be written: to be known before the footage."""
    path = calibration_path(data_dir, camera)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise _not_written(path, error) from error


def save_calibration(calibration: Calibration, data_dir: Path) -> Path:
    """Write the camera's calibration in the place of its last one, whole or not at all. Raises ArtifactError."""
    path = calibration_path(data_dir, calibration.camera)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Beside the target, so that the last step is one rename within one file system.
        file, building = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(file, "w", encoding="utf-8") as out:
                out.write(calibration.model_dump_json(by_alias=True) + "\n")
                out.flush()
                os.fsync(out.fileno())
            os.chmod(building, 0o644)
            os.replace(building, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(building)
            raise
    except OSError as error:
        raise _not_written(path, error) from error
    return path


def _not_written(path: Path, error: OSError) -> ArtifactError:
    return ArtifactError(f"{path}: cannot be written: {error.strerror or error}; data_dir says where it goes")


def _by_hour(named: dict[str, Scores]) -> dict[Hour, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    return {None if name == UNKNOWN_HOUR else int(name): np.array(scores) for name, scores in named.items()}


def _short(value: str | None) -> str:
    if value is None:
        return "none"
    return value[:12] if len(value) == 64 else value
