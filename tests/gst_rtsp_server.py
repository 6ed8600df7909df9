#!/usr/bin/python3
"""A real RTSP server for tests, on Debian's GStreamer. Run under /usr/bin/python3, driven through stdin.

    gst_rtsp_server.py PORT NAME=WHAT... [--auth USER:PASSWORD] [--digest]

WHAT is one of
    clip.mp4             an H.264 file, looped without re-encoding; true presentation times, rising over the loop
    a.mp4+b.mp4          one after the other, looped: the picture size may change in mid-stream
    testsrc:WxH@FPS      a drawn ball, encoded here
    audio                a tone without any video
    both:WxH@FPS         the ball, and a tone beside it
    numbers:WxH@FPS      pictures that bear their number (tests/numbered.py), the same to all clients, as cameras send
                         them; it rises whether or not somebody is connected
Commands on stdin, one per line: `stall` and `go` stop and resume the frames of files while connections stay up;
`jump S` adds S seconds (may be negative) to every later presentation time. Each is answered by a line on stdout.
A new client of a file starts at its first frame: of files, media are not shared.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass

import gi

for _name in ("Gst", "GstApp", "GstRtsp", "GstRtspServer"):
    gi.require_version(_name, "1.0")
from gi.repository import GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402, F401  (GstApp teaches Gst about appsrc)

PAY_VIDEO = "rtph264pay name=pay0 pt=96 config-interval=-1"
BALL = (
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width={w},height={h},framerate={fps}/1 ! "
    "x264enc tune=zerolatency speed-preset=ultrafast key-int-max={fps} bframes=0 sliced-threads=false ! " + PAY_VIDEO
)
TONE = "audiotestsrc is-live=true ! audioconvert ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay{n}"


@dataclass
class Knobs:
    """What the test turns from outside."""

    stalled: bool = False
    jump_ns: int = 0


@dataclass(frozen=True)
class AccessUnit:
    """One coded picture; times in nanoseconds from the start of its clip."""

    data: bytes
    pts_ns: int
    dts_ns: int
    delta: bool


def read_clip(path: str) -> tuple[list[AccessUnit], int]:
    """Every access unit in decoding order, and the clip's length in nanoseconds."""
    pipeline = Gst.parse_launch(
        f'filesrc location="{path}" ! qtdemux ! h264parse config-interval=-1 ! '
        "video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=sink sync=false"
    )
    sink = pipeline.get_by_name("sink")
    pipeline.set_state(Gst.State.PLAYING)
    units = []
    while (sample := sink.emit("pull-sample")) is not None:
        buffer = sample.get_buffer()
        _, mapped = buffer.map(Gst.MapFlags.READ)
        delta = bool(buffer.mini_object.flags & Gst.BufferFlags.DELTA_UNIT)
        dts = buffer.dts if buffer.dts != Gst.CLOCK_TIME_NONE else buffer.pts
        units.append(AccessUnit(bytes(mapped.data), buffer.pts, dts, delta))
        buffer.unmap(mapped)
    pipeline.set_state(Gst.State.NULL)
    if not units:
        sys.exit(f"no H.264 in {path}")
    first_pts, first_dts = min(u.pts_ns for u in units), units[0].dts_ns
    units = [AccessUnit(u.data, u.pts_ns - first_pts, u.dts_ns - first_dts, u.delta) for u in units]
    interval = (units[-1].dts_ns - units[0].dts_ns) // max(1, len(units) - 1)
    return units, units[-1].dts_ns + interval


class FileFactory(GstRtspServer.RTSPMediaFactory):
    """Plays clips in a loop, each access unit at its decoding time, stamped with its presentation time."""

    def __init__(self, paths: list[str], knobs: Knobs) -> None:
        super().__init__()
        self._knobs = knobs
        self._units: list[AccessUnit] = []
        start_ns = 0
        for path in paths:
            units, length_ns = read_clip(path)
            self._units += [AccessUnit(u.data, u.pts_ns + start_ns, u.dts_ns + start_ns, u.delta) for u in units]
            start_ns += length_ns
        self._length_ns = start_ns
        self.set_shared(False)
        caps = "video/x-h264,stream-format=byte-stream,alignment=au"
        self.set_launch(
            f"( appsrc name=src is-live=true format=time block=false caps={caps} ! h264parse ! {PAY_VIDEO} )"
        )
        self.connect("media-configure", self._configure)

    def _configure(self, _factory: object, media: GstRtspServer.RTSPMedia) -> None:
        source = media.get_element().get_by_name_recurse_up("src")
        progress = {"next": 0, "started": None, "lost_s": 0.0, "stalled_at": None}
        jump_at_start_ns = self._knobs.jump_ns  # a client that comes after a jump begins at nought again

        def tick() -> bool:
            now = time.monotonic()
            if progress["started"] is None:
                progress["started"] = now
            if self._knobs.stalled:
                progress["stalled_at"] = progress["stalled_at"] or now
                return True
            if progress["stalled_at"] is not None:
                progress["lost_s"] += now - progress["stalled_at"]
                progress["stalled_at"] = None
            while True:
                loop, i = divmod(progress["next"], len(self._units))
                unit = self._units[i]
                begin_ns = loop * self._length_ns
                if begin_ns + unit.dts_ns > (now - progress["started"] - progress["lost_s"]) * Gst.SECOND:
                    return True
                buffer = Gst.Buffer.new_wrapped(unit.data)
                lost_ns = int(progress["lost_s"] * Gst.SECOND)
                jump_ns = self._knobs.jump_ns - jump_at_start_ns
                buffer.pts = max(0, begin_ns + unit.pts_ns + lost_ns + jump_ns)
                if unit.delta:
                    buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
                progress["next"] += 1
                if jump_ns:
                    send_at_once(media)
                if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                    return False

        timer = GLib.timeout_add(5, tick)
        media.connect("unprepared", lambda _media: GLib.source_remove(timer) and None)


class NumbersFactory(GstRtspServer.RTSPMediaFactory):
    """White and black fields along the upper edge: the number in 20 bits, lowest first; below them grey that walks."""

    BITS = 20
    STRIP = 0.1  # of the height

    def __init__(self, width: int, height: int, fps: int) -> None:
        super().__init__()
        self._width, self._height, self._fps, self._begun_s = width, height, fps, time.monotonic()
        self.set_shared(True)
        caps = f"video/x-raw,format=GRAY8,width={width},height={height},framerate={fps}/1"
        self.set_launch(
            f"( appsrc name=src is-live=true format=time block=false caps={caps} ! videoconvert ! "
            "video/x-raw,format=I420 ! x264enc tune=zerolatency speed-preset=ultrafast bframes=0 sliced-threads=false "
            f"threads=1 key-int-max={fps} ! {PAY_VIDEO} )"
        )
        self.connect("media-configure", self._configure)

    def _number(self) -> int:
        return int((time.monotonic() - self._begun_s) * self._fps)

    def _picture(self, number: int) -> bytes:
        strip = int(self._height * self.STRIP)
        fields = b"".join(
            bytes([235 if number >> bit & 1 else 16]) * (self._width // self.BITS) for bit in range(self.BITS)
        )
        ground = bytes(60 + (x + 4 * number) % 128 for x in range(self._width))
        return fields.ljust(self._width, b"\x10") * strip + ground * (self._height - strip)

    def _configure(self, _factory: object, media: GstRtspServer.RTSPMedia) -> None:
        source = media.get_element().get_by_name_recurse_up("src")
        first = self._number() + 1
        progress = {"next": first}

        def tick() -> bool:
            while progress["next"] <= self._number():
                buffer = Gst.Buffer.new_wrapped(self._picture(progress["next"]))
                buffer.pts = (progress["next"] - first) * Gst.SECOND // self._fps
                progress["next"] += 1
                if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                    return False
            return True

        timer = GLib.timeout_add(5, tick)
        media.connect("unprepared", lambda _media: GLib.source_remove(timer) and None)


def send_at_once(media: GstRtspServer.RTSPMedia) -> None:
    """Let the sinks send what comes when it comes: else a time that jumped ahead would be waited for."""
    pipeline = media.get_element().get_parent()
    if pipeline is None:
        return
    elements = pipeline.iterate_recurse()
    while True:
        result, element = elements.next()
        if result != Gst.IteratorResult.OK:
            return
        if element.get_factory().get_name() in ("appsink", "udpsink", "multiudpsink"):
            element.set_property("sync", False)


def make_factory(what: str, knobs: Knobs) -> GstRtspServer.RTSPMediaFactory:
    """The media factory that a command-line WHAT describes."""
    kind, _, detail = what.partition(":")
    if kind == "numbers":
        size, _, fps = detail.partition("@")
        width, _, height = size.partition("x")
        return NumbersFactory(int(width), int(height), int(fps))
    if what == "audio" or kind in ("testsrc", "both"):
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_shared(True)
        parts = []
        if kind in ("testsrc", "both"):
            size, _, fps = detail.partition("@")
            width, _, height = size.partition("x")
            parts.append(BALL.format(w=width, h=height, fps=fps))
        if kind in ("audio", "both"):
            parts.append(TONE.format(n=len(parts)))
        factory.set_launch("( " + "  ".join(parts) + " )")
        return factory
    return FileFactory(what.split("+"), knobs)


def require_login(server: GstRtspServer.RTSPServer, user: str, password: str, digest: bool) -> None:
    """Every mount asks for this one user."""
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if digest:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port")
    parser.add_argument("mounts", nargs="+", metavar="NAME=WHAT")
    parser.add_argument("--auth", metavar="USER:PASSWORD")
    parser.add_argument("--digest", action="store_true")
    options = parser.parse_args()

    Gst.init(None)
    knobs = Knobs()
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options.port)
    for mount in options.mounts:
        name, _, what = mount.partition("=")
        factory = make_factory(what, knobs)
        if options.auth:
            permissions = GstRtspServer.RTSPPermissions()
            for right in ("access", "construct"):
                permissions.add_permission_for_role("viewer", "media.factory." + right, True)
            factory.set_permissions(permissions)
        server.get_mount_points().add_factory("/" + name, factory)
    if options.auth:
        user, _, password = options.auth.partition(":")
        require_login(server, user, password, options.digest)
    if not server.attach(None):
        sys.exit(f"cannot listen on 127.0.0.1:{options.port}")

    loop = GLib.MainLoop()

    def command(_channel: object, _condition: object) -> bool:
        line = sys.stdin.readline()
        if not line:  # whoever started us is gone
            loop.quit()
            return False
        words = line.split()
        if words[:1] == ["stall"]:
            knobs.stalled = True
        elif words[:1] == ["go"]:
            knobs.stalled = False
        elif words[:1] == ["jump"]:
            knobs.jump_ns += int(float(words[1]) * Gst.SECOND)
        print("did", *words, flush=True)
        return True

    GLib.io_add_watch(0, GLib.IO_IN | GLib.IO_HUP, command)
    GLib.timeout_add_seconds(2, lambda: (server.get_session_pool().cleanup(), True)[1])
    print("ready", flush=True)
    loop.run()


if __name__ == "__main__":
    main()
