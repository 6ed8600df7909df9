"""One camera: where its pictures come from, what is kept and shown of them, and what is watched for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from streamer.config.model.rules import RuleConfig
from streamer.config.model.values import (
    AnalyseRate,
    Identifier,
    Line,
    NodeLabel,
    Polygon,
    PositiveSeconds,
    Score,
    Severity,
    Strict,
)


class TroubleConfig(Strict):
    """When a camera itself is worth an alert; `null` switches one off."""

    offline_after_s: PositiveSeconds | None = 10.0
    frozen_after_s: PositiveSeconds | None = 20.0
    dark_after_s: PositiveSeconds | None = 10.0
    blurred_after_s: PositiveSeconds | None = 20.0
    moved_after_s: PositiveSeconds | None = 10.0
    clock_skew_s: PositiveSeconds | None = 60.0
    severity: Severity = "warning"


class TrackingConfig(Strict):
    """How objects are followed; left out: the tracker's own measured defaults."""

    track_score: Score | None = None
    lost_after_s: PositiveSeconds | None = None


class SkipEasyConfig(Strict):
    """Frames that the model need not see: nothing changed (still), or known things moved on and are found again."""

    frames: Literal["still", "followed"] = "still"
    longest_s: Annotated[float, Field(gt=0, le=10)] = 0.6


class SecondLookConfig(Strict):
    """A classifier that is asked about the boxes of these labels that score less than `below`."""

    model: Path  # a folder, or the name of a pulled classifier
    labels: Annotated[list[str], Field(min_length=1)]
    below: Annotated[float, Field(gt=0, le=1)] = 0.5


class DetectConfig(Strict):
    """How the detector is asked about this camera's pictures; docs/detect_less.md says what each option costs."""

    regions: Literal["whole", "tiles", "motion"] = "whole"
    tiles: tuple[Annotated[int, Field(ge=1, le=8)], Annotated[int, Field(ge=1, le=8)]] = (2, 2)  # rows, columns
    overlap: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    whole_every_s: Annotated[float, Field(gt=0, le=60)] = 1.0  # of regions: motion
    skip_easy: SkipEasyConfig | None = None
    second_look: SecondLookConfig | None = None

    @model_validator(mode="after")
    def _says_what_it_looks_at(self) -> DetectConfig:
        for key, regions in (("tiles", "tiles"), ("overlap", "tiles"), ("whole_every_s", "motion")):
            if key in self.model_fields_set and self.regions != regions:
                raise ValueError(f"'{key}' is for 'regions: {regions}'; the camera has 'regions: {self.regions}'")
        if self.regions == "tiles" and self.tiles == (1, 1):
            raise ValueError("'tiles: [1, 1]' is the whole picture once more; leave it out or ask for more tiles")
        return self


class ClipsConfig(Strict):
    """The clip of an alert: from before_s before it began until after_s after it ended, at most most_s."""

    before_s: Annotated[float, Field(ge=0, le=60)] = 5.0
    after_s: Annotated[float, Field(ge=0, le=600)] = 10.0
    most_s: Annotated[float, Field(ge=1, le=3600)] = 120.0

    @model_validator(mode="after")
    def _holds_its_beginning(self) -> ClipsConfig:
        if self.most_s <= self.before_s:
            raise ValueError(f"'most_s: {self.most_s:g}' should be more than 'before_s: {self.before_s:g}'")
        return self


class RecordConfig(Strict):
    """Continuous recording, in files of about so many seconds."""

    segment_s: Annotated[float, Field(ge=1, le=3600)] = 60.0


class PrivacyConfig(Strict):
    """What of a camera's pictures nobody is shown; docs/privacy.md says how, and what it does not do.

    clips: `redacted` clips are decoded, redacted and encoded again, `none` are none, `raw` are as the camera sent them.
    linger_s: a place stays hidden so long after the last detection there; least_score: what counts as one.
    """

    masks: list[Polygon] = []
    detect_behind_masks: bool = False
    redact: Literal["none", "heads", "boxes"] = "none"
    labels: Annotated[list[str], Field(min_length=1)] = ["person"]
    strength: Literal["mild", "strong", "solid"] = "strong"
    clips: Literal["none", "redacted", "raw"] = "none"
    linger_s: Annotated[float, Field(ge=0.2, le=10)] = 1.0
    least_score: Annotated[float, Field(ge=0, le=0.5)] = 0.1

    @property
    def hides(self) -> bool:
        """Whether anything is hidden at all."""
        return bool(self.masks) or self.redact != "none"

    @model_validator(mode="after")
    def _hides_what_it_speaks_of(self) -> PrivacyConfig:
        if not self.hides and self.model_fields_set:
            raise ValueError("hides nothing: it needs 'masks', or 'redact: heads' or 'boxes'")
        if self.detect_behind_masks and not self.masks:
            raise ValueError("'detect_behind_masks' needs 'masks'")
        return self


class NodeConfig(Strict):
    """Which machines of a cluster may watch a camera (docs/cluster.md).

    require: labels such as `site=berlin` that one must have. prefer: those that it should have as long as it is not
    fuller than others. gpu: only one with a GPU. overlap: when it moves, the next machine connects before the last one
    lets go; false for a camera that allows one connection only.
    """

    require: list[NodeLabel] = []
    prefer: list[NodeLabel] = []
    gpu: bool = False
    overlap: bool = True


class CameraConfig(Strict):
    """One camera: where its pictures come from, and what is to be watched in them."""

    url: Annotated[str, Field(min_length=1)]  # rtsp://…, http://…, a file, /dev/video0
    format: str | None = None  # FFmpeg's input format, where the address does not say it: v4l2, lavfi
    options: dict[str, str] = {}  # for FFmpeg's demuxer
    transport: Literal["tcp", "udp"] = "tcp"  # of RTSP
    pace: Literal["live", "demand", "realtime"] | None = None  # of recordings; None: by the address
    loop: bool = False  # a recording begins anew at its end
    analyse_fps: AnalyseRate = 5.0  # None: every frame, 'all' in the file
    priority: Literal["low", "normal", "high"] = "normal"  # whose pictures come first where there is not time for all
    connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    stall_after_s: Annotated[float, Field(gt=0, le=600)] = 5.0  # nothing came for so long: connect anew
    decode: Literal["always", "motion", "key_frames", "on_trigger"] | None = None  # None: motion, of recordings always
    look_every_s: Annotated[float, Field(ge=0, le=600)] = 0.0  # asleep: looks so far apart; 0: every key frame
    keep_alive_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    sleep_after_s: Annotated[float, Field(ge=1, le=600)] = 3.0
    motion_masks: list[Polygon] = []  # where motion wakes nobody
    decode_threads: Annotated[int, Field(ge=1, le=64)] = 1  # of its decoder
    decode_on: Annotated[str, Field(min_length=1)] = "cpu"  # 'auto', or a device that this build of FFmpeg knows
    zones: dict[Identifier, Polygon] = {}  # three points or more each
    lines: dict[Identifier, Line] = {}  # two points or more each
    rules: list[RuleConfig] = []  # what raises alerts
    trouble: TroubleConfig = TroubleConfig()
    detect: DetectConfig = DetectConfig()
    tracking: TrackingConfig = TrackingConfig()
    clips: ClipsConfig | None = ClipsConfig()  # of live cameras and files played in real time
    record: RecordConfig | None = None
    footage_url: Annotated[str, Field(min_length=1)] | None = None  # where clips and recordings come from; None: url
    privacy: PrivacyConfig = PrivacyConfig()
    node: NodeConfig = NodeConfig()  # of a cluster

    @model_validator(mode="after")
    def _looks_only_where_it_may(self) -> CameraConfig:
        if self.look_every_s and self.decode in ("always", "on_trigger"):
            raise ValueError("'look_every_s' chooses among key frames: it needs 'decode: motion' or 'key_frames'")
        return self

    @model_validator(mode="after")
    def _keeps_what_is_private(self) -> CameraConfig:
        privacy = self.privacy
        if privacy.hides and privacy.clips != "raw" and self.record is not None:
            raise ValueError(
                "'record' keeps packets as they came, with everything that 'privacy' hides; leave it out, or say "
                "'privacy: {clips: raw}' if these files may show it"
            )
        if privacy.hides and privacy.clips == "redacted" and self.footage_url is not None:
            raise ValueError(
                "'privacy: {clips: redacted}' hides what was found in the analysed stream; whether 'footage_url' "
                "shows the same at the same time nobody knows: leave one of them out"
            )
        return self
