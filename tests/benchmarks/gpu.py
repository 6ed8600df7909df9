"""What one GPU holds: cameras of 1080p30 at p99 ≤ 500 ms, whose limit it is (decoding or the net), and halves' parity.

    python -m tests.benchmarks.gpu                  # on a machine with an NVIDIA GPU; exits 3 where there is none
    python -m tests.benchmarks.gpu --rehearse       # every step once on the CPU, small; keeps nothing, proves nothing

For each way to run the net (CUDA, TensorRT, TensorRT in halves, torch, torch in halves): bare runs per batch size,
agreement with ONNX Runtime on the CPU in float32 on real pictures, and the search of `streamer bench` with cameras
decoded on the card and on the CPU. Ways that cannot be opened are told with the sentence that says why. Never run on a
GPU so far: docs/gpu.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from models.average_precision import iou
from streamer.artifacts import load_artifact
from streamer.bench.capacity import find_capacity
from streamer.bench.footage import Footage, looked_at
from streamer.bench.trial import Plan
from streamer.capture.hardware import DeviceUnfit, open_on
from streamer.config.model import ModelConfig
from streamer.detect import OnnxDetector, load_detector
from streamer.detect.canvas import resize
from streamer.detect.session import open_session
from streamer.errors import StreamerError
from streamer.sessions.batch_sizes import GPU_SIZES
from streamer.sessions.nvidia import gpu_count, gpu_name, tensorrt_version
from streamer.types import Frame
from streamer.zoo import bundled_model, find_model
from tests.benchmarks.footage import street_with_people
from tests.benchmarks.report import report
from tests.fakes import StillPicture

NO_GPU = 3
FPS, WH, FOOTAGE_S, P99_S = 30, (1920, 1080), 10.0, 0.5
SURE, SAME_IOU = 0.5, 0.95


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run the net."""

    provider: str
    precision: str
    device: int | str

    @property
    def name(self) -> str:
        """tensorrt_fp16."""
        return self.provider + ("_fp16" if self.precision == "fp16" else "")

    def config(self, model: Path) -> ModelConfig:
        """As a configuration says it."""
        return ModelConfig.model_validate(
            {"path": model, "provider": self.provider, "precision": self.precision, "device": self.device}
        )


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    ways: tuple[Way, ...]
    decoded_on: tuple[str, ...]
    batches: tuple[int, ...]
    each_s: float
    settle_s: float
    measure_s: float
    pictures: int
    most: int
    fps: float


def main(arguments: list[str] | None = None) -> int:
    """Measure all that can be had, report; 3 without a GPU."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    parser.add_argument("--device", type=int, default=0, help="which GPU (0)")
    parser.add_argument("--fps", type=float, default=float(FPS), help="frames analysed of each camera and second (30)")
    parser.add_argument("--most", type=int, default=300, help="try no more cameras than (300)")
    parser.add_argument("--model", type=Path, help="detector, by folder or name (default: the bundled one)")
    parser.add_argument("--rehearse", action="store_true", help="every step once on the CPU, nothing kept")
    args = parser.parse_args(arguments)
    if not args.rehearse and not gpu_count():
        print("tests.benchmarks.gpu: no NVIDIA GPU here (its driver finds none): nothing was measured", file=sys.stderr)
        return NO_GPU
    model = find_model(args.model, kind="detector") if args.model else bundled_model()
    size = _rehearsal() if args.rehearse else _whole(args.device, args.fps, args.most)
    with tempfile.TemporaryDirectory(prefix="streamer-gpu-") as scratch:
        footage = looked_at(as_1080p30(street_with_people(), Path(scratch) / "street-1080p30.mp4", size.measure_s))
        values = measured(size, model, footage)
    report("gpu", {"rehearsed": args.rehearse, **values}, keep=args.keep and not args.rehearse)
    return 0


def measured(size: Size, model: Path, footage: Footage) -> dict[str, object]:
    """Everything, by its name in the report."""
    decoding = {where: decode_ceiling(footage, where, size.each_s) for where in size.decoded_on}
    ways: dict[str, object] = {}
    for way in size.ways:
        print(f"{way.name} …", file=sys.stderr, flush=True)
        try:
            ways[way.name] = measured_way(way, size, model, footage, decoding)
        except StreamerError as error:
            ways[way.name] = {"not_available": str(error)}
    held = [int(each["cameras"]) for way in ways.values() if isinstance(way, dict) for each in way.get("held", ())]
    device = size.ways[0].device
    return {
        "gpu": gpu_name(device) if isinstance(device, int) else None,
        "tensorrt": tensorrt_version(),
        "model": load_artifact(model).manifest.name,
        "footage": footage.as_dict(),
        "fps": size.fps,
        "p99_limit_s": P99_S,
        "cameras_1080p30": max(held, default=0),
        "decode_fps": decoding,
        "ways": ways,
    }


def measured_way(
    way: Way, size: Size, model: Path, footage: Footage, decoding: dict[str, float | None]
) -> dict[str, Any]:
    """One way to run the net: bare, held to the CPU, and in the service. Raises StreamerError where it is not there."""
    detector = load_detector(
        model,
        provider=way.provider,
        device=way.device,
        precision=way.precision,  # type: ignore[arg-type]
    )
    detector.warm_up()
    agreement = parity(load_detector(model), detector, street_frames(detector, size.pictures))
    bare = bare_runs(way, model, size.batches, size.each_s)
    ceiling = max(each["pictures_per_s"] for each in bare)
    held = []
    for where in size.decoded_on:
        found = capacity(way, model, footage, where, size, detector.labels)
        frames = found["cameras"] * footage.fps
        decode_fps = decoding[where]
        found["decode_share"] = round(frames / decode_fps, 3) if decode_fps else None
        found["inference_share"] = round(found["cameras"] * size.fps / ceiling, 3)
        held.append(found)
    return {"bare": bare, "parity": agreement, "held": held}


def bare_runs(way: Way, model: Path, batches: tuple[int, ...], each_s: float) -> list[dict[str, float]]:
    """session.run alone, from and to this machine's memory, for each batch size."""
    artifact = load_artifact(model)
    spec, names = artifact.manifest.input, [output.name for output in artifact.manifest.outputs]
    session = open_session(artifact, way.provider, 1, way.device, way.precision)  # type: ignore[arg-type]
    told = []
    for n in batches if spec.batch == "any" else (1,):
        feed = session.buffer((n, *spec.picture_shape), spec.dtype)
        feed[...] = np.random.default_rng(n).integers(0, 256, feed.shape).astype(spec.dtype)
        for _ in range(3):
            session.run(names, {spec.name: feed})
        runs, began_s = 0, time.perf_counter()
        while time.perf_counter() - began_s < each_s:
            session.run(names, {spec.name: feed})
            runs += 1
        run_s = (time.perf_counter() - began_s) / runs
        told.append({"batch": n, "ms": round(run_s * 1e3, 3), "pictures_per_s": round(n / run_s, 1)})
    return told


def parity(reference: OnnxDetector, other: OnnxDetector, frames: list[Frame]) -> dict[str, float]:
    """How far what the other is sure of lies from what the reference says of the same pictures."""
    expected, found = reference.detect(frames), other.detect(frames)
    sure, same, apart_px, scores = 0, 0, [], []
    for one, another in zip(expected, found, strict=True):
        clear = one.keep(one.scores >= SURE)
        boxes = clear.boxes_xyxy
        if not len(boxes):
            continue
        sure += len(boxes)
        if not len(another):
            continue
        overlaps = iou(boxes, another.boxes_xyxy) * (clear.class_ids[:, None] == another.class_ids)
        best = overlaps.argmax(axis=1)
        same += int((overlaps.max(axis=1) >= SAME_IOU).sum())
        apart_px += np.abs(another.boxes_xyxy[best] - boxes).max(axis=1).tolist()
        scores += np.abs(another.scores[best] - clear.scores).tolist()
    return {
        "objects": sure,
        "same_share": round(same / sure, 4) if sure else 0.0,
        "box_px_p99": round(float(np.percentile(apart_px, 99)), 4) if apart_px else 0.0,
        "score_difference_most": round(max(scores, default=0.0), 6),
    }


def capacity(
    way: Way, model: Path, footage: Footage, where: str, size: Size, labels: tuple[str, ...]
) -> dict[str, Any]:
    """How many cameras the service holds so, found as `streamer bench --find-max-streams` finds it."""
    plan = Plan(
        footage=footage,
        model=way.config(model),
        analyse_fps=size.fps,
        gated=False,
        p99_limit_s=P99_S,
        redis_url=None,
        redis_pid=None,
        settle_s=size.settle_s,
        measure_s=size.measure_s,
        decode_on=where,
    )
    found = find_capacity(
        plan, labels, size.most, min(8, size.most), lambda *_: None,
        lambda judged: print(f"  {judged.trial.cameras} cameras: {judged.broken or 'held'}", file=sys.stderr),
    )  # fmt: skip
    return {"decoded_on": where, "cameras": found.cameras, "trial": found.best.as_dict() if found.best else None}


def decode_ceiling(footage: Footage, where: str, each_s: float) -> float | None:
    """Frames a second that one decoder makes of this footage, nothing else; None where it cannot be opened there."""
    with av.open(str(footage.file)) as container:
        stream = container.streams.video[0]
        try:
            context = stream.codec_context if where == "cpu" else open_on(where, stream.codec_context, keeps=True)
        except DeviceUnfit as error:
            print(f"decoding on {where}: {error}", file=sys.stderr)
            return None
        decoded, began_s = 0, time.perf_counter()
        for packet in container.demux(stream):
            decoded += len(context.decode(packet)) if packet.size else 0
            if time.perf_counter() - began_s > each_s:
                break
        return round(decoded / (time.perf_counter() - began_s), 1)


def street_frames(detector: OnnxDetector, most: int) -> list[Frame]:
    """Real people, resized for this detector."""
    frames = []
    with av.open(str(street_with_people())) as container:
        for i, decoded in enumerate(container.decode(video=0)):
            if i % 15 == 0:
                fit = detector.input_fit.of((decoded.width, decoded.height))
                image = resize(decoded.to_ndarray(format="rgb24"), fit.content_wh)
                frames.append(Frame("street", "s", i, image, fit.source_wh, 0.0, 0.0, 0.0, StillPicture(image)))
            if len(frames) >= most:
                break
    return frames


def as_1080p30(video: Path, out: Path, seconds: float) -> Path:
    """A video's first pictures as a 1080p camera at 30 fps sends them: H.264, a key frame every two seconds."""
    most = round(FPS * min(FOOTAGE_S, max(2.0, seconds)))
    with av.open(str(video)) as container, av.open(str(out), "w") as made:
        stream: Any = made.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *WH, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        stream.codec_context.gop_size, stream.codec_context.max_b_frames = 2 * FPS, 0
        stream.options = {"preset": "superfast", "crf": "23"}
        for i, frame in enumerate(container.decode(video=0)):
            if i == most:
                break
            picture = cv2.resize(frame.to_ndarray(format="rgb24"), WH, interpolation=cv2.INTER_CUBIC)
            made.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        made.mux(stream.encode(None))
    return out


def _whole(device: int, fps: float, most: int) -> Size:
    kinds = (("cuda", "as_exported"), ("tensorrt", "as_exported"), ("tensorrt", "fp16"))
    ways = tuple(Way(*kind, device) for kind in (*kinds, ("torch", "as_exported"), ("torch", "fp16")))
    decoded_on = ("cpu", f"cuda:{device}")
    return Size(ways, decoded_on, (*GPU_SIZES, 16), 2.0, 5.0, 10.0, 50, most, fps)


def _rehearsal() -> Size:
    return Size((Way("torch", "as_exported", "cpu"),), ("cpu",), (1, 2), 0.3, 1.0, 2.0, 4, 1, 2.0)


if __name__ == "__main__":
    sys.exit(main())
