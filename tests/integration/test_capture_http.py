"""Motion JPEG over HTTP: bare pictures whose only time is that of their arrival."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import pytest

from tests.cameras import Camera
from tests.clips import numbered_picture, read_number

INTERVAL_S = 0.1


def jpeg(number: int) -> bytes:
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt = 320, 240, "yuvj420p"
    context.time_base = Fraction(1, 10)
    frame = av.VideoFrame.from_ndarray(numbered_picture(number, (320, 240)), format="rgb24")
    frame.pts = 0
    return b"".join(bytes(p) for p in [*context.encode(frame), *context.encode(None)])


@contextmanager
def mjpeg_camera() -> Iterator[str]:
    pictures = [jpeg(n) for n in range(30)]
    leaving = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            try:
                for picture in pictures:
                    head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                    self.wfile.write(head.encode() + picture + b"\r\n")
                    if leaving.wait(INTERVAL_S):
                        return
            except OSError:
                pass  # the client has seen enough

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/video.mjpg"
    finally:
        leaving.set()
        server.shutdown()
        thread.join(5)
        server.server_close()


def test_the_time_of_a_bare_picture_is_that_of_its_arrival():
    with mjpeg_camera() as url:
        camera = Camera(url, analyse_fps=None)
        frames = camera.read(most=20)
    numbers = [read_number(f.image) for f in frames]
    assert numbers == list(range(20))
    # FFmpeg would stamp them with 25 a second; they came with 10. What was read while opening came at once.
    late = frames[-1].media_s - frames[10].media_s
    assert late == pytest.approx(9 * INTERVAL_S, rel=0.25)
    assert camera.unaccounted(len(frames)) == 0
