"""What cameras send: recordings with wrong bytes through the capture room, and an RTSP server that answers wrongly."""

from __future__ import annotations

import random
import socket
import threading
from pathlib import Path

from streamer.capture.options import CameraOptions
from streamer.capture.source import CameraSource
from streamer.clock import SystemClock
from streamer.errors import SourceError
from streamer.fit import InputFit
from streamer.surroundings import Surroundings
from tests.clips import write_clip
from tests.fakes import FakeClock
from tests.fuzz.mutations import mutated_bytes

_FIT = InputFit((64, 64), "letterbox", "centre", 114)
_MOST_FRAMES = 60


class Bitstreams:
    """CameraSource over damaged recordings: frames whose pixels are there, or a SourceError."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clip.bin"
        self._clips = []
        for codec, name in (("libx264", "a.mp4"), ("libx264", "b.mkv"), ("libx264", "c.ts"), ("libx265", "d.mp4"),
                            ("mjpeg", "f.mov")):  # fmt: skip
            path = write_clip(folder / name, frames=8, size_wh=(64, 48), gop=4, codec=codec,
                              pix_fmt="yuvj420p" if codec == "mjpeg" else "yuv420p")  # fmt: skip
            self._clips.append(path.read_bytes())

    def try_one(self, rng: random.Random) -> bool:
        """Read one to its end."""
        self._file.write_bytes(mutated_bytes(rng, rng.choice(self._clips), rng.choice((1, 4, 30))))
        return _taken(CameraOptions(camera="gate", url=str(self._file), pace="demand", analyse_fps=None,
                                    decode=rng.choice(("always", "always", "key_frames"))))  # fmt: skip

    def close(self) -> None:
        """Nothing is open."""


_SDP = """v=0\r
o=- 1 1 IN IP4 127.0.0.1\r
s=x\r
t=0 0\r
m=video 0 RTP/AVP 96\r
a=rtpmap:96 H264/90000\r
a=fmtp:96 packetization-mode=1; profile-level-id=42C01E; sprop-parameter-sets=Z0LAHtkDxWhAAAADAEAAAAwDxYuS,aMuMsg==\r
a=control:trackID=0\r
"""


class RtspAnswers:
    """CameraSource over a server whose answers are wrong in a few bytes: SourceError, within the promised time."""

    def __init__(self, folder: Path) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._rng = random.Random(0)
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, name="rtsp:wrong", daemon=True)
        self._thread.start()

    def try_one(self, rng: random.Random) -> bool:
        """Connect once; the server hangs up behind its last answer."""
        self._rng = rng
        return _taken(CameraOptions(camera="gate", url=f"rtsp://127.0.0.1:{self.port}/live", pace="demand",
                                    connect_timeout_s=1.0, stall_after_s=1.0))  # fmt: skip

    def close(self) -> None:
        """Stop listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(3)
                try:
                    self._talk(connection)
                except OSError:
                    continue

    def _talk(self, connection: socket.socket) -> None:
        rng = self._rng
        wrong_at = rng.randint(1, 5)
        for number in range(1, 6):
            request = connection.recv(4096)
            if not request:
                return
            sequence = next((line for line in request.split(b"\r\n") if line.lower().startswith(b"cseq")), b"CSeq: 1")
            right = _answer(request.partition(b" ")[0], sequence)
            connection.sendall(mutated_bytes(rng, right, 5) if number >= wrong_at else right)
        packets = b"".join(b"$\x00" + len(p).to_bytes(2, "big") + p for p in (_rtp(rng, n) for n in range(5)))
        connection.sendall(mutated_bytes(rng, packets, 5))


def _answer(method: bytes, sequence: bytes) -> bytes:
    body, more = b"", b""
    if method == b"DESCRIBE":
        body, more = _SDP.encode(), b"Content-Type: application/sdp\r\n"
    elif method == b"SETUP":
        more = b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 12345678;timeout=60\r\n"
    elif method == b"OPTIONS":
        more = b"Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
    else:
        more = b"Session: 12345678\r\nRTP-Info: url=trackID=0;seq=1;rtptime=0\r\n"
    return b"RTSP/1.0 200 OK\r\n%s\r\n%sContent-Length: %d\r\n\r\n%s" % (sequence, more, len(body), body)


def _rtp(rng: random.Random, number: int) -> bytes:
    nal = bytes([rng.choice((0x65, 0x41, 0x67, 0x68, 0x7C, 0x78))]) + rng.randbytes(rng.randint(0, 200))
    return b"\x80\xe0" + number.to_bytes(2, "big") + (number * 3600).to_bytes(4, "big") + b"\x00\x00\x00\x01" + nal


def _taken(options: CameraOptions) -> bool:
    source = CameraSource(options, _FIT, Surroundings.alone("gate", FakeClock()), SystemClock())
    frames = source.frames()
    seen = 0
    try:
        for frame in frames:
            height, width = frame.image.shape[:2]
            if not (height and width and frame.media_s >= 0):
                raise AssertionError(f"a frame of {frame.image.shape} at {frame.media_s} s")
            seen += 1
            if seen >= _MOST_FRAMES:
                break
    except SourceError:
        return False
    finally:
        source.close()
        frames.close()
    return bool(seen)
