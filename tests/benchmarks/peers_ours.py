"""Our side of `peers`: the whole service on the clips, where its CPU time goes, and the parts alone beside it."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av

from streamer.assembly.house import House, open_house
from streamer.capture.convert import Converter, DecodedPicture
from streamer.capture.decoder import Decoder
from streamer.clock import SystemClock
from streamer.config import Config
from streamer.detect import load_detector
from streamer.types import Frame
from tests.benchmarks.peers_yolox import Tally

ANALYSE_FPS = 5


def watch(clips: Sequence[Path], model: Path, profile: bool) -> tuple[Tally, float, float, dict[str, object]]:
    """Play all clips to their ends through the service: what was seen, CPU seconds, wall seconds, parts of the CPU.

    From demuxing to alerts on disk: tracker, an intrusion rule, camera trouble, pictures of alerts, outbox, JSON lines.
    The clock starts when the model has run once, and stops when everything is delivered. The parts, in CPU seconds, are
    empty without `profile`, which itself costs some hundredths of them. Raises RuntimeError where the service did less
    than its peers.
    """
    seen: dict[str, Tally] = defaultdict(Tally)
    parts: dict[str, object] = {}
    with (
        tempfile.TemporaryDirectory() as name,
        open_house(_config(clips, model, Path(name)), SystemClock(), "benchmark") as house,
    ):
        for unit in house.service.cameras:
            _listen(unit, seen[unit.camera])
        began_cpu_s, began_s = time.process_time(), time.monotonic()
        with _profiled(house, parts) if profile else contextlib.nullcontext():
            outcome = house.service.run()
        cpu_s, wall_s = time.process_time() - began_cpu_s, time.monotonic() - began_s
        if not outcome.clean:
            raise RuntimeError(f"the service did not end well: {outcome}")
        total = Tally()
        for unit in house.service.cameras:
            counts, tally = unit.ledger.counts(), seen[unit.camera]
            if counts.received != tally.analysed + counts.skipped.get("rate", 0):
                raise RuntimeError(f"camera '{unit.camera}' let frames go that its peers look at: {counts}")
            tally.decoded = counts.received
            total = total.plus(tally)
    return total, cpu_s, wall_s, parts


def bare(clips: Sequence[Path], model: Path, every: int) -> tuple[Tally, float, dict[str, float]]:
    """Decode, convert and run, one after the other on one thread: what was seen, CPU seconds of these three, and each.

    Nothing else is counted, so no service on these libraries can be cheaper.
    """
    detector = load_detector(model, threads=1)
    detector.warm_up()
    total, decode_s, convert_s, run_before_s = Tally(), 0.0, 0.0, detector.timings.run_cpu_s
    for clip in clips:
        with av.open(str(clip)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            source_wh = (stream.width, stream.height)
            converter, pictures = Converter(detector.input_fit, source_wh), container.decode(stream)
            while True:
                began_s = time.thread_time()
                picture = next(pictures, None)
                decode_s += time.thread_time() - began_s
                if picture is None:
                    break
                if total.decoded % every == 0:
                    began_s = time.thread_time()
                    image = converter.image(picture)
                    convert_s += time.thread_time() - began_s
                    frame = Frame("camera", "bare", 0, image, source_wh, 0.0, 0.0, 0.0, DecodedPicture(picture))
                    total.saw(detector.detect([frame])[0].scores)
                total.decoded += 1
    parts = {"decode": decode_s, "convert": convert_s, "run": detector.timings.run_cpu_s - run_before_s}
    return total, sum(parts.values()), parts


def _config(clips: Sequence[Path], model: Path, folder: Path) -> Config:
    rule = {
        "name": "in-left",
        "kind": "intrusion",
        "zone": "left",
        "labels": ["person"],
        "cooldown_s": 30,
        "max_open": 1,
    }
    camera = {
        "analyse_fps": ANALYSE_FPS, "pace": "demand", "decode": "always",
        "zones": {"left": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}, "rules": [rule],
    }  # fmt: skip
    return Config.model_validate({
        "cameras": {f"camera-{i}": {"url": str(clip), **camera} for i, clip in enumerate(clips)},
        "model": {"path": str(model)},
        "data_dir": str(folder), "jsonl": {"path": str(folder / "alerts.jsonl")}, "http": None,
    })  # fmt: skip


def _listen(unit: Any, tally: Tally) -> None:
    judge = unit.pipeline.judge

    def listening(followed: Any) -> Any:
        tally.saw(followed.detections.scores)
        return judge(followed)

    unit.pipeline.judge = listening


@contextlib.contextmanager
def _profiled(house: House, parts: dict[str, object]) -> Iterator[None]:
    """CPU seconds by thread, and inside decoder, converter and session.run."""
    before = house.detector.timings
    with _by_thread() as threads, _stopwatch(Decoder, "_decode") as decode, _stopwatch(Converter, "image") as convert:
        yield
    after = house.detector.timings
    parts |= {
        "decode": decode(),
        "convert": convert(),
        "run": after.run_cpu_s - before.run_cpu_s,
        "threads": threads,
    }


@contextlib.contextmanager
def _stopwatch(owner: type, method: str) -> Iterator[Callable[[], float]]:
    """CPU seconds that all threads together spend in one method while the block runs."""
    original, lock, spent_s = getattr(owner, method), threading.Lock(), 0.0

    def timed(*args: Any) -> Any:
        nonlocal spent_s
        began_s = time.thread_time()
        try:
            return original(*args)
        finally:
            took_s = time.thread_time() - began_s
            with lock:
                spent_s += took_s

    setattr(owner, method, timed)
    try:
        yield lambda: spent_s
    finally:
        setattr(owner, method, original)


@contextlib.contextmanager
def _by_thread() -> Iterator[dict[str, float]]:
    """CPU seconds of each kind of thread while the block runs: 'capture', 'infer', 'analyse', 'publish', …

    Looked up ten times a second, so that what a thread did just before its end is missing; 'profiler' is the looking.
    """
    told: dict[str, float] = {}
    latest: dict[int, tuple[str, float]] = {}
    ended = threading.Event()

    def look() -> None:
        for thread in threading.enumerate():
            with contextlib.suppress(OSError):
                ran_ns = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text(encoding="ascii").split()[0]
                latest[thread.native_id or 0] = thread.name.split(":")[0], int(ran_ns) / 1e9

    def keep_looking() -> None:
        while not ended.wait(0.1):
            look()

    look()
    before = dict(latest)
    watcher = threading.Thread(target=keep_looking, name="profiler")
    watcher.start()
    try:
        yield told
    finally:
        ended.set()
        watcher.join()
        for thread, (name, spent_s) in latest.items():
            told[name] = told.get(name, 0.0) + spent_s - before.get(thread, ("", 0.0))[1]
