"""The nouns of the house: frozen values of named arrays. numpy and plain arithmetic, nothing else.

Three clocks have three names. `media_s`: seconds on the stream's own timeline, rising within one session.
`captured_at`: seconds since the Unix epoch when the camera saw it, estimated from media time (or sent by the camera).
`received_s`: monotonic seconds when we got it, for ages only. There is no `timestamp`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.fit import Fit

Boxes = NDArray[np.float32]
Severity = Literal["info", "warning", "critical"]
ChangeType = Literal["opened", "updated", "closed", "evidence"]
HandlingType = Literal["acknowledged", "commented", "silenced"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")


class Picture(Protocol):
    """The decoded frame at full size, converted only when somebody asks (a snapshot, a render)."""

    def rgb(self) -> NDArray[np.uint8]:
        """uint8 (H, W, 3), RGB, source size."""
        ...


@dataclass(frozen=True, slots=True)
class Colours:
    """What the numbers of a YUV picture mean: the matrix (ITU-R BT.601, 709, 2020), and whether black is 0 or 16."""

    standard: Literal["bt601", "bt709", "bt2020"]
    full_range: bool


class OnDevice(Protocol):
    """A small picture in a device's memory: the pixels of Frame.image, where the net may read them without a copy."""

    @property
    def memory(self) -> str:
        """Whose memory, as sessions.Session.memory says it."""
        ...

    def new_batch(self, spec: Any) -> Any:
        """An empty input for a net in that memory, see detect/on_device: spec is its artifacts.InputSpec."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture on its way to the model, and when it happened.

    session     which connection it belongs to; rises with every reconnect, and for a recording is a fixed text,
                so that track and alert ids are unique for live cameras and repeatable for recordings
    index       decoded frames before this one in the session, analysed or not
    image       uint8 (h, w, 3), RGB, already at the size at which the model sees it (InputFit.of(source_wh).content_wh)
    source_wh   width and height in pixels of the picture that the camera sent
    picture     the full-size picture
    late        it led up to a wake: it was late already when it came, and may be later still
    on_device   the same pixels as image in the memory of the device that decoded them, where they were shrunk there
    """

    camera: str
    session: str
    index: int
    image: NDArray[np.uint8]
    source_wh: tuple[int, int]
    media_s: float
    captured_at: float
    received_s: float
    picture: Picture
    on_device: OnDevice | None = None
    late: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class PictureFeatures:
    """What a net saw besides objects, for models that look at behaviour.

    embedding float32 (E,), of the whole picture; feature_map float32 (C, h, w), spread evenly over the canvas of fit.
    """

    embedding: NDArray[np.float32]
    feature_map: NDArray[np.float32]
    fit: Fit

    def pool(self, boxes_xyxy: Boxes) -> NDArray[np.float32]:
        """float32 (M, C): the mean of the map under each box (source pixels), at least of the cell at its middle."""
        channels, rows, columns = self.feature_map.shape
        if not len(boxes_xyxy):
            return np.zeros((0, channels), np.float32)
        sums = np.zeros((channels, rows + 1, columns + 1), np.float64)
        np.cumsum(np.cumsum(self.feature_map, axis=1, dtype=np.float64), axis=2, out=sums[:, 1:, 1:])
        per_px = np.array([columns, rows] * 2, np.float32) / np.array(self.fit.canvas_wh * 2, np.float32)
        cells = self.fit.to_canvas(boxes_xyxy) * per_px
        size = np.array([columns, rows])
        middle = np.clip((cells[:, :2] + cells[:, 2:]) / 2, 0, size - 1).astype(int)
        x0, y0 = np.minimum(np.clip(np.round(cells[:, :2]), 0, size).astype(int), middle).T
        x1, y1 = np.maximum(np.clip(np.round(cells[:, 2:]), 0, size).astype(int), middle + 1).T
        inside = sums[:, y1, x1] - sums[:, y0, x1] - sums[:, y1, x0] + sums[:, y0, x0]
        means: NDArray[np.float32] = (inside / ((x1 - x0) * (y1 - y0))).T.astype(np.float32)
        return means


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """N objects in one frame, one array per attribute.

    boxes_xyxy float32 (N, 4), source pixels; scores float32 (N,) in [0, 1]; class_ids int64 (N,), indices into labels.
    features: where the net gives them. Rows are ordered by falling score. Raises ValueError where lengths differ.
    """

    boxes_xyxy: Boxes
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    labels: tuple[str, ...]
    features: PictureFeatures | None = None

    def __post_init__(self) -> None:
        n = len(self.scores)
        if self.boxes_xyxy.shape != (n, 4) or self.class_ids.shape != (n,):
            raise ValueError(
                f"{n} scores need boxes ({n}, 4) and class ids ({n},); "
                f"got {self.boxes_xyxy.shape} and {self.class_ids.shape}"
            )

    def __len__(self) -> int:
        return len(self.scores)

    def keep(self, chosen: NDArray[Any]) -> Detections:
        """The rows chosen by a boolean mask or by indices."""
        return replace(
            self, boxes_xyxy=self.boxes_xyxy[chosen], scores=self.scores[chosen], class_ids=self.class_ids[chosen]
        )

    @classmethod
    def none(cls, labels: tuple[str, ...]) -> Detections:
        """No objects."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), labels)


@dataclass(frozen=True, slots=True, eq=False)
class SceneScores:
    """How the whole picture behaves: probability of a fight, and how strange it is (see BehaviourScores.anomaly).

    attention float32 (A,): what the last A steps of step_s contributed, newest last; unusual: as BehaviourScores'.
    """

    fight: float
    anomaly: float
    attention: NDArray[np.float32]
    step_s: float
    unusual: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class BehaviourScores:
    """What the temporal models say about the M tracks of one frame, by row.

    probs float32 (M, K) over labels, NaN for a track that is too young to say; anomaly float32 (M,): 1 - the conformal
    p-value of how little the track moves as is normal at this camera, NaN while that is being learned; attention
    float32 (M, A): what the last A steps of step_s contributed, newest last; unusual: per track what is farthest from
    normal, in words, the farthest first. tracks_per_day: how many this camera sees, on average, None while that is
    being learned. scene: None where no model looks at the whole picture. drift: a sentence, once what moves here
    is no longer what was calibrated.
    """

    labels: tuple[str, ...]
    probs: NDArray[np.float32]
    anomaly: NDArray[np.float32]
    attention: NDArray[np.float32]
    step_s: float
    unusual: tuple[tuple[str, ...], ...]
    tracks_per_day: float | None = None
    scene: SceneScores | None = None
    drift: str | None = None

    def __post_init__(self) -> None:
        m, k = len(self.anomaly), len(self.labels)
        if self.probs.shape != (m, k) or len(self.attention) != m or len(self.unusual) != m:
            raise ValueError(
                f"behaviour of {m} tracks and {k} labels needs probs ({m}, {k}) and {m} rows of attention and words; "
                f"got {self.probs.shape}, {len(self.attention)} and {len(self.unusual)}"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """M confirmed tracks that were seen in this frame.

    ids int64 (M,), unique in the camera's session and never reused; boxes_xyxy float32 (M, 4), source pixels;
    velocity_xy float32 (M, 2), source pixels per second; age_s float32 (M,), since first seen; scores float32 (M,);
    class_ids int64 (M,); detection_rows int64 (M,), the row of Detections that each track took in this frame.
    ended: ids of tracks that were given up in this frame, for those who keep state per track.
    behaviour: how they behave, where a temporal model looks at them.
    """

    ids: NDArray[np.int64]
    boxes_xyxy: Boxes
    velocity_xy: NDArray[np.float32]
    age_s: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    detection_rows: NDArray[np.int64]
    labels: tuple[str, ...]
    ended: tuple[int, ...] = ()
    behaviour: BehaviourScores | None = None

    def __post_init__(self) -> None:
        m = len(self.ids)
        shapes: dict[str, tuple[NDArray[Any], tuple[int, ...]]] = {
            "boxes_xyxy": (self.boxes_xyxy, (m, 4)),
            "velocity_xy": (self.velocity_xy, (m, 2)),
            "age_s": (self.age_s, (m,)),
            "scores": (self.scores, (m,)),
            "class_ids": (self.class_ids, (m,)),
            "detection_rows": (self.detection_rows, (m,)),
        }
        for name, (array, shape) in shapes.items():
            if array.shape != shape:
                raise ValueError(f"{m} track ids need {name} {shape}; got {array.shape}")
        if self.behaviour is not None and len(self.behaviour.anomaly) != m:
            raise ValueError(f"{m} track ids need {m} rows of behaviour; got {len(self.behaviour.anomaly)}")

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def none(cls, labels: tuple[str, ...], ended: tuple[int, ...] = ()) -> Tracks:
        """No tracks."""
        ints, floats = np.zeros(0, np.int64), np.zeros(0, np.float32)
        return cls(
            ints,
            np.zeros((0, 4), np.float32),
            np.zeros((0, 2), np.float32),
            floats,
            floats,
            ints,
            ints,
            labels,
            ended,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a rule holds against one subject in one frame: its condition is true now.

    subject     what the alert is about, stable from frame to frame within a session: 'track:7', 'zone', 'camera'
    measures    thresholds crossed: name → (measured value, limit), units in the name, e.g. {'dwell_s': (10.4, 10.0)}
    text        one English sentence for a person, e.g. 'person stayed 10.4 s in yard (limit 10 s)'
    momentary   true where it happened in this frame only (a crossing) and cannot go on
    box_xyxy    source pixels, where there is something to point at
    trail       where the subject was: rows of (media_s, x, y), x and y normalised, oldest first
    details     further reasons, JSON-ready, e.g. probabilities over time
    strip       small pictures of what led to it, oldest first: (media_s, uint8 (h, w, 3) RGB)
    """

    subject: str
    text: str
    measures: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    score: float = 1.0
    label: str | None = None
    track_ids: tuple[int, ...] = ()
    box_xyxy: tuple[float, float, float, float] | None = None
    place: str | None = None
    trail: tuple[tuple[float, float, float], ...] = ()
    momentary: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)
    strip: tuple[tuple[float, NDArray[np.uint8]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """The footage of an alert, complete: where it lies relative to the data folder, and what proves that it is the one.

    sha256 in hex, of the whole file; from_at, to_at: epoch seconds by the camera's clock of its first picture and of
    the end of its last; codec as FFmpeg calls it: h264, hevc, mjpeg, …
    """

    path: str
    sha256: str
    bytes: int
    from_at: float
    to_at: float
    codec: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertChange:
    """One step in the life of one alert: the wire message, see docs/wire.md.

    id is computed from what it describes, so that the same recording gives the same ids; seq rises by one from 1.
    at, started_at: epoch seconds by the camera's clock; media_s: the same moment on the stream's own timeline.
    box is normalised xyxy in [0, 1]. reason holds text, measures, trail, rule settings, model and configuration hash.
    snapshot is the path of a JPEG relative to the data folder; strip is drawn into it and goes no further.
    clip is there from the moment on at which it is complete, which is mostly after the end: then a change of type
    evidence follows the closed one.
    """

    id: str
    seq: int
    type: ChangeType
    camera: str
    session: str
    rule: str
    kind: str
    severity: Severity
    started_at: float
    at: float
    media_s: float
    score: float
    label: str | None = None
    place: str | None = None
    track_ids: tuple[int, ...] = ()
    box: tuple[float, float, float, float] | None = None
    reason: Mapping[str, Any] = field(default_factory=dict)
    snapshot: str | None = None
    strip: tuple[tuple[float, NDArray[np.uint8]], ...] = field(default=(), compare=False, repr=False)
    clip: Clip | None = None

    @property
    def is_open(self) -> bool:
        """Whether the alert goes on after this change."""
        return self.type in ("opened", "updated")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """What a person did about an alert: the wire message streamer.handling/1, see docs/wire.md.

    id is new for every act; alert is the id of the alert. by: who, as they log in; at: epoch seconds by our clock.
    camera, kind and severity are the alert's own. until: of `silenced`, to when its camera and kind disturb nobody.
    """

    id: str
    type: HandlingType
    alert: str
    camera: str
    kind: str
    severity: Severity
    by: str
    at: float
    text: str | None = None
    until: float | None = None

    @property
    def seq(self) -> int:
        """Nothing follows it."""
        return 1


@dataclass(frozen=True, slots=True, eq=False)
class FrameResult:
    """Everything that was found in one analysed frame."""

    frame: Frame
    detections: Detections
    tracks: Tracks
    changes: tuple[AlertChange, ...] = ()
