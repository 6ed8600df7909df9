"""What quiet cameras cost: asleep, decoded as a whole, and the ways in which others watch them. All in one run.

    python -m tests.benchmarks.gating_quiet [--cameras 100] [--seconds 12]

Each camera is the same 720p25 H.264 recording of a still street under sensor noise (quiet_footage.py), with a key frame
every two seconds, played at its own pace by the service's own capture, whose pictures are thrown away. Costs are CPU
time of the whole process per camera and second, once all cameras sleep. Beside them:

- every picture decoded; as many cameras would not keep up with so few cores, so those are fewer;
- what a typical recorder does: an `ffmpeg` process per camera (Debian's; it has to be installed) that scales to
  320×180 at 5 a second and pipes grey pictures to a detector of differences, here one thread in this process;
- the floor: over RTSP on TCP, cameras that are only demuxed, with the same options and nothing else done. The server
  (Debian's GStreamer; the one from PyPI does not keep up with ten) is another process, and its time does not count.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from streamer.capture import CameraOptions, DecodeMode
from streamer.capture.options import ffmpeg_options
from tests.benchmarks.cameras_at_once import Camera, CamerasAtOnce, cpu_ms_per_camera_s, resident_mb
from tests.benchmarks.quiet_footage import FPS, quiet_clip
from tests.benchmarks.report import report
from tests.rtsp import gst_rtsp_server

DECODE_ALL_CAMERAS = 4
FFMPEG_CAMERAS = 6
RTSP_CAMERAS = 40
SETTLE_S = 3.0
FALL_ASLEEP_WITHIN_S = 60.0
START_OVER_S = 10.0
RELAXED_S = 5.0
SMALL_WH, LOOKS_PER_S = (320, 180), 5


def main() -> int:
    """Draw, play in every way in turn, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=12.0, help="measured, of each way")
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    args = parser.parse_args()
    if shutil.which("ffmpeg") is None:
        raise SystemExit("ffmpeg is missing: install it (apt-get install ffmpeg); this benchmark compares with it")
    with tempfile.TemporaryDirectory(prefix="streamer-quiet-") as scratch:
        clip = quiet_clip(Path(scratch) / "quiet.mp4", seconds=args.seconds + START_OVER_S + 30)
        values = _from_the_file(clip, args.cameras, args.seconds) | _over_rtsp(clip, args.seconds)
    print(
        f"a quiet camera costs {values['motion_cpu_ms_per_camera_s']} ms of CPU a second, "
        f"{values['decode_all_cpu_ms_per_camera_s']} when all of it is decoded"
    )
    report("gating_quiet", values, keep=args.keep)
    return 0


def _from_the_file(clip: Path, cameras: int, seconds: float) -> dict[str, object]:
    motion = _played(str(clip), "motion", cameras, seconds)
    relaxed = _played(str(clip), "motion", cameras, seconds, look_every_s=RELAXED_S)
    key_frames = _played(str(clip), "key_frames", cameras, seconds)
    decode_all = _played(str(clip), "always", DECODE_ALL_CAMERAS, seconds)
    recorder = _ffmpeg_each(clip, FFMPEG_CAMERAS, seconds)
    return {
        "cameras": cameras,
        "cameras_decode_all": DECODE_ALL_CAMERAS,
        "cameras_ffmpeg": FFMPEG_CAMERAS,
        "mbit_per_s": round(clip.stat().st_size * 8e-6 / _length_s(clip), 2),
        "motion_cpu_ms_per_camera_s": round(motion.cpu_ms, 3),
        "relaxed_cpu_ms_per_camera_s": round(relaxed.cpu_ms, 3),
        "key_frames_cpu_ms_per_camera_s": round(key_frames.cpu_ms, 3),
        "decode_all_cpu_ms_per_camera_s": round(decode_all.cpu_ms, 3),
        "ffmpeg_cpu_ms_per_camera_s": round(recorder, 3),
        "cpu_ratio_vs_decode_all": round(motion.cpu_ms / decode_all.cpu_ms, 4),
        "cpu_ratio_relaxed": round(relaxed.cpu_ms / decode_all.cpu_ms, 4),
        "cpu_ratio_vs_ffmpeg": round(motion.cpu_ms / recorder, 4),
        "mb_per_camera": round(motion.grown_mb / cameras, 2),
        "wakes_while_measured": motion.wakes,
        "wakes_while_measured_relaxed": relaxed.wakes,
        "frames_motion": motion.books,
        "frames_decode_all": decode_all.books,
    }


def _over_rtsp(clip: Path, seconds: float) -> dict[str, object]:
    """In turn: the floor may have moved between its two measurements, and ours stands between them."""
    with gst_rtsp_server({"quiet": clip}) as server:
        url = server.url("quiet")
        before, pace_before = _demuxed(url, RTSP_CAMERAS, seconds)
        ours = _played(url, "motion", RTSP_CAMERAS, seconds)
        after, pace_after = _demuxed(url, RTSP_CAMERAS, seconds)
    floor = (before + after) / 2
    return {
        "cameras_rtsp": RTSP_CAMERAS,
        "rtsp_cpu_ms_per_camera_s": round(ours.cpu_ms, 3),
        "rtsp_demux_cpu_ms_per_camera_s": [round(before, 3), round(after, 3)],
        "cpu_ratio_vs_rtsp_demux": round(ours.cpu_ms / floor, 3),
        "rtsp_packets_per_camera_s": round(ours.received_per_camera_s, 1),
        "rtsp_demux_packets_per_camera_s": [round(pace_before, 1), round(pace_after, 1)],
        "wakes_while_measured_rtsp": ours.wakes,
    }


class Played:
    """What one way of watching cost: CPU milliseconds per camera and second, and what went on meanwhile."""

    def __init__(self, together: CamerasAtOnce, seconds: float, before_mb: float) -> None:
        cameras, wakes, books = len(together.all), together.wakes, together.books()
        self.grown_mb = resident_mb() - before_mb
        self.cpu_ms = cpu_ms_per_camera_s(cameras, seconds)
        self.books = together.books()
        self.wakes = together.wakes - wakes
        self.received_per_camera_s = (self.books["received"] - books["received"]) / cameras / seconds


def _played(url: str, mode: DecodeMode, cameras: int, seconds: float, look_every_s: float = 0.0) -> Played:
    before_mb = resident_mb()
    live = url.startswith("rtsp")
    with CamerasAtOnce() as together:
        options = (
            CameraOptions(
                camera=f"c{n}", url=url, pace="live" if live else "realtime", decode=mode, look_every_s=look_every_s
            )
            for n in range(cameras)
        )
        together.add([Camera(each) for each in options], within_s=START_OVER_S if cameras > FFMPEG_CAMERAS else 1.0)
        if mode != "always":
            together.wait_until_asleep(FALL_ASLEEP_WITHIN_S)
        time.sleep(SETTLE_S)
        played = Played(together, seconds, before_mb)
    print(
        f"{cameras} cameras, {url.partition(':')[0] if live else 'file'}, {mode}, every {look_every_s:g} s: "
        f"{played.cpu_ms:.2f} ms of CPU a second each, {played.grown_mb / cameras:.1f} MB, {played.wakes} woke",
        flush=True,
    )
    return played


def _demuxed(url: str, cameras: int, seconds: float) -> tuple[float, float]:
    """The floor: CPU milliseconds per camera and second, and packets that came."""
    options = CameraOptions(camera="floor", url=url, pace="live")
    came, stop = [0] * cameras, threading.Event()

    def demux(n: int) -> None:
        with av.open(url, options=ffmpeg_options(options), timeout=(options.connect_timeout_s, 2.0)) as container:
            for _ in container.demux(video=0):
                came[n] += 1
                if stop.is_set():
                    return

    threads = [threading.Thread(target=demux, args=(n,), daemon=True) for n in range(cameras)]
    for thread in threads:
        thread.start()
        time.sleep(START_OVER_S / 2 / cameras)
    time.sleep(SETTLE_S)
    before = sum(came)
    cpu_ms = cpu_ms_per_camera_s(cameras, seconds)
    packets = (sum(came) - before) / cameras / seconds
    stop.set()
    for thread in threads:
        thread.join(20)
    print(f"{cameras} cameras, only demuxed: {cpu_ms:.2f} ms of CPU a second each", flush=True)
    return cpu_ms, packets


def _ffmpeg_each(clip: Path, cameras: int, seconds: float) -> float:
    """CPU milliseconds per camera and second, of the processes and of the thread that looks for differences."""
    with contextlib.ExitStack() as running:
        processes = [running.enter_context(_ffmpeg(clip)) for _ in range(cameras)]
        running.enter_context(_differences(processes))
        time.sleep(SETTLE_S)
        before_s = sum(_cpu_s(process.pid) for process in processes)
        detector_ms = cpu_ms_per_camera_s(cameras, seconds)
        spent_s = sum(_cpu_s(process.pid) for process in processes) - before_s
    return spent_s * 1e3 / seconds / cameras + detector_ms


@contextlib.contextmanager
def _ffmpeg(clip: Path) -> Iterator[subprocess.Popen[bytes]]:
    # One thread for decoding: threads of one picture more would only cost more.
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-threads", "1", "-re", "-i", str(clip), "-an"]
    command += ["-vf", f"fps={LOOKS_PER_S},scale={SMALL_WH[0]}:{SMALL_WH[1]}", "-pix_fmt", "gray"]
    process = subprocess.Popen([*command, "-f", "rawvideo", "pipe:1"], stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _differences(processes: list[subprocess.Popen[bytes]]) -> Iterator[None]:
    """What such a recorder's detector does at least: blur, difference to the picture before, threshold, count."""
    width, height = SMALL_WH
    stop, waiting = threading.Event(), selectors.DefaultSelector()
    for process in processes:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        waiting.register(process.stdout, selectors.EVENT_READ, bytearray())
    before: dict[int, cv2.typing.MatLike] = {}

    def watch() -> None:
        while not stop.is_set():
            for key, _ in waiting.select(timeout=0.5):
                came: bytearray = key.data
                came += os.read(key.fd, width * height)
                if len(came) >= width * height:
                    picture = np.frombuffer(bytes(came[: width * height]), np.uint8).reshape(height, width)
                    del came[: width * height]
                    soft = cv2.GaussianBlur(picture, (5, 5), 0)
                    cv2.countNonZero(cv2.threshold(cv2.absdiff(soft, before.get(key.fd, soft)), 20, 255, 0)[1])
                    before[key.fd] = soft

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5)
        waiting.close()


def _cpu_s(pid: int) -> float:
    """CPU time of another process so far, all of its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _length_s(clip: Path) -> float:
    with av.open(str(clip)) as container:
        return container.streams.video[0].frames / FPS


if __name__ == "__main__":
    sys.exit(main())
