"""What one camera is asked to be, and what FFmpeg is told about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from streamer.capture.address import is_live, is_rtsp, is_webcam, scheme
from streamer.capture.gate import DecodeMode, GateSettings
from streamer.errors import redact

Pace = Literal["live", "demand", "realtime"]
Transport = Literal["tcp", "udp"]
# AVFMT_FLAG_NONBLOCK, added to what is set already. By number: FFmpeg gives this flag no name in its options, and a
# device opened without it cannot be made so afterwards.
_NONBLOCK = "+4"


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraOptions:
    """One camera or recording.

    url             an RTSP or HTTP address, a device (/dev/video0), a path, or whatever `format` reads;
                    never shown by repr: it may hold a password. `label` is the form that may be shown
    analyse_fps     frames a second that go to the model; None: every frame
    pace            live      shows the present: reconnects for ever, an end is a disconnect
                    demand    a file read as fast as its consumer takes it, to its end; trouble is raised
                    realtime  a file played at its own speed as if it were a camera
    loop            files only: begin again at the end. Every pass is a new session ('clip.mp4', 'clip.mp4#2', …):
                    at the seam everybody in the picture jumps, and nothing that was tracked goes on
    transport       RTSP only
    format          FFmpeg demuxer where the address does not tell: v4l2, lavfi, …
    options         more options for FFmpeg; they win over ours
    connect_timeout_s   for connecting, and again for the first pictures to come
    stall_after_s       no picture for so long ends the session
    backoff_first_s, backoff_most_s     waits between attempts grow from the one to the other: short enough that whoever
                    comes back is watched again within 5 s
    backoff_refused_s   waits between attempts that a camera refuses (wrong password, no such path)
    decode          always: every picture; motion: every one while something moves, else key frames; key_frames: only
                    those that need no other, and what lies between is let go; on_trigger: as motion, but awake only
                    while somebody asks for it
    look_every_s    asleep: at least so long between two key frames that are decoded; 0: every one
    keep_alive_s    asleep, and nothing moves, and nobody is followed: one picture so often is analysed all the same
    sleep_after_s   motion: so long after the last motion the camera may fall asleep
    motion_masks    polygons in normalised coordinates of the picture as it is sent, in which motion does not count
    decode_threads  slices of one picture, in parallel: adds no delay. Cameras outnumber cores: 1 is right for most
    decode_on       cpu; a device (cuda, vaapi:/dev/dri/renderD129 …), else the CPU; auto: the first one that opens. See
                    hardware.problem_with for what may stand here
    """

    camera: str
    url: str = field(repr=False)
    pace: Pace
    analyse_fps: float | None = 5.0
    loop: bool = False
    transport: Transport = "tcp"
    format: str | None = None
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    connect_timeout_s: float = 5.0
    stall_after_s: float = 5.0
    backoff_first_s: float = 0.5
    backoff_most_s: float = 2.5
    backoff_refused_s: float = 30.0
    decode: DecodeMode = "always"
    look_every_s: float = 0.0
    keep_alive_s: float = 10.0
    sleep_after_s: float = 3.0
    motion_masks: tuple[tuple[tuple[float, float], ...], ...] = ()
    decode_threads: int = 1
    decode_on: str = "cpu"

    def __post_init__(self) -> None:
        if self.analyse_fps is not None and not self.analyse_fps > 0:
            raise ValueError(f"camera {self.camera!r}: analyse_fps must be above 0, or None; got {self.analyse_fps}")
        if not (0 < self.backoff_first_s <= self.backoff_most_s):
            raise ValueError(
                f"camera {self.camera!r}: back-off must grow from above 0; "
                f"got {self.backoff_first_s} to {self.backoff_most_s}"
            )
        if min(self.connect_timeout_s, self.stall_after_s, self.backoff_refused_s) <= 0 or self.decode_threads < 1:
            raise ValueError(f"camera {self.camera!r}: time limits must be above 0 and decode_threads at least 1")
        if min(self.keep_alive_s, self.sleep_after_s) <= 0 or self.look_every_s < 0:
            raise ValueError(
                f"camera {self.camera!r}: keep_alive_s and sleep_after_s must be above 0 and look_every_s not below"
            )
        if self.loop and self.pace == "live":
            raise ValueError(f"camera {self.camera!r}: only a file can loop")

    @property
    def gate(self) -> GateSettings:
        """What the gate in front of the decoder is told."""
        every_s = self.look_every_s
        if self.decode == "on_trigger":
            every_s = max(every_s, self.keep_alive_s)
        return GateSettings(self.decode, every_s, quiet_s=self.sleep_after_s)

    @property
    def label(self) -> str:
        """The address as people and logs may see it."""
        return redact(self.url)


def default_pace(url: str, format: str | None = None) -> Pace:
    """live for cameras, demand for recordings."""
    return "live" if is_live(url, format) else "demand"


def ffmpeg_format(options: CameraOptions) -> str | None:
    """The demuxer to force, where one must be: a webcam's path alone would be read as a file."""
    return "v4l2" if is_webcam(options.url, options.format) else options.format


def ffmpeg_options(options: CameraOptions) -> dict[str, str]:
    """What av.open is told.

    Not `fflags=nobuffer`: it throws away the packets that were read to learn the format, the first key frame among
    them, and with it up to a whole GOP.
    """
    chosen: dict[str, str] = {}
    # A second line behind PyAV's own limits, which act first.
    limit_us = str(int((max(options.connect_timeout_s, options.stall_after_s) + 1.0) * 1e6))
    if is_rtsp(options.url):
        chosen = {
            "rtsp_transport": options.transport,
            "timeout": limit_us,
            # Sound and ONVIF events cost bandwidth, and with several tracks FFmpeg shifts pts at sender reports.
            "allowed_media_types": "video",
            "analyzeduration": "500000",
        }
        if options.transport == "udp":
            chosen["buffer_size"] = str(1 << 20)  # a key frame arrives as one burst
    elif scheme(options.url) in ("http", "https"):
        chosen = {"timeout": limit_us}
    elif scheme(options.url) is not None:
        chosen = {"rw_timeout": limit_us}
    elif is_webcam(options.url, options.format):
        chosen = {"fflags": _NONBLOCK}  # a read of a silent device could not be ended otherwise
    return {**chosen, **options.options}
