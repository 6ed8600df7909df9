"""What smooth video in the browser costs, and how old its pictures are on the screen, beside the analysed pictures.

    python -m tests.benchmarks.browser_video [--seconds 15] [--viewers 1 8 16] [--no-keep]

A camera writes the time into its pictures (stamped_camera.py: 720p25, a key frame every two seconds). The service
watches it with default settings, but awake. Chromium opens the camera's page, once as it is and once without Media
Source Extensions, and reads the time out of what is on the page: encoding, network, service, decoding and painting
included. CPU is that of the service alone, in milliseconds a second, less what it takes while nobody watches.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import psutil
import yaml
from playwright.sync_api import Browser

from streamer.footage.watched import WatchedTap
from streamer.live_video import LiveVideo
from tests.benchmarks.report import report
from tests.benchmarks.stamped_camera import BITS, STRIP
from tests.clips import write_clip
from tests.console import chromium, visiting, wait_until_served, with_console
from tests.living import one_camera, running
from tests.rtsp import free_port

TOKEN = "a-token-for-the-benchmark"

# Reads the stamps of so many pictures from a video, or from the canvas of the pictures; returns their ages in ms.
AGES = f"""async (seen, wanted) => {{
  const bits = {BITS}, ages = [], canvas = document.createElement("canvas");
  const isVideo = seen.tagName === "VIDEO";
  canvas.width = {BITS * 16}; canvas.height = 90;
  const pen = canvas.getContext("2d", {{ willReadFrequently: true }});
  let last = -1;
  while (ages.length < wanted) {{
    if (isVideo) await new Promise(done => seen.requestVideoFrameCallback(done));
    else await new Promise(requestAnimationFrame);
    pen.drawImage(seen, 0, 0, canvas.width, canvas.height);
    const row = pen.getImageData(0, Math.round(canvas.height * {STRIP} / 2), canvas.width, 1).data;
    let stamp = 0;
    for (let bit = 0; bit < bits; bit++) if (row[4 * (16 * bit + 8)] > 128) stamp += 2 ** bit;
    if (stamp === last) continue;
    last = stamp;
    const age = (Date.now() % 2 ** bits - stamp + 2 ** bits) % 2 ** bits;
    if (age < 60000) ages.push(age);
  }}
  return ages;
}}"""


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--viewers", type=int, nargs="+", default=[1, 8, 16])
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args()
    values: dict[str, object] = {"camera": "1280×720, 25 a second, a key frame every 2 s"}
    with tempfile.TemporaryDirectory(prefix="streamer-video-") as name:
        folder = Path(name)
        values["unwatched_us_a_packet"] = unwatched_us(folder)
        with stamped_camera() as url:
            config = one_camera(folder, "redis://127.0.0.1:1", url=url, decode="always")
            address = with_console(config, tokens={"bench": {"role": "viewer", "token": TOKEN}})
            settings = yaml.safe_load(config.read_text())
            config.write_text(yaml.safe_dump({**settings, "capture": {"processes": 0}}))
            with running(config) as service:
                wait_until_served(address)
                process = psutil.Process(service.pid)
                costs = {
                    "video": "/api/cameras/gate/video",
                    "mjpeg": "/api/cameras/gate/live.mjpg?width=1280&fps=12",
                }
                for way, path in costs.items():
                    values[way] = cost(process, address + path, args.viewers, args.seconds)
                with chromium() as browser:
                    values["video_age_ms"] = ages(browser, address, with_video=True)
                    values["pictures_age_ms"] = ages(browser, address, with_video=False)
    values["load_at_the_end"] = round(os.getloadavg()[0], 1)
    report("browser_video", values, keep=args.keep)


@contextmanager
def stamped_camera() -> Iterator[str]:
    """Its address while it runs."""
    port = free_port()
    camera = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.stamped_camera", str(port)])
    try:
        yield f"tcp://127.0.0.1:{port}"
    finally:
        camera.kill()
        camera.wait()


def cost(process: psutil.Process, url: str, viewers: list[int], seconds: float) -> list[dict[str, float]]:
    """CPU and bytes for each viewer of so many; before and after each the same without any."""
    found = []
    for n in viewers:
        alone = busy_ms(process, seconds)
        watching = Watching(url, n)
        watching.begun.wait(60)
        before, began_s = watching.bytes, time.monotonic()
        together = busy_ms(process, seconds)
        received = (watching.bytes - before) / (time.monotonic() - began_s)
        watching.close()
        alone = (alone + busy_ms(process, seconds)) / 2
        found.append(
            {
                "viewers": n,
                "service_ms_a_second_alone": round(alone, 1),
                "ms_a_second_each": round((together - alone) / n, 2),
                "kbit_a_second_each": round(received * 8 / 1000 / n, 0),
            }
        )
        print(url.rpartition("/")[2], found[-1], flush=True)
    return found


def busy_ms(process: psutil.Process, seconds: float) -> float:
    """CPU of the process, in milliseconds a second."""
    before, began_s = process.cpu_times(), time.monotonic()
    time.sleep(seconds)
    after, lasted_s = process.cpu_times(), time.monotonic() - began_s
    return 1000 * (after.user + after.system - before.user - before.system) / lasted_s


class Watching:
    """Viewers in a process of their own, which reads and forgets."""

    def __init__(self, url: str, n: int) -> None:
        self.bytes = 0
        self.begun = threading.Event()
        command = [sys.executable, "-c", _READERS, url, str(n), TOKEN]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._count)
        self._thread.start()

    def _count(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.bytes = int(line)
            self.begun.set()

    def close(self) -> None:
        """They leave."""
        self._process.kill()
        self._process.wait()
        self._thread.join()


_READERS = """
import sys, threading, time, urllib.request
url, n, token = sys.argv[1], int(sys.argv[2]), sys.argv[3]
counts = [0] * n
def read(i):
    while True:
        try:
            asked = urllib.request.Request(url, headers={"Authorization": "Bearer " + token})
            with urllib.request.urlopen(asked) as answer:
                while piece := answer.read1(65536):
                    counts[i] += len(piece)
        except OSError:
            time.sleep(0.2)
for i in range(n):
    threading.Thread(target=read, args=(i,), daemon=True).start()
while not all(counts):
    time.sleep(0.05)
while True:
    print(sum(counts), flush=True)
    time.sleep(0.2)
"""


def ages(browser: Browser, address: str, *, with_video: bool, wanted: int = 200) -> dict[str, float]:
    """How old the pictures on the camera's page are, once they move."""
    with visiting(browser, address) as visit:
        if not with_video:
            visit.page.add_init_script("delete window.MediaSource; delete window.ManagedMediaSource")
        page = visit.log_in("vera")
        page.set_default_timeout(120_000)
        page.goto(f"{address}/cameras/gate")
        video = page.get_by_label("Live video of gate")
        over = page.get_by_role("img", name="Live picture of gate")
        if with_video:
            page.wait_for_function("video => video.readyState >= 3", arg=video.element_handle())
        else:
            page.wait_for_function("canvas => canvas.dataset.pictures > 3", arg=over.element_handle())
        page.wait_for_timeout(5000)  # the first seconds catch up
        began_s = time.monotonic()
        found = sorted((video if with_video else over).evaluate(AGES, wanted))
        lasted_s = time.monotonic() - began_s
        assert visit.wrong == []
    return {
        "median": statistics.median(found),
        "p95": found[int(0.95 * len(found))],
        "pictures_a_second": round(len(found) / lasted_s, 1),
    }


def unwatched_us(folder: Path) -> float:
    """What a packet costs its capture thread while nobody watches, in microseconds: the least of five."""
    clip = write_clip(folder / "clip.mp4", frames=250, gop=50, size_wh=(640, 360))
    tap = WatchedTap("gate", LiveVideo(time.monotonic))
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        tap.opened(stream)
        packets = [packet for packet in container.demux(stream) if packet.size]
        best_s = float("inf")
        for _ in range(5):
            began_s = time.perf_counter()
            for number in range(20_000):
                tap.packet(packets[number % 250], number / 25)
            best_s = min(best_s, (time.perf_counter() - began_s) / 20_000)
    return round(best_s * 1e6, 2)


if __name__ == "__main__":
    main()
