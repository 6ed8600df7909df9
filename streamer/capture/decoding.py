"""One decoder out of two: a device's that may fail, and the software's that takes over from the first packet on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import av
import av.error
from av import VideoFrame
from av.codec import Codec


class CodecDecoder(Protocol):
    """What is used of PyAV's contexts."""

    flags: int

    @property
    def codec(self) -> Codec:
        """FFmpeg's description of it."""
        ...

    @property
    def extradata(self) -> bytes | None:
        """What the container says about the whole stream (parameter sets)."""
        ...

    @property
    def has_b_frames(self) -> bool:
        """Whether pictures come out in another order than they went in."""
        ...

    @property
    def pix_fmt(self) -> str | None:
        """Its pictures' format; a device's own name for it ('cuda') where that decodes."""
        ...

    def decode(self, packet: av.Packet[Any] | None = None) -> list[VideoFrame]:
        """The pictures that are ready now; with None those that are still inside."""
        ...

    def flush_buffers(self) -> None:
        """Forget what is inside."""
        ...


class Decoding:
    """The decoder of one connection; not thread-safe (implements CodecDecoder).

    Until the device has made its first picture, what it was given is kept, and where it fails the software decoder
    gets all of that: having tried costs no picture. A device that fails later ends the connection as any decoder
    does that makes no pictures any more, and the next connection tries again.
    """

    MOST_WITHOUT_PICTURE = 30
    """H.264 may hold 16 pictures back, and a device some more of its own."""

    def __init__(
        self,
        software: CodecDecoder,
        on_device: CodecDecoder | None = None,
        device: str = "cpu",
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._software, self._device, self._tell = software, device, tell
        self._context = on_device or software
        self._proven = on_device is None
        self._tried: list[av.Packet[Any]] = []
        self.why_not: str | None = None  # what speaks against the device, as a sentence

    @property
    def where(self) -> str:
        """What decodes, for people: 'h264 (cuda)', 'h264 (cpu; cuda could not be opened: …)'."""
        on = self._device if self.why_not is None else f"cpu; {self.why_not}"
        return f"{self.codec.canonical_name} ({on})"

    @property
    def codec(self) -> Codec:
        """FFmpeg's description of the decoder."""
        return self._context.codec

    @property
    def extradata(self) -> bytes | None:
        """What the container says about the whole stream."""
        return self._software.extradata

    @property
    def has_b_frames(self) -> bool:
        """Whether pictures come out in another order than they went in."""
        return bool(self._software.has_b_frames or self._context.has_b_frames)

    @property
    def pix_fmt(self) -> str | None:
        """Of the decoder in use."""
        return self._context.pix_fmt

    @property
    def flags(self) -> int:
        """FFmpeg's flags, of both decoders."""
        return self._software.flags

    @flags.setter
    def flags(self, flags: int) -> None:
        self._software.flags = flags
        self._context.flags = flags

    def decode(self, packet: av.Packet[Any] | None = None) -> list[VideoFrame]:
        """The pictures that are ready now; with None those that are still inside."""
        if self._proven:
            return self._context.decode(packet)
        if packet is not None:
            self._tried.append(packet)
        try:
            frames = self._context.decode(packet)
        except av.error.EOFError:
            frames = []
        except av.error.FFmpegError as error:
            return self._hand_over(f"failed: {error.strerror}", packet)
        if frames:
            self._prove()
        elif self._tried and (packet is None or len(self._tried) >= self.MOST_WITHOUT_PICTURE):
            return self._hand_over("made no picture", packet)
        return frames

    def flush_buffers(self) -> None:
        """Forget what is inside."""
        self._tried.clear()
        self._context.flush_buffers()

    def _prove(self) -> None:
        """Pictures come. FFmpeg itself may have turned to software by now, for a stream that the chip does not know."""
        self._proven = True
        self._tried.clear()
        formats = {config.format.name for config in self._context.codec.hardware_configs or () if config.format}
        if self._context.pix_fmt not in formats:
            self._give_up("does not decode this stream")

    def _hand_over(self, why: str, last: av.Packet[Any] | None) -> list[VideoFrame]:
        self._proven, self._context = True, self._software
        self._give_up(why)
        tried, self._tried = self._tried, []
        frames: list[VideoFrame] = []
        for packet in tried:
            try:
                frames += self._software.decode(packet)
            except av.error.FFmpegError:
                if packet is last and not frames:
                    raise  # so it was the stream's fault
        if last is None:
            frames += self._software.decode(None)
        return frames

    def _give_up(self, why: str) -> None:
        self.why_not = f"{self._device} {why}"
        self._tell(self.why_not)
