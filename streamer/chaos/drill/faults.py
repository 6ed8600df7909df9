"""The matrix: every fault, how it is caused, what must answer it, how soon all is well again, what may be lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from streamer.chaos.drill.signs import AlertSign, ExitSign, LogSign, MetricSign, Sign

Target = Literal["camera", "network", "redis", "service", "member", "disk", "clock"]
NOTHING = "nothing"
ITS_OWN_FRAMES = "frames of this camera, meanwhile"
ALL_FRAMES = "frames of all cameras, meanwhile"
LIVE_RESULTS = "results on the live feed, meanwhile (counted)"
RECOVERS_WITHIN_S = 5.0
ASKS_A_REFUSING_CAMERA_EVERY_S = 30.0
"""A camera locks out whoever tries wrong passwords quickly: capture.backoff waits so long at most, on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One line of the matrix.

    name, cause         what it is called, and what happens, in a sentence
    target, command     who is told what; see the COMMANDS of camera, proxy and Redis, and ground.Ground.do
    signs               what must be seen while it lasts
    after               what must be seen once it is over
    recover_within_s    from the end of the cause until everything works again
    may_lose            never an alert: those are counted by (id, seq) in every drill
    momentary           it is over when it has happened; else it lasts until all signs were seen, and `holds_s`
    over_with           it is over when this is seen, and nobody mends it
    spares_others       other cameras lose no frame
    quick               part of what runs in minutes
    """

    name: str
    cause: str
    target: Target
    command: str
    signs: tuple[Sign, ...]
    after: tuple[Sign, ...] = ()
    recover_within_s: float = RECOVERS_WITHIN_S
    may_lose: str = ITS_OWN_FRAMES
    momentary: bool = False
    over_with: Sign | None = None
    holds_s: float = 0.0
    spares_others: bool = True
    quick: bool = True


_OFFLINE = AlertSign("camera.offline")
_ONLINE = AlertSign("camera.offline", "closed")
_RECONNECTED = MetricSign("streamer_camera_sessions_total", {"camera": "{camera}"}, rises_by=1)
_UP = MetricSign("streamer_camera_up", {"camera": "{camera}"}, at_least=1)


def _received(frames: int) -> MetricSign:
    return MetricSign("streamer_frames_total", {"camera": "{camera}", "outcome": "received"}, rises_by=frames)


def _dropped(reason: str) -> MetricSign:
    labels = {"camera": "{camera}", "outcome": "dropped", "reason": reason}
    return MetricSign("streamer_frames_total", labels, rises_by=1)


def _says(text: str) -> LogSign:
    return LogSign(rf"camera '{{camera}}': .*{text}")


_SILENT = "connected but sent no picture for"

CAMERA_FAULTS = (
    Fault("camera stalls", "pictures stop while the connection stays up", "camera", "stall",
          (_OFFLINE, _says(_SILENT)), (_ONLINE,)),
    Fault("camera hangs", "it says nothing any more, neither on old connections nor on new ones", "camera", "mute",
          (_OFFLINE, _says(_SILENT)), (_ONLINE,)),
    Fault("camera resets", "its connections are torn down (TCP reset)", "camera", "reset",
          (_says("closed the connection|broke"), _RECONNECTED), momentary=True),
    Fault("camera hangs up", "its connections are closed in order", "camera", "close",
          (_says("closed the connection"), _RECONNECTED), momentary=True),
    Fault("camera restarts", "it refuses connections for a while", "camera", "refuse",
          (_OFFLINE, _says("refuses the connection")), (_ONLINE,)),
    Fault("camera trickles", "it sends 500 bytes a second", "camera", "trickle=500",
          (_OFFLINE, _says(_SILENT)), (_ONLINE,)),
    Fault("camera floods", "it sends ten times as many pictures", "camera", "flood=10", (_received(200),)),
    Fault("timestamps jump back", "by an hour", "camera", "jump=-3600",
          (_says("timestamps jumped"), _dropped("timestamp"), _RECONNECTED), momentary=True),
    Fault("timestamps jump ahead", "by ten minutes", "camera", "jump=600",
          (_says("timestamps jumped ahead"), _dropped("timestamp"), _RECONNECTED), momentary=True),
    Fault("camera's clock is wrong", "it restarts with its own clock two minutes ahead", "camera", "clock=120",
          (AlertSign("camera.clock_skew"),), (AlertSign("camera.clock_skew", "closed"),), quick=False),
    Fault("camera's clock is set", "two minutes ahead, while it is connected", "camera", "set=120",
          (AlertSign("camera.clock_skew"),), (AlertSign("camera.clock_skew", "closed"),), quick=False),
    Fault("picture changes size", "in mid-stream", "camera", "size", (_RECONNECTED, _UP), momentary=True),
    Fault("camera changes codec", "from H.264 to H.265, as somebody set it", "camera", "codec",
          (_says("closed the connection|broke"), LogSign("camera '{camera}' is online: .* hevc")), momentary=True),
    Fault("garbage in pictures", "all packets hold random bytes", "camera", "garbage=1",
          (_OFFLINE, _dropped("corrupt"), _says("broken packets|sent no picture|did not answer")), (_ONLINE,)),
    Fault("some garbage", "every tenth packet holds random bytes", "camera", "garbage=0.1",
          (_dropped("corrupt"), _received(30))),
    Fault("garbage on the wire", "random bytes in place of the protocol", "camera", "noise",
          (_OFFLINE,), (_ONLINE,)),
    Fault("camera wants another password", "connections end, and the configured one is refused", "camera", "password",
          (_OFFLINE, _says("refuses this user name or password")), (_ONLINE,),
          recover_within_s=ASKS_A_REFUSING_CAMERA_EVERY_S + RECOVERS_WITHIN_S, quick=False),
)  # fmt: skip
"""What cameras do."""

NETWORK_FAULTS = (
    Fault("network is cut silently", "nothing passes between camera and service, nothing is closed", "network", "stall",
          (_OFFLINE, _says(_SILENT)), (_ONLINE,)),
    Fault("network is slow", "everything arrives a second late", "network", "delay=1", (_received(20),)),
    Fault("network is narrow", "2 kB a second pass", "network", "throttle=2000",
          (_OFFLINE, _says("sent no picture|did not answer|broke")), (_ONLINE,)),
    Fault("network corrupts", "a byte is flipped in half of what arrives at once", "network", "corrupt=0.5",
          (_received(30),)),
    Fault("network refuses", "connections are reset, new ones turned away", "network", "refuse",
          (_OFFLINE,), (_ONLINE,)),
)  # fmt: skip
"""What happens between cameras and the service."""

_WAITING = MetricSign("streamer_outbox_pending", {"sink": "redis"}, at_least=1)
_FAILING = MetricSign("streamer_undelivered_total", {"sink": "redis", "reason": "failed"}, rises_by=1)
_DELIVERED = MetricSign("streamer_outbox_pending", {"sink": "redis"}, at_most=0)


def _redis(text: str) -> LogSign:
    return LogSign(f"alerts wait for redis: .*{text}")


REDIS_FAULTS = (
    Fault("Redis is stopped", "in order, its data on disk", "redis", "stop",
          (_WAITING, _FAILING, _redis("cannot be reached")), (_DELIVERED,), may_lose=LIVE_RESULTS, holds_s=3.0),
    Fault("Redis crashes", "SIGKILL, and is away for a while", "redis", "kill",
          (_WAITING, _FAILING, _redis("cannot be reached")), (_DELIVERED,), may_lose=LIVE_RESULTS, holds_s=3.0),
    Fault("Redis hangs", "SIGSTOP: connected, and silent", "redis", "freeze",
          (_WAITING, _FAILING, _redis("does not answer in time")), (_DELIVERED,), may_lose=LIVE_RESULTS, holds_s=3.0),
    Fault("Redis comes back empty", "a crash that costs it all its data", "redis", "empty",
          (LogSign("redis knows nothing after row 0 .* are sent again"),), (_DELIVERED,), may_lose=LIVE_RESULTS,
          momentary=True),
    Fault("Redis loses its last second", "a crash that costs it the end of its file", "redis", "tail=60000",
          (LogSign("redis knows nothing after row .* are sent again"),), (_DELIVERED,), may_lose=LIVE_RESULTS,
          momentary=True, quick=False),
    Fault("Redis is full", "maxmemory is reached, with noeviction", "redis", "memory",
          (_WAITING, _FAILING, _redis("is out of memory")), (_DELIVERED,), may_lose=LIVE_RESULTS, holds_s=3.0),
    Fault("Redis becomes a replica", "read-only, its primary away", "redis", "replica",
          (_WAITING, _FAILING, _redis("is a read-only replica")), (_DELIVERED,), may_lose=LIVE_RESULTS, holds_s=3.0),
    Fault("Redis is slow", "every answer takes up to 0.8 s", "redis", "slow=0.8",
          (MetricSign("streamer_delivered_total", {"sink": "redis"}, rises_by=3),), (_DELIVERED,),
          may_lose=LIVE_RESULTS, holds_s=4.0),
)  # fmt: skip
"""What a broker does."""

SERVICE_FAULTS = (
    Fault("service is killed", "SIGKILL; its supervisor starts it again", "service", "kill", (ExitSign(-9),),
          momentary=True, may_lose=ALL_FRAMES, spares_others=False),
    Fault("service is halted", "SIGSTOP for six seconds", "service", "halt", (), holds_s=6.0, may_lose=ALL_FRAMES,
          spares_others=False),
    Fault("no file can be opened", "every descriptor is in use while all cameras lose their connections", "service",
          "files", (LogSign("Too many open files|cannot be opened|cannot be reached"),), may_lose=ALL_FRAMES,
          spares_others=False, holds_s=4.0),
)  # fmt: skip
"""What happens to the service itself."""

MEMBER_FAULTS = (
    Fault("capture process is killed", "SIGKILL of the process in which cameras are read", "member", "kill",
          (LogSign("capture process .* died of SIGKILL"),
           MetricSign("streamer_capture_restarts_total", rises_by=1)),
          momentary=True, may_lose=ALL_FRAMES, spares_others=False),
    Fault("capture process is halted", "SIGSTOP, until the service replaces it", "member", "halt",
          (LogSign("capture process .* said nothing for"),
           MetricSign("streamer_capture_restarts_total", rises_by=1)),
          over_with=LogSign("capture process .* said nothing for"), may_lose=ALL_FRAMES, spares_others=False,
          quick=False),
)  # fmt: skip
"""What happens to a capture process."""

DISK_FAULTS = (
    Fault("evidence fills the disk", "no more is free than what is kept for alerts", "disk", "evidence",
          (LogSign("its picture cannot be written to .*are kept for alerts"),
           MetricSign("streamer_snapshot_failures_total", rises_by=1),
           MetricSign("streamer_delivered_total", {"sink": "redis"}, rises_by=3)),
          may_lose="pictures and clips of alerts, meanwhile (counted)"),
    Fault("disk is full", "not one byte more fits into the data folder", "disk", "full",
          (LogSign("alert changes cannot be stored, the cameras wait"),
           MetricSign("streamer_outbox_stuck", at_least=1)),
          (MetricSign("streamer_outbox_stuck", at_most=0), _DELIVERED),
          may_lose=ALL_FRAMES, spares_others=False, holds_s=4.0),
    Fault("disk fails", "its file system turns read-only with files open, until it is repaired", "disk", "fail",
          (LogSign("alert changes cannot be stored, the cameras wait"), ExitSign(1)),
          (_DELIVERED,), may_lose=ALL_FRAMES, spares_others=False, quick=False),
)  # fmt: skip
"""What happens to the data folder's disk."""

CLOCK_FAULTS = (
    Fault("clock jumps ahead", "the machine's clock is set an hour ahead", "clock", "3600",
          (LogSign("this machine's clock was set by .3600 s: a new session begins"),), (_DELIVERED,),
          may_lose=NOTHING, momentary=True),
    Fault("clock jumps back", "the machine's clock is set two hours back", "clock", "-3600",
          (LogSign("this machine's clock was set by -7200 s: a new session begins"),), (_DELIVERED,),
          may_lose=NOTHING, momentary=True),
)  # fmt: skip
"""What happens to the machine's clock."""

MATRIX = (
    *CAMERA_FAULTS, *NETWORK_FAULTS, *REDIS_FAULTS, *SERVICE_FAULTS, *MEMBER_FAULTS, *DISK_FAULTS, *CLOCK_FAULTS,
)  # fmt: skip
"""All faults."""
