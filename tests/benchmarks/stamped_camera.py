"""A camera that writes the time into its pictures: MPEG-TS over TCP, encoded as it goes, for as long as it runs.

    python -m tests.benchmarks.stamped_camera PORT [--fps 25] [--kbit 2500] [--gop 50]

Whoever connects gets the stream from the next key frame on. The time is in white and black fields along the upper edge:
milliseconds since the epoch, modulo 2^BITS, lowest bit first.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import socket
import threading
import time
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

BITS = 20
SIZE_WH = (1280, 720)
STRIP = 0.1  # of the height


def stamped(ground: NDArray[np.uint8], at: float) -> NDArray[np.uint8]:
    """uint8 (h, w, 3): the picture with the time in it."""
    height, width = ground.shape[:2]
    stamp = int(at * 1000) % (1 << BITS)
    fields = np.array([235 if stamp >> bit & 1 else 16 for bit in range(BITS)], np.uint8)
    ground[: int(height * STRIP)] = np.repeat(fields, width // BITS)[None, :, None]
    return ground


class Listeners:
    """Everybody who is connected; one that does not read is cut off."""

    def __init__(self, port: int) -> None:
        self._server = socket.create_server(("127.0.0.1", port))
        self._lock = threading.Lock()
        self._connected: list[socket.socket] = []
        self._new: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._server.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(2.0)
            with self._lock:
                self._new.append(connection)

    def send(self, content: bytes, *, is_key: bool) -> None:
        """To all."""
        with self._lock:
            if is_key:
                self._connected += self._new
                self._new = []
        for connection in self._connected[:]:
            with contextlib.suppress(OSError):
                connection.sendall(content)
                continue
            self._connected.remove(connection)


def main() -> None:
    """Until killed, or until whoever started it is gone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--kbit", type=int, default=2500)
    parser.add_argument("--gop", type=int, default=50)
    args = parser.parse_args()
    listeners, starter = Listeners(args.port), os.getppid()
    out = io.BytesIO()
    rng = np.random.default_rng(1)
    width, height = SIZE_WH
    small = rng.integers(60, 190, (height // 16, width // 16, 3), np.uint8)
    ground = np.ascontiguousarray(small.repeat(16, 0).repeat(16, 1))
    with av.open(out, "w", format="mpegts", options={"flush_packets": "1", "muxdelay": "0", "muxpreload": "0"}) as ts:
        stream = ts.add_stream("libx264", rate=args.fps)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = *SIZE_WH, "yuv420p", args.kbit * 1000
        stream.gop_size, stream.time_base = args.gop, Fraction(1, 90_000)
        stream.codec_context.time_base = Fraction(1, 90_000)
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"preset": "ultrafast", "tune": "zerolatency", "sc_threshold": "0"}
        began_s, number = time.monotonic(), 0
        while os.getppid() == starter:
            due_s = began_s + number / args.fps
            time.sleep(max(0.0, due_s - time.monotonic()))
            picture = np.roll(ground, 4 * number, axis=1)
            frame = av.VideoFrame.from_ndarray(stamped(picture, time.time()), format="rgb24")
            frame.pts, frame.time_base = round(number / args.fps * 90_000), Fraction(1, 90_000)
            packets = stream.encode(frame)
            for packet in packets:
                ts.mux(packet)
            listeners.send(out.getvalue(), is_key=any(packet.is_keyframe for packet in packets))
            out.seek(0)
            out.truncate()
            number += 1


if __name__ == "__main__":
    main()
