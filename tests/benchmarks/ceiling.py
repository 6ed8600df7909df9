"""How near the service comes to bare session.run, and what it costs beside it.

    python -m tests.benchmarks.ceiling [--rounds 5] [--seconds 6] [--watch 30] [--profile] [--no-keep]

Two parts, for the bundled model and for YOLOX-nano where its file lies beside the checkout.

`throughput_ratio`: four cameras whose frames are in memory, converted (no decoding, no conversion), each offering as
fast as it is taken, through inbox, detector, tracker, one intrusion rule, outbox and Redis; against the same frames
through bare ONNX Runtime. The model has one thread on both sides. The sides take turns, a round each; the ratio of
frames a second is the median of the rounds. `throughput_ratio_all_cores`: the same with a thread of the model on every
core on both sides, where the service's own work has no core of its own any more. `throughput_ratio_undisturbed`: CPU of
bare session.run for a frame over CPU of the thread that infers for a frame, which is what the ratio becomes where
nothing else wants the cores: under other load the first two say more about that load. Both sides run the graph as the
service rewrites it (detect/leaner.py); `bare_cpu_ms_as_published` is one round of the graph as it was published.

`overhead_cpu_ms_per_frame`: four cameras of a real street, 720p25, each file played at its own pace, one intrusion
rule, everything else by default, with Redis: CPU of the process, less decoders, conversion and session.run, for each
analysed frame; and where it goes, by thread and by part. `full_speed` is the same with the files read as fast as they
are taken, where nothing is dropped whatever else the machine does. `others_cpu_cores` says what that was: with more
than a tenth, times are those of a busy machine.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import itertools
import os
import pstats
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnxruntime

from streamer.artifacts import load_artifact
from streamer.assembly.house import House, open_house
from streamer.bench import usage
from streamer.capture import gated
from streamer.capture.convert import Converter
from streamer.capture.motion.pixel_motion import PixelMotion
from streamer.clock import SystemClock
from streamer.config import CameraConfig, Config
from streamer.detect import detector
from streamer.detect.canvas import InputBatch
from streamer.detect.leaner import leaner
from streamer.fit import InputFit
from streamer.footage.camera_footage import CameraFootage
from streamer.ledger import FrameLedger
from streamer.pipeline import CameraPipeline
from streamer.sinks import live_feed
from streamer.sinks.delivery import Delivery
from streamer.surroundings import Surroundings
from streamer.track.stitch import StitchingTracker
from streamer.types import Frame
from streamer.zoo import bundled_model
from tests.benchmarks.footage import as_720p25, detector_folder, street_with_people
from tests.benchmarks.overhead import decoded
from tests.benchmarks.report import report
from tests.redis_server import RedisServer

CAMERAS, ANALYSE_FPS = 4, 5.0
VIDEO_S = 20.0
SETTLE_S = {"realtime": 12.0, "demand": 3.0}
BATCHES = (1, 4, 8)
RULE = {
    "zones": {"lawn": [[0.75, 0.6], [1.0, 0.6], [1.0, 1.0], [0.75, 1.0]]},
    "rules": [{"name": "on-the-lawn", "kind": "intrusion", "zone": "lawn", "labels": ["person"], "cooldown_s": 30}],
}


class Offering:
    """A camera whose frames are in memory: offers them over and over, as fast as they are taken, until it is closed."""

    demand_paced = True

    def __init__(self, camera: str, frames: list[Frame], ledger: FrameLedger) -> None:
        self.camera = camera
        self._frames, self._ledger, self._stop = frames, ledger, threading.Event()

    def frames(self) -> Iterator[Frame]:
        lasts_s = self._frames[-1].media_s + 1 / ANALYSE_FPS
        for turn in itertools.count():
            for frame in self._frames:
                if self._stop.is_set():
                    return
                self._ledger.received()
                later = replace(frame, camera=self.camera, media_s=frame.media_s + turn * lasts_s)
                yield replace(later, index=frame.index + turn * len(self._frames), received_s=time.monotonic())

    def close(self) -> None:
        self._stop.set()


@dataclass(frozen=True, slots=True)
class Rate:
    """What one round came to."""

    fps: float
    cpu_ms_per_frame: float


class Bare:
    """ONNX Runtime alone: one session, its own defaults but for the number of threads.

    It runs the graph as the service does (detect/leaner.py), or as it was published.
    """

    def __init__(self, folder: Path, frames: list[Frame], threads: int, as_published: bool = False) -> None:
        artifact = load_artifact(folder)
        graph = artifact.read_graph() if as_published else leaner(artifact.read_graph(), str(folder))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._outputs = [each.name for each in artifact.manifest.outputs]
        spec = artifact.manifest.input
        sizes = BATCHES if spec.batch == "any" else (1,)
        batch = InputBatch(spec, max(sizes))
        for slot in range(max(sizes)):
            frame = frames[slot % len(frames)]
            batch.put(slot, frame.image, spec.fit.of(frame.source_wh))
        self._feeds = {n: {spec.name: batch.picture(0) if spec.batch == "none" else batch.tensor(0, n)} for n in sizes}
        self.batch = max(sizes, key=lambda n: self._round(n, 1.0).fps)

    def round(self, seconds: float) -> Rate:
        """At the batch size that proved fastest."""
        return self._round(self.batch, seconds)

    def _round(self, n: int, seconds: float) -> Rate:
        self._session.run(self._outputs, self._feeds[n])
        began_s, cpu_s, frames = time.perf_counter(), time.process_time(), 0
        while (spent_s := time.perf_counter() - began_s) < seconds:
            self._session.run(self._outputs, self._feeds[n])
            frames += n
        return Rate(frames / spent_s, (time.process_time() - cpu_s) / frames * 1e3)


class Lanes:
    """As many bare sessions of one thread beside each other as there are cores."""

    def __init__(self, folder: Path, frames: list[Frame], lanes: int) -> None:
        self._lanes = [Bare(folder, frames, 1) for _ in range(lanes)]

    def round(self, seconds: float) -> Rate:
        """All of them at once."""
        rates: list[Rate] = []
        began_s = time.process_time()
        threads = [threading.Thread(target=lambda lane=lane: rates.append(lane.round(seconds))) for lane in self._lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        fps = sum(rate.fps for rate in rates)
        return Rate(fps, (time.process_time() - began_s) / (fps * seconds) * 1e3)


def configured(urls: list[str], model: Path, redis: str, data: Path, threads: int | None, **camera: Any) -> Config:
    """Four cameras with one rule; what is not named is as it is by default."""
    chosen: dict[str, Any] = {"path": str(model)}
    if threads is not None:
        chosen["threads"] = threads
    cameras = {f"cam{i}": {"url": url, **RULE, **camera} for i, url in enumerate(urls)}
    return Config.model_validate(
        {"cameras": cameras, "model": chosen, "redis": {"url": redis}, "data_dir": str(data), "http": None}
    )


def service_round(config: Config, frames: list[Frame], seconds: float) -> tuple[Rate, float]:
    """The service at full speed: its rate, and CPU milliseconds a frame of the threads that infer."""

    def offering(name: str, camera: CameraConfig, fit: InputFit, around: Surroundings, *_: Any) -> Offering:
        begin = 7 * int(name[-1]) % len(frames)  # not all the same picture at once
        turned = [replace(f, media_s=n / ANALYSE_FPS, index=n) for n, f in enumerate(frames[begin:] + frames[:begin])]
        return Offering(name, turned, around.ledger)

    with open_house(config, SystemClock(), "benchmark", make_source=offering) as house:
        with running(house):
            time.sleep(1.0)
            began_s, before, threads = time.perf_counter(), analysed_by(house), usage.cpu_by_thread()
            time.sleep(seconds)
            spent_s, done, after = time.perf_counter() - began_s, analysed_by(house) - before, usage.cpu_by_thread()
        cpu_s = {name: spent - threads.get(name, 0.0) for name, spent in after.items()}
    return Rate(done / spent_s, sum(cpu_s.values()) / done * 1e3), (
        (cpu_s["infer"] + cpu_s.get(usage.NATIVE, 0.0)) / done * 1e3
    )


@contextlib.contextmanager
def running(house: House) -> Iterator[None]:
    """The service on a thread of its own while the block runs. Raises where it did not end well."""
    outcome: list[Any] = []
    thread = threading.Thread(target=lambda: outcome.append(house.service.run()), name="MainThread")
    thread.start()
    try:
        yield
    finally:
        house.service.stop()
        thread.join()
    assert outcome[0].clean, outcome


def analysed_by(house: House) -> int:
    """Frames so far, of all cameras."""
    return sum(unit.ledger.counts().analysed for unit in house.service.cameras)


def throughput(folder: Path, model: Path, frames: list[Frame], rounds: int, seconds: float) -> dict[str, object]:
    """Both sides by turns, with one thread of the model, then with one on every core."""
    cores = len(os.sched_getaffinity(0))
    values: dict[str, object] = {}
    for suffix, threads in (("", 1), ("_all_cores", cores)):
        bares: list[Bare | Lanes] = [Bare(model, frames, threads)]
        published = Bare(model, frames, threads, as_published=True).round(seconds)
        if threads > 1:
            bares.append(Lanes(model, frames, threads))
        bare = max(bares, key=lambda each: each.round(2.0).fps)
        with RedisServer(folder / f"redis{suffix}-{model.name}", appendonly=False) as redis:
            rates: list[tuple[Rate, Rate, float]] = []
            for n in range(rounds):
                config = configured(
                    ["memory"] * CAMERAS, model, redis.url, folder / f"{suffix}{model.name}{n}", threads
                )
                ceiling = bare.round(seconds)
                rates.append((ceiling, *service_round(config, frames, seconds)))
                print(
                    f"  {threads} threads: bare {ceiling.fps:.1f} fps, service {rates[-1][1].fps:.1f} fps", flush=True
                )
        values[f"throughput_ratio{suffix}"] = round(statistics.median(s.fps / b.fps for b, s, _ in rates), 4)
        values[f"bare_cpu_ms_as_published{suffix}"] = round(published.cpu_ms_per_frame, 3)
        values[f"bare_cpu_ms{suffix}"] = round(statistics.median(b.cpu_ms_per_frame for b, _, _ in rates), 3)
        values[f"bare_fps{suffix}"] = round(statistics.median(b.fps for b, _, _ in rates), 2)
        values[f"service_fps{suffix}"] = round(statistics.median(s.fps for _, s, _ in rates), 2)
        values[f"throughput_ratio_undisturbed{suffix}"] = round(
            statistics.median(b.cpu_ms_per_frame / infer_ms for b, _, infer_ms in rates), 4
        )
        values[f"cpu_ratio{suffix}"] = round(
            statistics.median(b.cpu_ms_per_frame / s.cpu_ms_per_frame for b, s, _ in rates), 4
        )
    return values


class Stopwatches:
    """CPU seconds inside some methods, on whatever thread; what one calls of another counts for both."""

    def __init__(self) -> None:
        self.cpu_s: defaultdict[str, float] = defaultdict(float)
        self._undo = contextlib.ExitStack()

    def hold(self, name: str, owner: Any, method: str) -> None:
        """From now on."""
        original = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            began_s = time.thread_time()
            try:
                return original(*args, **kwargs)
            finally:
                self.cpu_s[name] += time.thread_time() - began_s

        setattr(owner, method, timed)
        self._undo.callback(setattr, owner, method, original)

    def __enter__(self) -> Stopwatches:
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()


PARTS = (
    ("convert", Converter, "image"),
    ("look_small", gated, "small_luma"),
    ("look", PixelMotion, "look"),
    ("tap", CameraFootage, "packet"),
    ("prepare", InputBatch, "put"),
    ("nms", detector, "nms"),
    ("track", StitchingTracker, "update"),
    ("judge", CameraPipeline, "judge"),
    ("publish", Delivery, "publish"),
    ("feed_fields", live_feed, "_fields"),
    ("feed_send", live_feed.LiveFeed, "_send"),
)


def overhead(folder: Path, model: Path, video: Path, pace: str, seconds: float) -> dict[str, object]:
    """Four cameras: CPU a frame outside decoders, conversion and session.run, and where it goes."""
    where = folder / f"watch-{pace}-{model.name}"
    with RedisServer(where / "redis", appendonly=False) as redis, Stopwatches() as watches:
        for part in PARTS:
            watches.hold(*part)
        config = configured([str(video)] * CAMERAS, model, redis.url, where, None, pace=pace, loop=True)
        with open_house(config, SystemClock(), "benchmark") as house, running(house):
            time.sleep(SETTLE_S[pace])
            before, threads, parts = _books(house), usage.cpu_by_thread(redis.pid), dict(watches.cpu_s)
            machine_s, began_s = usage.machine_cpu(), time.monotonic()
            time.sleep(seconds)
            after, then, spent_s = _books(house), usage.cpu_by_thread(redis.pid), time.monotonic() - began_s
            others_s = (usage.machine_cpu() or 0.0) - (machine_s or 0.0)
            inside = {name: spent - parts.get(name, 0.0) for name, spent in watches.cpu_s.items()}
    n = after["analysed"] - before["analysed"]
    thread_ms = {name: (spent - threads.get(name, 0.0)) / n * 1e3 for name, spent in then.items()}
    part_ms = {name: spent / n * 1e3 for name, spent in inside.items()}
    part_ms |= {name: (after[name] - before[name]) / n * 1e3 for name in ("decode", "run")}
    run_ms = part_ms["run"] + thread_ms.get(usage.NATIVE, 0.0)  # more threads of one session have no names
    rest_ms = sum(thread_ms.values()) - part_ms["decode"] - part_ms["convert"] - run_ms
    return {
        "overhead_cpu_ms_per_frame": round(rest_ms, 3),
        "capture_rest_ms": round(thread_ms["capture"] - part_ms["decode"] - part_ms["convert"], 4),
        "infer_rest_ms": round(thread_ms["infer"] - part_ms["run"], 4),
        "by_thread_ms": {name: round(ms, 4) for name, ms in sorted(thread_ms.items(), key=lambda each: -each[1])},
        "by_part_ms": {name: round(ms, 4) for name, ms in sorted(part_ms.items(), key=lambda each: -each[1])},
        "analysed_fps": round(n / spent_s, 2),
        "received_per_analysed": round((after["received"] - before["received"]) / n, 2),
        "others_cpu_cores": round((others_s - sum(thread_ms.values()) * n / 1e3) / spent_s, 2),
    }


def _books(house: House) -> dict[str, float]:
    timings, now_s = house.detector.timings, time.monotonic()
    return {
        "analysed": analysed_by(house),
        "received": sum(unit.ledger.counts().received for unit in house.service.cameras),
        "decode": sum(unit.around.sleep.reading(now_s).decode_s for unit in house.service.cameras),
        "run": timings.run_cpu_s,
    }


def profiled_functions(folder: Path, model: Path, video: Path, seconds: float) -> None:
    """The dearest functions of each kind of thread, by CPU time of their own; the profiler costs as much again."""
    profiles: defaultdict[str, list[cProfile.Profile]] = defaultdict(list)
    original = threading.Thread.run

    def profiled(thread: threading.Thread) -> None:
        each = cProfile.Profile(time.thread_time)
        profiles[thread.name.partition(":")[0]].append(each)
        each.runcall(original, thread)

    threading.Thread.run = profiled  # type: ignore[method-assign]
    try:
        with RedisServer(folder / "redis-profile", appendonly=False) as redis:
            config = configured(
                [str(video)] * CAMERAS, model, redis.url, folder / "profile", None, pace="demand", loop=True
            )
            with open_house(config, SystemClock(), "benchmark") as house:
                with running(house):
                    time.sleep(seconds)
                n = analysed_by(house)
    finally:
        threading.Thread.run = original  # type: ignore[method-assign]
    for name, several in profiles.items():
        stats = pstats.Stats(several[0])
        for more in several[1:]:
            stats.add(more)
        rows = sorted(stats.stats.items(), key=lambda row: -row[1][2])[:22]  # type: ignore[attr-defined]
        total_us = sum(row[2] for row in stats.stats.values()) / n * 1e6  # type: ignore[attr-defined]
        print(f"== {name}: {total_us:.0f} us a frame")
        for (file, line, function), (_, calls, own_s, with_callees_s, _) in rows:
            where = f"{Path(file).parent.name}/{Path(file).name}:{line}" if line else ""
            print(
                f"  {own_s / n * 1e6:8.1f} us own {with_callees_s / n * 1e6:8.1f} us in all {calls / n:7.2f} calls  "
                f"{function} {where}"
            )


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="of each side")
    parser.add_argument("--seconds", type=float, default=6.0, help="a round takes")
    parser.add_argument("--watch", type=float, default=30.0, help="seconds of four cameras in real time")
    parser.add_argument("--profile", action="store_true", help="print the dearest functions instead")
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="streamer-ceiling-") as name:
        folder = Path(name)
        video = as_720p25(street_with_people(), folder / "street.mp4", VIDEO_S)
        models = {"bundled": bundled_model()}
        if (other := detector_folder(folder)) != bundled_model():
            models["yolox_nano"] = other
        if args.profile:
            profiled_functions(folder, models["bundled"], video, args.watch)
            return 0
        values: dict[str, object] = {}
        for called, model in models.items():
            print(called, flush=True)
            frames = decoded(video, load_artifact(model).manifest.input.fit, ANALYSE_FPS)[:50]
            values[called] = {
                **throughput(folder, model, frames, args.rounds, args.seconds),
                **overhead(folder, model, video, "realtime", args.watch),
                "full_speed": overhead(folder, model, video, "demand", args.watch),
            }
            print(f"  {values[called]}", flush=True)
    measured = values.get("yolox_nano", values["bundled"])
    assert isinstance(measured, dict)
    keys = ("throughput_ratio", "overhead_cpu_ms_per_frame")
    report("ceiling", {**{key: measured[key] for key in keys}, **values}, keep=args.keep)
    return 0


if __name__ == "__main__":
    sys.exit(main())
