"""Footage in tests: videos shown to a tap as a camera's connection would, and what a file shows, picture by picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from streamer.stages import PacketTap
from streamer.types import AlertChange
from tests.alert_lives import change

EPOCH = 1_750_000_000.0  # when stream time 0 is, unless a test says otherwise

Pictures = list[tuple[float, NDArray[np.uint8]]]


def alert(id: str, starts_s: float, *, kind: str = "intrusion", camera: str = "gate") -> AlertChange:
    """An alert that opens so many seconds after EPOCH."""
    return change(id, camera=camera, kind=kind, at=EPOCH + starts_s)


def show(
    tap: PacketTap,
    video: Path,
    *,
    zero_at: float = EPOCH,
    until_s: float = float("inf"),
    at: Callable[[float], None] = lambda _: None,
    close: bool = True,
) -> None:
    """One connection: every packet of a video to a tap; at(stream_s) is called after each."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        tap.opened(stream)
        for packet in container.demux(stream):
            if not packet.size:
                continue
            stream_s = float(packet.pts * packet.time_base)
            if stream_s >= until_s:
                break
            tap.packet(packet, stream_s)
            tap.timed(zero_at)
            at(stream_s)
    if close:
        tap.closed()


def pictures(video: Path) -> Pictures:
    """(seconds, uint8 (h * 3 / 2, w) as decoded) of every picture that a player shows, in its order."""
    return list(_decoded(video))


def _decoded(video: Path) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            yield float(frame.time), frame.to_ndarray()


def same_pictures(clip: Pictures, source: Pictures, clip_from_s: float) -> list[float]:
    """Source times of the clip's pictures; fails where one differs from the source's picture of that time by a bit."""
    found = []
    for clip_s, picture in clip:
        at_s, truth = min(source, key=lambda each: abs(each[0] - (clip_from_s + clip_s)))
        assert abs(at_s - (clip_from_s + clip_s)) < 0.002, f"the source shows nothing at {clip_from_s + clip_s:.3f} s"
        assert np.array_equal(picture, truth), f"the picture of {at_s:.3f} s is another one"
        found.append(at_s)
    return found


def boxes(path: Path) -> list[str]:
    """The names of an MP4's top boxes, in order."""
    content, at, names = path.read_bytes(), 0, []
    while at + 8 <= len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        names.append(content[at + 4 : at + 8].decode("latin-1"))
        if size == 1:
            size = int.from_bytes(content[at + 8 : at + 16], "big")
        if size == 0:
            break
        at += size
    return names
