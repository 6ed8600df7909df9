"""A camera's packets as live video, in front of whatever else they are shown to: made only while somebody watches.

While nobody does, a packet costs a place in a ring that holds one group of pictures, so that whoever comes sees
something at once and not after the next key frame, which some cameras send every ten seconds.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from streamer.errors import FootageError
from streamer.footage.excerpt import Excerpt, Verdict
from streamer.footage.fragments import FragmentWriter, head_of
from streamer.footage.nal_units import parameters
from streamer.footage.reception import Reception
from streamer.footage.stream_header import StreamHeader
from streamer.live_video import VideoOutlet
from streamer.packet_ring import KeptPacket, PacketRing
from streamer.stages import PacketTap

if TYPE_CHECKING:
    from av import Packet
    from av.video.stream import VideoStream

MOST_BYTES = 8_000_000
LONGEST_GAP_S = 10.0
SHOWN = ("h264", "hevc")
_CALLED = {
    "h264": "H.264",
    "hevc": "H.265",
    "mjpeg": "Motion JPEG",
    "mpeg4": "MPEG-4 part 2",
    "av1": "AV1",
    "vp9": "VP9",
}

_log = logging.getLogger("streamer.footage")


class WatchedTap:
    """stages.PacketTap around another one, or around none. Trouble ends the video and nothing else."""

    def __init__(self, camera: str, video: VideoOutlet, inner: PacketTap | None = None) -> None:
        self._camera, self._video, self._inner = camera, video, inner
        self._reception: Reception | None = None
        self._codec = ""
        self._has_lengths = False
        self._stretch: _Stretch | None = None

    def opened(self, stream: VideoStream) -> None:
        """A connection begins."""
        if self._inner is not None:
            self._inner.opened(stream)
        self._over()
        self._reception = None
        self._codec = codec = stream.codec_context.codec.canonical_name
        if codec not in SHOWN:
            name = _CALLED.get(codec, codec)
            return self._video.refuse(f"camera '{self._camera}' sends {name}, which browsers do not play as video")
        told = stream.codec_context.extradata or b""
        self._has_lengths = told[:1] == b"\1"  # avcC and hvcC begin with their version, start codes with 0
        try:
            self._reception = Reception(StreamHeader.of(stream), PacketRing(0.0, MOST_BYTES))
        except FootageError as error:
            return self._video.refuse(f"camera '{self._camera}': {error}")
        self._video.refuse(None)

    def packet(self, packet: Packet[Any], stream_s: float) -> None:
        """The next packet."""
        if self._inner is not None:
            self._inner.packet(packet, stream_s)
        if self._reception is None:
            return
        self._reception.add(packet, stream_s)
        turn = self._video.turn
        if not turn:
            self._stretch = None
            return
        try:
            self._show(self._reception, turn)
        except FootageError as error:
            self._give_up(f"camera '{self._camera}': {error}")
        except Exception:  # noqa: BLE001 - whoever looks on must not harm the watching
            _log.exception("camera %r: its live video failed", self._camera, extra={"camera": self._camera})
            self._give_up(f"camera '{self._camera}': its video failed here; the log says why")

    def timed(self, captured_at_zero: float) -> None:
        """When stream time 0 was."""
        if self._inner is not None:
            self._inner.timed(captured_at_zero)
        if self._reception is not None:
            self._reception.zero_at = captured_at_zero

    def closed(self) -> None:
        """The connection is over."""
        if self._inner is not None:
            self._inner.closed()
        self._reception = None
        self._over()

    def _show(self, reception: Reception, turn: int) -> None:
        stretch = self._stretch
        if stretch is None or stretch.turn != turn:
            self._stretch = self._begun(reception, turn)
            return
        for kept in reception.ring.since(stretch.next_number):
            verdict = stretch.judge(kept)
            if verdict == "end":
                self._over()  # whoever watches comes again, and begins with the last key frame
                return
            if verdict == "write" and (fragment := stretch.writer.write(kept, reception.zero_at)) is not None:
                self._video.add(fragment)

    def _begun(self, reception: Reception, turn: int) -> _Stretch | None:
        held = reception.ring.since(reception.ring.first_at(float("inf")))
        header = reception.header
        if not held or header is None:
            return None
        key = held[0].packet
        told = () if self._has_lengths else parameters(bytes(key), self._codec)
        if not all(each in header.empty_mp4 for each in told):
            header = StreamHeader(header.codec, header.reorders, b"")  # it is not any more what the camera said first
        header = header.completed(key)
        writer = FragmentWriter(reorders=header.reorders, has_lengths=self._has_lengths)
        stretch = _Stretch(turn, writer, held[0].number, self._codec, told)
        group = []
        for kept in held:
            verdict = stretch.judge(kept)
            if verdict == "end":
                break
            if verdict == "write" and (fragment := writer.write(kept, reception.zero_at)) is not None:
                group.append(fragment)
        self._video.begin(head_of(header), group)
        return stretch

    def _give_up(self, why: str) -> None:
        self._reception = None  # until the next connection
        self._over()
        self._video.refuse(why)

    def _over(self) -> None:
        self._stretch = None
        self._video.end()


class _Stretch:
    """What has to be remembered from packet to packet: none may be missing, none may belong to another stream."""

    def __init__(self, turn: int, writer: FragmentWriter, number: int, codec: str, told: tuple[bytes, ...]) -> None:
        self.turn, self.writer, self.next_number = turn, writer, number
        self._codec, self._told = codec, told
        self._excerpt = Excerpt(longest_gap_s=LONGEST_GAP_S)

    def judge(self, kept: KeptPacket) -> Verdict:
        """What becomes of the next packet."""
        if kept.number != self.next_number:
            return "end"
        self.next_number += 1
        if kept.packet.is_keyframe and self._told:
            now = parameters(bytes(kept.packet), self._codec)
            if now and now != self._told:
                return "end"
        return self._excerpt.judge(kept)
