"""Coded pictures as RTP packets (RFC 3550), H.264 by RFC 6184 and H.265 by RFC 7798, interleaved in TCP (RFC 2326)."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence

from streamer.chaos.camera.coded_clip import Codec

MOST_BYTES = 1400  # of a packet's payload
PAYLOAD_TYPE = 96
CLOCK_HZ = 90_000
_NTP_BEGINS_S = 2_208_988_800  # 1900 to 1970
_SENDER_REPORT = 200
_FU_H264, _FU_HEVC = 28, 49


class RtpStream:
    """One stream to one client: numbers its packets, and reports what it has sent."""

    def __init__(self, rng: random.Random) -> None:
        self._ssrc = rng.getrandbits(32)
        self._sequence = rng.getrandbits(15)
        self._first_ticks = rng.getrandbits(30)
        self._packets = self._bytes = 0

    @property
    def next_sequence(self) -> int:
        """Of the packet that comes next; for RTP-Info."""
        return self._sequence

    def ticks(self, at_s: float) -> int:
        """Seconds on the stream's timeline → RTP timestamp."""
        return self._first_ticks + round(at_s * CLOCK_HZ) & 0xFFFFFFFF

    def packets(self, codec: Codec, nals: Sequence[bytes], shown_s: float) -> Iterator[bytes]:
        """One picture; the marker is on its last packet."""
        payloads = [payload for nal in nals for payload in payloads_of(codec, nal)]
        for i, payload in enumerate(payloads):
            marker = 0x80 if i == len(payloads) - 1 else 0
            head = struct.pack(">BBHII", 0x80, marker | PAYLOAD_TYPE, self._sequence, self.ticks(shown_s), self._ssrc)
            self._sequence = self._sequence + 1 & 0xFFFF
            self._packets += 1
            self._bytes += len(payload)
            yield head + payload

    def sender_report(self, at_s: float, epoch_s: float) -> bytes:
        """RTCP: stream time at_s was at this moment of the camera's own clock."""
        ntp = round((epoch_s + _NTP_BEGINS_S) * 2**32)
        counts = self._packets & 0xFFFFFFFF, self._bytes & 0xFFFFFFFF
        return struct.pack(">BBHIQIII", 0x80, _SENDER_REPORT, 6, self._ssrc, ntp & 2**64 - 1, self.ticks(at_s), *counts)


def payloads_of(codec: Codec, nal: bytes) -> Iterator[bytes]:
    """A NAL unit as payloads: whole where it fits, else in fragmentation units (RFC 6184 5.8, RFC 7798 4.4.3)."""
    if len(nal) <= MOST_BYTES:
        yield nal
        return
    if codec == "h264":
        head, kind, body = bytes([nal[0] & 0xE0 | _FU_H264]), nal[0] & 0x1F, nal[1:]
    else:
        head, kind, body = bytes([nal[0] & 0x81 | _FU_HEVC << 1, nal[1]]), nal[0] >> 1 & 0x3F, nal[2:]
    size = MOST_BYTES - len(head) - 1
    for start in range(0, len(body), size):
        first, last = start == 0, start + size >= len(body)
        yield head + bytes([first << 7 | last << 6 | kind]) + body[start : start + size]


def interleaved(channel: int, packet: bytes) -> bytes:
    """A packet inside the RTSP connection (RFC 2326 10.12)."""
    return struct.pack(">cBH", b"$", channel, len(packet)) + packet
