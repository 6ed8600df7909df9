"""A camera, opened as the service would and watched for some seconds: what it sends, how regularly, by which clock."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from streamer.assembly.camera import build_source, decode_mode
from streamer.capture.gate import Gate
from streamer.clock import SystemClock
from streamer.commands.doctor.finding import Finding, Measured
from streamer.config import CameraConfig
from streamer.errors import StreamerError
from streamer.fit import InputFit
from streamer.surroundings import Surroundings

if TYPE_CHECKING:
    from av import Packet
    from av.video.stream import VideoStream


@dataclass(frozen=True, slots=True)
class SeenPacket:
    """Of one video packet: its time on the stream's own timeline, its size, and whether a picture begins anew there."""

    stream_s: float
    size: int
    is_key: bool


class PacketNotes:
    """Writes down the packets of the newest connection (implements stages.PacketTap)."""

    def __init__(self) -> None:
        self.seen: list[SeenPacket] = []

    def opened(self, stream: VideoStream) -> None:  # noqa: ARG002 - a tap is shown it
        """A connection begins."""
        self.seen = []

    def packet(self, packet: Packet[Any], stream_s: float) -> None:
        """The next packet."""
        self.seen.append(SeenPacket(stream_s, packet.size, packet.is_keyframe))

    def timed(self, captured_at_zero: float) -> None:
        """The camera's clock is asked of the status."""

    def closed(self) -> None:
        """What was seen stays."""

    @property
    def lasted_s(self) -> float:
        """From the first packet to the newest."""
        return self.seen[-1].stream_s - self.seen[0].stream_s if self.seen else 0.0


def examined_camera(name: str, camera: CameraConfig, watch_s: float) -> list[Finding]:
    """Every picture is decoded for it, whatever `decode` says: whether the camera could sleep, its packets tell."""
    clock, notes = SystemClock(), PacketNotes()
    around = replace(Surroundings.alone(name, clock), tap=notes)
    looked_at = camera.model_copy(update={"decode": "always", "look_every_s": 0.0, "analyse_fps": None})
    source = build_source(name, looked_at, InputFit((320, 320)), around, clock)
    patience_s = camera.connect_timeout_s * 2 + camera.stall_after_s
    timer = threading.Timer(patience_s, source.close)
    timer.start()
    began_s, first_s = clock.monotonic(), None
    try:
        for _ in source.frames():
            if first_s is None:
                first_s = clock.monotonic() - began_s
                timer.cancel()
                timer = threading.Timer(watch_s, source.close)
                timer.start()
            if notes.lasted_s >= watch_s:
                break
    except StreamerError as error:
        return [Finding(f"camera {name}", False, str(error))]
    finally:
        timer.cancel()
        source.close()
    state = around.status.state()
    if first_s is None:
        said = state.trouble or f"no picture within {patience_s:.0f} s"
        return [Finding(f"camera {name}", False, said)]
    width, height = state.source_wh or (0, 0)
    said = f"{width}×{height} {state.codec}, first picture after {first_s:.1f} s"
    measured: dict[str, float | str | None] = {
        "codec": state.codec,
        "width": width,
        "height": height,
        "first_picture_s": round(first_s, 2),
        "skew_s": None if state.skew_s is None else round(state.skew_s, 2),
        **stream_figures(notes.seen),
    }
    if measured["fps"] is not None:
        said += f", {measured['fps']:g} pictures a second, {measured['mbit_s']:g} Mbit/s"
    return [
        Finding(f"camera {name}", True, said, measured),
        *_clock(name, camera, state.skew_s),
        *judged_sleep(name, decode_mode(camera), notes.seen),
    ]


def stream_figures(seen: Sequence[SeenPacket]) -> Measured:
    """Rate, bits and the time between key frames; None where too little was seen to tell."""
    times = sorted(each.stream_s for each in seen)
    keys = sorted(each.stream_s for each in seen if each.is_key)
    lasted_s = times[-1] - times[0] if times else 0.0
    if len(seen) < 3 or lasted_s <= 0:
        return {"fps": None, "mbit_s": None, "key_frame_s": None}
    apart_s = [b - a for a, b in pairwise(keys)]
    return {
        "fps": round((len(times) - 1) / lasted_s, 2),
        "mbit_s": round(sum(each.size for each in seen[:-1]) * 8 / lasted_s / 1e6, 2),
        "key_frame_s": round(statistics.median(apart_s), 2) if apart_s else None,
    }


def judged_sleep(name: str, decode: str, seen: Sequence[SeenPacket]) -> Iterator[Finding]:
    """Pure: whether the camera can sleep as configured, as far as some seconds of packets tell (capture/gate.py)."""
    if decode == "always":
        return
    what, figures = f"camera {name}, sleep", stream_figures(seen)
    keys = [number for number, each in enumerate(seen) if each.is_key]
    apart = max((b - a for a, b in pairwise(keys)), default=len(seen) - (keys[-1] if keys else 0))
    if len(keys) == len(seen) > 1:
        yield Finding(what, True, "every picture stands alone: it is looked at twice a second while it sleeps", figures)
    elif apart > Gate.MOST_BETWEEN_KEYS:
        said = (
            f"its key frames are {apart} pictures apart, more than {Gate.MOST_BETWEEN_KEYS}: it will be decoded whole"
        )
        yield Finding(what, False, said + "; set its I-frame interval to two seconds", figures)
    elif len(keys) < 2:
        said = f"no second key frame within {len(seen)} pictures: asleep it is looked at as seldom as they come"
        yield Finding(
            what, None, said + "; set its I-frame interval to two seconds, or look longer with --watch", figures
        )
    elif len(seen) > 50 and len({each.size for each in seen if not each.is_key}) == 1:
        said = "its packets are all of one size, whatever is in them: it will be decoded whole"
        yield Finding(what, False, said + "; set its rate to variable", figures)
    else:
        said = f"a key frame every {figures['key_frame_s']:g} s: fit to sleep, as far as its packets tell"
        yield Finding(what, True, said, figures)


def _clock(name: str, camera: CameraConfig, skew_s: float | None) -> Iterator[Finding]:
    if skew_s is None:
        return  # not every camera tells its time, and not at once
    most_s, measured = camera.trouble.clock_skew_s, {"skew_s": round(skew_s, 3)}
    said = f"its clock is {skew_s:+.2f} s from ours"
    if most_s is not None and abs(skew_s) > most_s:
        said += f", more than trouble.clock_skew_s ({most_s:g} s): set its NTP server"
        yield Finding(f"camera {name}, clock", False, said, measured)
    else:
        yield Finding(f"camera {name}, clock", True, said, measured)
