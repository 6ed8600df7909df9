"""One connection: opened, read and closed by one thread, which never waits longer than it promised.

PyAV interrupts a read that takes longer than its time limit. RTSP goes on after that as if nothing had happened
(the packet that the parser held back comes out on the way), so reads are made in short slices: between two slices
the owner looks whether it is to stop, and whether the camera has been silent for too long. Other protocols do not
survive an interruption: there one read may last as long as a stall is allowed to.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from streamer.capture import trouble
from streamer.capture.address import is_rtsp, is_webcam, scheme, with_escaped_password
from streamer.capture.decoding import Decoding
from streamer.capture.hardware import Hardware
from streamer.capture.options import CameraOptions, ffmpeg_format, ffmpeg_options
from streamer.capture.reported_clock import ReportedClock

READ_SLICE_S = 2.0
MOST_BROKEN_READS = 100
# What a demuxer of bare pictures makes up for timestamps says nothing about when they were taken.
_UNTIMED_FORMATS = frozenset({"mpjpeg", "mjpeg", "h264", "hevc", "image2pipe", "jpeg_pipe", "m4v"})


class Connection:
    """An open source with a video track. Packets go through packets(); close() belongs to the same thread.

    decoding: what they are decoded with, on the device that the camera asks for or on the CPU.
    """

    def __init__(
        self, options: CameraOptions, container: InputContainer, stream: VideoStream, decoding: Decoding
    ) -> None:
        self._options, self._container = options, container
        self.stream, self.decoding = stream, decoding
        self._clock = ReportedClock() if is_rtsp(options.url) else None

    @property
    def nominal_interval_s(self) -> float | None:
        """The frame interval that the container declares; often wrong over RTSP."""
        rate = self.stream.average_rate or self.stream.guessed_rate
        return float(1 / rate) if rate else None

    @property
    def untimed(self) -> bool:
        """True for a live stream of bare pictures: their arrival is all that is known of their time."""
        return self._options.pace == "live" and bool(
            _UNTIMED_FORMATS.intersection(self._container.format.name.split(","))
        )

    @property
    def created_at(self) -> float:
        """Epoch seconds at which a recording was made, as its container tells; 0.0 where it does not."""
        text = self._container.metadata.get("creation_time", "")
        try:
            made = datetime.fromisoformat(text)
        except ValueError:
            return 0.0
        return (made if made.tzinfo else made.replace(tzinfo=UTC)).timestamp()

    def realtime_at_zero(self) -> float | None:
        """Epoch seconds of stream time 0 by the camera's own clock, as RTCP told it last."""
        if self._clock is not None and self._clock.zero_at is not None:
            return self._clock.zero_at
        at_us = getattr(self._container, "start_time_realtime", None)
        return at_us / 1e6 if at_us else None

    def packets(self) -> Iterator[av.Packet[Any] | None]:
        """Packets of the video track; None where a slice of time brought nothing.

        Ends with the file, or with the connection. Raises SourceError.
        """
        broken_in_a_row = 0
        lent = is_webcam(self._options.url, self._options.format)
        while True:
            try:
                # Copied on the way in: a lent packet that has a name here would live on in the traceback of an
                # error, longer than the device is open.
                for packet in map(copy_of, self._demuxed()) if lent else self._demuxed():
                    broken_in_a_row = 0
                    if packet.size:  # an empty one ends the stream: whoever decodes flushes by itself
                        if self._clock is not None:
                            self._clock.read(packet)
                        yield packet
                return
            except av.error.BlockingIOError:
                yield None  # a webcam without a new picture
            except av.error.ExitError as error:
                if not is_rtsp(self._options.url):
                    raise trouble.interrupted(self._options, error) from error
                yield None
            except av.error.InvalidDataError as error:
                trouble.hide_secrets(self._options, error)
                if self._options.pace != "live":
                    return  # a recording that was cut off: what there was has been read
                broken_in_a_row += 1
                if broken_in_a_row > MOST_BROKEN_READS:
                    raise trouble.corrupt(self._options, broken_in_a_row) from error
                yield None
            except (av.error.FFmpegError, OSError) as error:
                raise trouble.interrupted(self._options, error) from error

    def _demuxed(self) -> Iterator[av.Packet[Any]]:
        return self._container.demux(self.stream)

    def close(self) -> None:
        """Release everything; call it from the thread that opened it."""
        self._container.close()


def copy_of(packet: av.Packet[Any]) -> av.Packet[Any]:
    """The same packet in memory of its own.

    V4L2 lends its few buffers, and an uncompressed picture is its packet's buffer, not a copy of it. With the device
    they are unmapped: whoever still held a picture then would read freed memory.
    """
    copy: av.Packet[Any] = av.Packet(packet.size)  # padded, as decoders want it; made of bytes it would not be
    copy.update(packet)  # type: ignore[arg-type]  # any buffer will do
    copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
    copy.time_base = packet.time_base
    copy.is_keyframe, copy.is_corrupt = packet.is_keyframe, packet.is_corrupt
    return copy


def connect(options: CameraOptions, hardware: Hardware | None = None) -> Connection:
    """Open the source. Blocks up to twice connect_timeout_s. Raises SourceUnavailable.

    hardware: the camera's, kept over its connections, so that what cannot be had is told once.
    """
    hardware = hardware or Hardware(options.camera, options.decode_on)
    read_s = min(READ_SLICE_S, options.stall_after_s) if is_rtsp(options.url) else options.stall_after_s
    bounded = options.pace == "live" or scheme(options.url) is not None  # a disk is waited for
    container = _open(options, ffmpeg_options(options), (options.connect_timeout_s, read_s) if bounded else None)
    try:
        if not container.streams.video:
            raise trouble.no_video(options)
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise trouble.unknown_codec(options, "its codec is not known")
        stream.codec_context.thread_type = "SLICE" if options.decode_threads > 1 else "NONE"
        stream.codec_context.thread_count = options.decode_threads
        decoding = hardware.decoding(stream.codec_context)
    except BaseException:
        container.close()
        raise
    return Connection(options, container, stream, decoding)


def _open(options: CameraOptions, ffmpeg: dict[str, str], timeout: tuple[float, float] | None) -> InputContainer:
    try:
        return av.open(
            with_escaped_password(options.url), "r", format=ffmpeg_format(options), options=ffmpeg, timeout=timeout
        )
    except av.error.HTTPOtherClientError as error:
        if "allowed_media_types" in ffmpeg and _plays_without_video(options, ffmpeg, timeout):
            raise trouble.no_video(options) from None
        raise trouble.unavailable(options, error) from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise trouble.unavailable(options, error) from error


def _plays_without_video(options: CameraOptions, ffmpeg: dict[str, str], timeout: tuple[float, float] | None) -> bool:
    """A camera whose only tracks are not video answers PLAY with an error: we asked for none of them."""
    rest = {key: value for key, value in ffmpeg.items() if key != "allowed_media_types"}
    try:
        with av.open(with_escaped_password(options.url), "r", options=rest, timeout=timeout) as container:
            return not container.streams.video
    except (av.error.FFmpegError, OSError):
        return False
