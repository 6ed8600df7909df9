"""What was recorded of a camera: the names of its segments are the index, and nothing else has to be kept in step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError

from streamer.errors import FootageError
from streamer.footage.recording import FOLDER
from streamer.footage.stream_header import StreamHeader
from streamer.packet_ring import KeptPacket

_NAME = "%Y-%m-%d/%H-%M-%S.%fZ"


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One file, and the epoch seconds of its first packet, a key frame."""

    starts_at: float
    path: Path


def recorded_cameras(folder: Path) -> list[str]:
    """Those of which there are recordings below a data folder."""
    root = folder / FOLDER
    return sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def recorded_days(folder: Path, camera: str) -> list[str]:
    """UTC days of which there are recordings, the oldest first."""
    root = folder / FOLDER / camera
    return sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def segments(folder: Path, camera: str, from_at: float, to_at: float) -> list[Segment]:
    """Those that may hold something between these epoch times, in order.

    The last that began before is one of them, and so is the first that begins after: its first pictures may be shown
    before its key frame (open GOP).
    """
    found: list[Segment] = []
    day = datetime.fromtimestamp(from_at, UTC).date() - timedelta(days=1)
    last_day = datetime.fromtimestamp(to_at, UTC).date() + timedelta(days=1)
    while day <= last_day:
        found += _of_day(folder / FOLDER / camera / day.isoformat())
        day += timedelta(days=1)
    found.sort()
    before = [segment for segment in found if segment.starts_at <= from_at]
    between = [segment for segment in found if from_at < segment.starts_at <= to_at]
    return before[-1:] + between + [segment for segment in found if segment.starts_at > to_at][:1]


def _of_day(folder: Path) -> Iterator[Segment]:
    for path in folder.glob("*.mp4"):
        try:
            starts = datetime.strptime(f"{folder.name}/{path.stem}", _NAME).replace(tzinfo=UTC)
        except ValueError:
            continue  # somebody else's file
        yield Segment(starts.timestamp(), path)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A packet of a recording; kept.stream_s is on the timeline of RecordedPackets.

    header: of its segment; kind: codec, width, height and parameters: packets of one kind fit into one file.
    """

    header: StreamHeader
    kind: tuple[str, int, int, bytes]
    kept: KeptPacket


class RecordedPackets:
    """Packets of segments in order, on one timeline that is 0 at `zero_at`.

    Within one connection of the camera the times are those of its stream, to the tick; names tell only milliseconds,
    and the service's idea of when it all began was still settling.
    """

    def __init__(self, found: list[Segment], zero_at: float) -> None:
        self._segments, self._zero_at = found, zero_at
        self._number = 0
        self._connection = ""
        self._stream_zero_s = 0.0  # stream time 0 of the connection, on our timeline

    def __iter__(self) -> Iterator[Recorded]:
        for segment in self._segments:
            # One that was cut off by a crash ends where it ends; one that was pruned meanwhile is a gap.
            try:
                with av.open(str(segment.path), format="mp4") as container:
                    yield from self._of(segment, container)
            except (FFmpegError, OSError, IndexError, FootageError):
                continue

    def _of(self, segment: Segment, container: InputContainer) -> Iterator[Recorded]:
        stream = container.streams.video[0]
        context, header = stream.codec_context, StreamHeader.of(stream)
        kind = (header.codec, context.width, context.height, context.extradata or b"")
        begins_s, first_pts = self._begins_s(segment, container.metadata), None
        for packet in container.demux(stream):
            if packet.is_corrupt:  # cut off in its middle
                return
            if packet.pts is None or not packet.size:
                continue
            first_pts = packet.pts if first_pts is None else first_pts
            at_s = begins_s + float((packet.pts - first_pts) * (packet.time_base or Fraction(0)))
            yield Recorded(header, kind, KeptPacket(self._number, packet, at_s))
            self._number += 1

    def _begins_s(self, segment: Segment, tags: dict[str, str]) -> float:
        """When the segment begins, on our timeline."""
        named_s = segment.starts_at - self._zero_at
        try:
            connection, stream_s = tags["connection"], float(tags["stream_s"])
        except (KeyError, ValueError):
            return named_s
        if connection != self._connection:
            self._connection, self._stream_zero_s = connection, named_s - stream_s
        return self._stream_zero_s + stream_s
