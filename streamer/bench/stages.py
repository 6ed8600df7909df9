"""Each stage by itself on one thread: what it costs alone, and so what the whole could reach at best."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import cv2
from av import VideoFrame

from streamer.artifacts import load_artifact
from streamer.assembly.camera import build_pipeline, build_source, build_tracker
from streamer.assembly.model import open_detector
from streamer.bench.footage import Footage
from streamer.bench.trial import Plan, configuration
from streamer.capture.convert import Converter, DecodedPicture
from streamer.clock import SystemClock
from streamer.config import CameraConfig
from streamer.config.model import ModelConfig
from streamer.detect import OnnxDetector
from streamer.detect.canvas import InputBatch
from streamer.detect.session import open_session
from streamer.errors import SinkUnavailable
from streamer.pipeline import CameraPipeline, Followed
from streamer.sinks.live_feed import LiveFeed
from streamer.surroundings import Surroundings
from streamer.types import Detections, Frame, FrameResult
from streamer.zoo import bundled_model, find_model

BATCHES = (1, 2, 4, 8)
_MOST_VIDEO_S = 10.0
_PUBLISHED_AT_ONCE = 50
_HARDLY_EVER_FPS = 0.1

SOURCE, ANALYSED = "source frame", "analysed frame"


@dataclass(frozen=True, slots=True)
class StageCost:
    """What one frame costs in one stage; `of` says which frames go through it. CPU of all threads of the process."""

    stage: str
    of: str
    cpu_ms: float
    wall_ms: float
    frames: int
    batch: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "stage": self.stage,
            "of": self.of,
            "batch": self.batch,
            "cpu_ms": round(self.cpu_ms, 4),
            "wall_ms": round(self.wall_ms, 4),
            "frames": self.frames,
        }


def measured_stages(plan: Plan, each_s: float, tell: Callable[[str], None]) -> list[StageCost]:
    """All of them in the order of the way; each is repeated for at least so many seconds. tell: what is begun."""
    cv2.setNumThreads(1)  # as the service has it
    detector = open_detector(plan.model)
    measured: list[StageCost] = []

    def measure(stage: str, of: str, work: Callable[[], int], batch: int | None = None) -> None:
        tell(stage if batch is None else f"{stage}, batch {batch}")
        measured.append(_cost(stage, of, work, each_s, batch))

    footage = plan.footage
    measure("demux", SOURCE, lambda: _demuxed(footage))
    packets, new_decoder = _packets(footage)
    measure("decode", SOURCE, lambda: sum(1 for _ in _decoded(packets, new_decoder())))
    every = max(1, round(footage.fps / plan.analyse_fps))
    pictures = list(itertools.islice(_decoded(packets, new_decoder()), 0, None, every))
    converter = Converter(detector.input_fit, (footage.width_px, footage.height_px))
    measure("convert", ANALYSED, lambda: _each(pictures, converter.image))
    frames = _frames(pictures, converter, plan)
    _measure_model(detector, plan, frames, measure, measured)
    with tempfile.TemporaryDirectory(prefix="streamer-bench-") as scratch:
        config = configuration(plan, 1, Path(scratch), detector.labels)
    [(name, camera)] = config.cameras.items()
    found = [(frame, detector.detect([frame])[0]) for frame in frames]
    measure("track", ANALYSED, lambda: _tracked(camera, detector, found))
    pipeline = build_pipeline(name, camera, config, detector)
    followed = [pipeline.follow(*each) for each in found]
    measure("rules", ANALYSED, _judging(pipeline, followed))
    if plan.redis_url:
        results = [FrameResult(each.frame, each.detections, each.tracks) for each in followed]
        measure("publish", ANALYSED, _publishing(plan.redis_url, results))
    tell("capture")
    measured.append(_capture_cost(camera, detector, each_s))
    return measured


def model_folder(model: ModelConfig) -> Path:
    """Where the model of a plan lies. Raises ArtifactError."""
    return find_model(model.path, kind="detector") if model.path else bundled_model()


def _cost(stage: str, of: str, work: Callable[[], int], at_least_s: float, batch: int | None = None) -> StageCost:
    work()  # what is made once is no cost of a frame
    began_s, cpu_s, frames = time.perf_counter(), time.process_time(), 0
    while frames == 0 or time.perf_counter() - began_s < at_least_s:
        frames += work()
    wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    return StageCost(stage, of, cpu_s / frames * 1e3, wall_s / frames * 1e3, frames, batch)


def _demuxed(footage: Footage) -> int:
    with av.open(str(footage.file)) as container:
        return sum(1 for packet in container.demux(container.streams.video[0]) if packet.size)


def _packets(footage: Footage) -> tuple[list[av.Packet[Any]], Callable[[], av.VideoCodecContext]]:
    """Packets of the video's beginning, and what makes a decoder for them: one thread, as a camera has it."""
    with av.open(str(footage.file)) as container:
        stream = container.streams.video[0]
        name, extradata = stream.codec_context.codec.canonical_name, stream.codec_context.extradata
        most = round(_MOST_VIDEO_S * footage.fps)
        packets = [packet for packet in itertools.islice(container.demux(stream), most) if packet.size]

    def new_decoder() -> av.VideoCodecContext:
        context = av.CodecContext.create(name, "r")
        assert isinstance(context, av.VideoCodecContext)
        context.extradata = extradata
        context.thread_count, context.thread_type = 1, "NONE"
        return context

    return packets, new_decoder


def _decoded(packets: Sequence[av.Packet[Any]], context: av.VideoCodecContext) -> Iterator[VideoFrame]:
    for packet in packets:
        yield from context.decode(packet)
    yield from context.decode(None)


def _each(pictures: Sequence[VideoFrame], work: Callable[[VideoFrame], object]) -> int:
    for picture in pictures:
        work(picture)
    return len(pictures)


def _frames(pictures: Sequence[VideoFrame], converter: Converter, plan: Plan) -> list[Frame]:
    return [
        Frame(
            camera="camera-1",
            session="bench",
            index=n,
            image=converter.image(picture),
            source_wh=converter.fit.source_wh,
            media_s=n / plan.analyse_fps,
            captured_at=n / plan.analyse_fps,
            received_s=time.monotonic(),
            picture=DecodedPicture(picture),
        )
        for n, picture in enumerate(pictures)
    ]


def _measure_model(
    detector: OnnxDetector, plan: Plan, frames: Sequence[Frame], measure: Callable[..., None], into: list[StageCost]
) -> None:
    """Bare session.run, then what stands around it in the detector, for each size of batch that the graph takes."""
    artifact = load_artifact(model_folder(plan.model))
    spec, outputs = artifact.manifest.input, [output.name for output in artifact.manifest.outputs]
    session = open_session(artifact, plan.model.provider, plan.one_lane_threads)
    for size in BATCHES if spec.batch == "any" else (1,):
        together = list(itertools.islice(itertools.cycle(frames), size))
        batch = InputBatch(spec, size)
        for slot, frame in enumerate(together):
            batch.put(slot, frame.image, detector.input_fit.of(frame.source_wh))
        feed = {spec.name: batch.picture(0) if spec.batch == "none" else batch.tensor(0, size)}

        def run(feed: dict[str, Any] = feed, size: int = size) -> int:
            session.run(outputs, feed)
            return size

        measure("session.run", ANALYSED, run, size)
        before = detector.timings
        measure("detect", ANALYSED, lambda chosen=together: len(detector.detect(chosen)), size)
        after = detector.timings
        done = max(1, after.frames - before.frames)
        for stage, spent_s in (
            ("prepare", after.prepare_s - before.prepare_s),
            ("outputs", after.decode_s - before.decode_s),
        ):  # on the calling thread alone: its wall time is its CPU time
            into.append(StageCost(stage, ANALYSED, spent_s / done * 1e3, spent_s / done * 1e3, done, size))


def _tracked(camera: CameraConfig, detector: OnnxDetector, found: Sequence[tuple[Frame, Detections]]) -> int:
    tracker = build_tracker(camera, detector)
    for frame, detections in found:
        tracker.update(detections, frame.media_s)
    return len(found)


def _judging(pipeline: CameraPipeline, followed: Sequence[Followed]) -> Callable[[], int]:
    """Rules and alert book, again and again over the same tracks; time goes on, as it must."""
    lasts_s = followed[-1].frame.media_s + 1.0
    rounds = itertools.count(1)

    def judge() -> int:
        later_s = next(rounds) * lasts_s
        for each in followed:
            moved = replace(
                each.frame, media_s=each.frame.media_s + later_s, captured_at=each.frame.captured_at + later_s
            )
            pipeline.judge(replace(each, frame=moved))
        return len(followed)

    return judge


def _publishing(url: str, results: Sequence[FrameResult]) -> Callable[[], int]:
    """To Redis and back: its thread, its JSON, its round trip; the waiting for company is in the wall time."""

    def publish() -> int:
        sent = [results[n % len(results)] for n in range(_PUBLISHED_AT_ONCE)]
        feed = LiveFeed(url)
        feed.start(lambda: None)
        for result in sent:
            feed.offer(result)
        feed.stop()
        assert feed.worker is not None
        while feed.worker.alive:
            time.sleep(0.001)
        if delivered := feed.stats().delivered:
            return delivered
        raise SinkUnavailable(f"{url} took no frame: {feed.stats().trouble}")

    return publish


def _capture_cost(camera: CameraConfig, detector: OnnxDetector, at_least_s: float) -> StageCost:
    """The capture room as the service uses it, less what its decoder takes: packets, times, choice, books.

    Almost no frame is chosen, so that next to nothing is converted.
    """
    clock = SystemClock()
    asked = camera.model_copy(
        update={"pace": "demand", "loop": False, "decode": "always", "analyse_fps": _HARDLY_EVER_FPS}
    )
    began_s, cpu_s, decode_s, received = time.perf_counter(), time.process_time(), 0.0, 0
    while received == 0 or time.perf_counter() - began_s < at_least_s:
        around = Surroundings.alone("camera-1", clock)
        for _ in build_source("camera-1", asked, detector.input_fit, around, clock).frames():
            pass
        received += around.ledger.counts().received
        decode_s += around.sleep.reading(clock.monotonic()).decode_s
    rest_ms = max(0.0, time.process_time() - cpu_s - decode_s) / received * 1e3
    return StageCost("capture", SOURCE, rest_ms, rest_ms, received)
