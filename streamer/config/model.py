"""What a configuration may say: every key, its unit, its limits and its default.

Sizes of zones and lines are in normalised picture coordinates, x to the right and y down, both in [0, 1].
All times are in seconds. Unknown keys are refused.
"""

from __future__ import annotations

import contextlib
import re
from datetime import time
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    SecretStr,
    model_validator,
)

from streamer.shapes import check_line, check_polygon

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveSeconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Score = Annotated[float, Field(ge=0, le=1)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Coordinate = Annotated[float, Field(allow_inf_nan=False)]
Point = tuple[Coordinate, Coordinate]
Severity = Literal["info", "warning", "critical"]
LEAST_TOKEN = 16


def _polygon(points: list[Point]) -> list[Point]:
    if problem := check_polygon(points):
        raise ValueError(problem)
    return points


def _line(points: list[Point]) -> list[Point]:
    if problem := check_line(points):
        raise ValueError(problem)
    return points


def _zone_name(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"there is no time zone '{name}'; it should be a name such as Europe/Berlin or UTC")
    return name


def _clock_time(value: object) -> object:
    # YAML 1.1 reads 22:00 as the sexagesimal number 1320: take it as what the person meant.
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 24 * 60:
        return time(value // 60 % 24, value % 60)
    return value


def _rate(value: object) -> float | None:
    if value == "all":
        return None
    number = value
    if isinstance(value, str):  # from a reference such as ${FPS}
        with contextlib.suppress(ValueError):
            number = float(value)
    if isinstance(number, int | float) and not isinstance(number, bool) and 0 < number <= 240:
        return float(number)
    raise ValueError(f"should be frames a second, above 0 and at most 240, or 'all'; got {value!r}")


Polygon = Annotated[list[Point], AfterValidator(_polygon)]
Line = Annotated[list[Point], AfterValidator(_line)]
ClockTime = Annotated[time, BeforeValidator(_clock_time)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Strict(BaseModel):
    """Unknown keys are refused, values are not guessed, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ScheduleConfig(Strict):
    """When a rule is awake: on these days between `from` and `to`; over midnight where `to` is before `from`."""

    days: Annotated[list[Day], Field(min_length=1)] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    start: ClockTime = Field(alias="from")
    end: ClockTime = Field(alias="to")


class RuleCommon(Strict):
    """What every rule can say."""

    name: Identifier
    severity: Severity = "warning"
    schedule: list[ScheduleConfig] = []
    open_after_s: Seconds = 0.0
    clear_after_s: Seconds = 2.0  # what it is about was gone for so long: the alert ends
    cooldown_s: Seconds = 0.0  # after an alert of the same person or thing none is raised for so long
    update_every_s: PositiveSeconds = 5.0  # while an alert is open, how often it is told at most
    max_open: Annotated[int, Field(ge=1)] = 100  # alerts of this rule at once


class TrackRule(RuleCommon):
    """A rule about tracked objects: which of them, and which point of their box counts."""

    labels: Annotated[list[str], Field(min_length=1)] | None = None
    min_score: Score = 0.0  # what the detector is less sure of does not count
    anchor: Literal["bottom", "centre"] = "bottom"  # which point of a box must be in the zone


class Intrusion(TrackRule):
    """Somebody is in the zone."""

    kind: Literal["intrusion"]
    zone: Identifier


class Loitering(TrackRule):
    """Somebody stays in the zone."""

    kind: Literal["loitering"]
    zone: Identifier
    dwell_s: PositiveSeconds  # longer than this is loitering


class LineCrossing(TrackRule):
    """Somebody crosses the line; counts both directions."""

    kind: Literal["line_crossing"]
    line: Identifier
    direction: Literal["both", "forward", "backward"] = "both"


class Occupancy(TrackRule):
    """More than `above` or fewer than `below` objects are in the zone."""

    kind: Literal["occupancy"]
    zone: Identifier
    above: Annotated[int, Field(ge=0)] | None = None
    below: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Occupancy:
        if self.above is None and self.below is None:
            raise ValueError("an occupancy rule needs 'above: N' or 'below: N'")
        return self


class WrongDirection(TrackRule):
    """Somebody moves against the heading of the zone."""

    kind: Literal["wrong_direction"]
    zone: Identifier
    heading_deg: Annotated[float, Field(ge=0, lt=360)]
    tolerance_deg: Annotated[float, Field(gt=0, lt=180)] = 90.0  # how far off the heading is still right
    min_speed: Annotated[float, Field(gt=0)] = 0.05  # slower has no direction; picture heights a second


class Stopped(TrackRule):
    """A vehicle stands still in the zone."""

    kind: Literal["stopped"]
    zone: Identifier
    still_s: PositiveSeconds  # longer than this is stopped
    max_speed: Annotated[float, Field(gt=0)] = 0.02  # slower counts as still; picture heights a second
    labels: Annotated[list[str], Field(min_length=1)] | None = ["car", "bus", "truck", "motorcycle"]


class Speeding(TrackRule):
    """Something moves faster than allowed through the zone."""

    kind: Literal["speeding"]
    zone: Identifier
    max_speed: Annotated[float, Field(gt=0)]  # metres per second where the zone is measured, else picture heights
    heading_deg: Annotated[float, Field(ge=0, lt=360)] | None = None
    zone_length_m: Annotated[float, Field(gt=0)] | None = None
    zone_width_m: Annotated[float, Field(gt=0)] | None = None


class Behaviour(TrackRule):
    """Somebody falls, runs or fights, as far as the temporal models can tell; in one zone or anywhere."""

    kind: Literal["behaviour.fallen", "behaviour.running", "behaviour.fighting"]
    zone: Identifier | None = None
    above: Annotated[float, Field(gt=0, le=1)] = 0.6
    below: Annotated[float, Field(gt=0, le=1)] = 0.4
    open_after_s: Seconds = 0.4
    labels: Annotated[list[str], Field(min_length=1)] | None = ["person"]

    @model_validator(mode="after")
    def _in_order(self) -> Behaviour:
        if self.below > self.above:
            raise ValueError(f"'below: {self.below:g}' must not be more than 'above: {self.above:g}'")
        return self


class Anomaly(TrackRule):
    """Somebody moves as hardly anybody does at this camera; raises nothing before `streamer calibrate` has run."""

    kind: Literal["behaviour.anomaly"]
    zone: Identifier | None = None
    false_alerts_per_day: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2.0
    open_after_s: Seconds = 0.4
    labels: Annotated[list[str], Field(min_length=1)] | None = ["person"]


RuleConfig = Annotated[
    Intrusion | Loitering | LineCrossing | Occupancy | WrongDirection | Stopped | Speeding | Behaviour | Anomaly,
    Field(discriminator="kind"),
]


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


NodeLabel = Annotated[str, Field(pattern=r"^[A-Za-z0-9_./-]+=[A-Za-z0-9_.-]+$")]


class NodeConfig(Strict):
    """Which machines of a cluster may watch a camera (docs/cluster.md).

    require: labels such as `site=berlin` that one must have. prefer: those that it should have as long as it is not
    fuller than others. gpu: only one with a GPU.
    """

    require: list[NodeLabel] = []
    prefer: list[NodeLabel] = []
    gpu: bool = False


class CameraConfig(Strict):
    """One camera: where its pictures come from, and what is to be watched in them."""

    url: Annotated[str, Field(min_length=1)]  # rtsp://…, http://…, a file, /dev/video0
    format: str | None = None  # FFmpeg's input format, where the address does not say it: v4l2, lavfi
    options: dict[str, str] = {}  # for FFmpeg's demuxer
    transport: Literal["tcp", "udp"] = "tcp"  # of RTSP
    pace: Literal["live", "demand", "realtime"] | None = None  # of recordings; None: by the address
    loop: bool = False  # a recording begins anew at its end
    analyse_fps: Annotated[float | None, PlainValidator(_rate)] = 5.0  # None: every frame, 'all' in the file
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


ModelDevice = Annotated[int, Field(ge=0, le=255)] | Annotated[str, Field(pattern=r"^(cpu|cuda|cuda:\d+)$")]


class ModelConfig(Strict):
    """Which detector, and on what it runs."""

    path: Path | None = None  # or the name of a bundled or pulled model; None: the default one
    provider: Literal["cpu", "cuda", "tensorrt", "torch"] = "cpu"
    threads: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = "auto"  # in all; auto: as many as there are cores
    lanes: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = "auto"  # calls at once; auto: what proves faster
    device: ModelDevice | Annotated[list[ModelDevice], Field(min_length=1)] | None = None  # GPU 0, 'cuda:1', [0, 1]
    precision: Literal["as_exported", "fp16", "fastest"] = "as_exported"  # fastest: the int8 one where that is faster

    @property
    def devices(self) -> tuple[int | str | None, ...]:
        """One per session."""
        return tuple(self.device) if isinstance(self.device, list) else (self.device,)

    @model_validator(mode="after")
    def _fastest_is_measured_on_the_cpu(self) -> ModelConfig:
        if self.precision == "fastest" and self.provider != "cpu":
            raise ValueError("'precision: fastest' chooses between fp32 and int8 for 'provider: cpu'")
        return self

    @model_validator(mode="after")
    def _lanes_have_threads(self) -> ModelConfig:
        if isinstance(self.lanes, int):
            if self.provider != "cpu":
                raise ValueError("'lanes' are for 'provider: cpu'; on a GPU there is one for each 'device'")
            if isinstance(self.threads, int) and self.lanes > self.threads:
                raise ValueError(f"'lanes: {self.lanes}' need at least as many 'threads', not {self.threads}")
        return self

    @model_validator(mode="after")
    def _device_belongs_to_the_provider(self) -> ModelConfig:
        if self.provider == "cpu" and self.device not in (None, "cpu"):
            raise ValueError("'device' names a GPU: it needs 'provider: cuda', 'tensorrt' or 'torch'")
        if len(set(map(str, self.devices))) < len(self.devices):
            raise ValueError(f"'device' names one twice: {self.device}")
        return self


class BehaviourConfig(Strict):
    """Which temporal models look at tracks and at whole pictures, where rules ask for them; null switches one off."""

    track: Path | None = Path("gait")  # a folder, or the name of a bundled or pulled model
    scene: Path | None = Path("brawl")
    everywhere: bool = False  # at cameras without such rules too, for the live feed and for replay


class InferenceConfig(Strict):
    """How frames are gathered for the model (see inbox.BatchPolicy), and what is done with cameras that are too many.

    when_full: `degrade` analyses fewer pictures of every camera, at least `least_fps` a second, and refuses the last
    cameras where that is not enough; `refuse` takes cameras in their order as long as there is room; `admit` takes all,
    and overload is shed frame by frame. `capacity`: what `streamer bench --json` wrote, for the cost of decoding too.
    """

    max_batch: Annotated[int, Field(ge=1, le=256)] = 8
    max_wait_s: Annotated[float, Field(ge=0, le=1)] = 0.01
    max_age_s: Annotated[float, Field(gt=0, le=60)] = 0.5
    depth: Annotated[int, Field(ge=1, le=1000)] = 16
    when_full: Literal["degrade", "refuse", "admit"] = "degrade"
    least_fps: Annotated[float, Field(gt=0, le=240)] = 1.0
    capacity: Path | None = None


class CaptureConfig(Strict):
    """In how many processes cameras are read: 0 is the service's own; recordings that are read on demand stay there.

    frames_mb: of memory that each of them may fill with frames on their way to the model.
    """

    processes: Annotated[int, Field(ge=0, le=64)] | Literal["auto"] = "auto"
    frames_mb: Annotated[float, Field(ge=16, le=4000)] = 128.0


class RedisConfig(Strict):
    """Where results go. The password belongs into the environment: redis://:${REDIS_PASSWORD}@host:6379/0.

    signing_key: every alert is signed with it (docs/wire.md): ${file:/run/secrets/alert-key}, 16 characters or more.
    """

    url: Annotated[str, Field(pattern=r"^(redis|rediss|unix|rediss?[+]cluster|rediss?[+]sentinel)://")]
    alerts_keep: Annotated[int, Field(ge=1000)] = 1_000_000
    signing_key: Annotated[SecretStr, Field(min_length=16)] | None = None
    frames_keep: Annotated[int, Field(ge=1)] = 1000


class WebhookConfig(Strict):
    """An HTTP address that gets every alert change, signed with HMAC-SHA256."""

    url: Annotated[str, Field(pattern=r"^https?://")]
    secret: SecretStr
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0


class JsonLinesConfig(Strict):
    """A file that gets every alert change as one JSON line."""

    path: Path
    rotate_mb: Annotated[float, Field(gt=0)] = 100.0


def _token(secret: SecretStr) -> SecretStr:
    token = secret.get_secret_value()
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(f"should have at least {LEAST_TOKEN} characters, ASCII without spaces; is its variable set?")
    return secret


class HttpConfig(Strict):
    """Where /metrics, /livez and /readyz are served, and cameras woken; port 0 takes a free one.

    token: who sends it may wake cameras, from anywhere; without one only this machine may. It belongs into the
    environment: ${STREAMER_TOKEN}.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 9095
    token: Annotated[SecretStr, AfterValidator(_token)] | None = None


def _password_hash(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"scrypt\$\d+\$\d+\$\d+\$[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+", secret.get_secret_value()):
        raise ValueError("should be what `streamer user hash` prints, which begins with scrypt$; never a password")
    return secret


Role = Literal["viewer", "operator", "admin"]


class WebUser(Strict):
    """Somebody who logs in at the console. viewer sees, operator handles alerts, admin changes the configuration."""

    role: Role = "viewer"
    password: Annotated[SecretStr, AfterValidator(_password_hash)]


class WebToken(Strict):
    """A program that uses the console's API, by `Authorization: Bearer TOKEN`."""

    role: Role = "viewer"
    token: Annotated[SecretStr, AfterValidator(_token)]


AllowedSource = Literal["files", "devices", "loopback", "link_local", "any_scheme", "options", "variables"]


class WebConfig(Strict):
    """The operators' console and its API; port 0 takes a free one. `streamer run` serves it unless told `web: null`.

    Without users whoever is at this machine may do everything, and nobody else anything: another address than this
    machine's own needs users. cert, key: PEM files, for TLS. keep_alerts: how many the console remembers.
    allow_sources: which cameras beyond those of the network an admin may configure through the API.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 9096
    users: dict[Identifier, WebUser] = {}
    tokens: dict[Identifier, WebToken] = {}
    cert: Path | None = None
    key: Path | None = None
    session_hours: Annotated[float, Field(gt=0, le=24 * 31)] = 12.0
    keep_alerts: Annotated[int, Field(ge=100, le=1_000_000)] = 20_000
    allow_sources: list[AllowedSource] = []

    @model_validator(mode="after")
    def _is_open_to_nobody(self) -> WebConfig:
        if not self.users and self.host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError(f"'host: {self.host}' lets others in: it needs 'users' (`streamer user hash` makes one)")
        if (self.cert is None) != (self.key is None):
            raise ValueError("'cert' and 'key' belong together: name both files, or none")
        if both := sorted(self.users.keys() & self.tokens.keys()):
            raise ValueError(f"'{both[0]}' is the name of a user and of a token: who did what must be clear")
        return self


class KeepConfig(Strict):
    """How long things stay in the data folder."""

    snapshots_days: Annotated[float, Field(gt=0)] = 14.0
    snapshots_mb: Annotated[float, Field(gt=0)] = 2000.0
    delivered_hours: Annotated[float, Field(gt=0)] = 24.0
    clips_days: Annotated[float, Field(gt=0)] = 14.0
    clips_mb: Annotated[float, Field(gt=0)] = 5000.0
    recordings_days: Annotated[float, Field(gt=0)] = 7.0
    recordings_mb: Annotated[float, Field(gt=0)] = 20_000.0
    audit_days: Annotated[float, Field(ge=1)] = 365.0


class CanaryConfig(Strict):
    """A known event goes the whole way of an alert every so often, and must come back from Redis within a time."""

    every_s: Annotated[float, Field(ge=5, le=86_400)] = 60.0
    within_s: Annotated[float, Field(gt=0, le=3600)] = 10.0


class Config(Strict):
    """The whole file."""

    cameras: Annotated[dict[Identifier, CameraConfig], Field(min_length=1)]
    model: ModelConfig = ModelConfig()
    behaviour: BehaviourConfig = BehaviourConfig()
    capture: CaptureConfig = CaptureConfig()
    inference: InferenceConfig = InferenceConfig()
    redis: RedisConfig | None = None
    webhooks: dict[Identifier, WebhookConfig] = {}
    jsonl: JsonLinesConfig | None = None
    canary: CanaryConfig | None = None
    http: HttpConfig | None = HttpConfig()
    web: WebConfig | None = None
    data_dir: Path = Path("streamer-data")  # outbox, pictures, clips, recordings, audit log; a local disk
    keep: KeepConfig = KeepConfig()
    timezone: Annotated[str, AfterValidator(_zone_name)] = "UTC"
    shutdown_s: Annotated[float, Field(gt=0, le=300)] = 5.0  # how long the end of the service may take

    def zone_info(self) -> ZoneInfo:
        """The time zone of schedules."""
        return ZoneInfo(self.timezone)
