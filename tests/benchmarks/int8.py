"""Where int8 is worth it: milliseconds of one thread by batch size, and what it costs in found people.

    python -m tests.benchmarks.int8 [--rounds 40] [--data ../shared/data]

The bundled detector and its int8 twin, as they are in the zoo; YOLOX-nano, and what `export.int8` makes of it on
pictures of COCO's train half (`python -m export int8` itself refuses to write that one: it moves too much). Bare
session.run on one thread that does not spin, CPU time of that thread, the median; nets and batch sizes take turns.
Person AP50 on COCO's val half and on vtest by the house's own evaluation (`models.scores`); `loss` is the share of the
float32 net's AP50 that is gone, `speed_up` that of a single picture. int8 is *worth it* where a picture costs at most
four fifths and COCO's loss is at most 1 %. The time by kind of node says why: convolutions gain in any net, but ONNX
Runtime has SiLU in eight bits only as two passes over every map (sigmoid by table, then a product), which take longer
than its one in float32, while a ReLU vanishes into the range of its convolution.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from export.calibration import Method
from export.int8 import to_int8
from models.detector.yardsticks import COCO, LABELS, VTEST, evaluation_sets
from models.scores import score
from models.sets import coco_folder
from streamer.artifacts import Artifact, load_artifact
from streamer.detect import load_detector
from streamer.detect.adopt import Wishes, adopt
from streamer.detect.canvas import letterbox
from streamer.model_folder import write_model_folder
from streamer.onnx_opset import default_opset
from streamer.zoo import bundled_model
from tests.benchmarks.footage import SHARED
from tests.benchmarks.report import report

BATCHES = (1, 2, 4, 8)
CALIBRATION_PICTURES = 64
WORTH_SPEED_UP, WORTH_LOSS = 1.25, 0.01

Figures = dict[str, Any]


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--data", type=Path, default=SHARED / "data")
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="streamer-int8-") as name:
        folders = models(args.data, Path(name))
        ms = run_ms(folders, args.rounds)
        nodes = {each: node_ms(folder, Path(name)) for each, folder in folders.items()}
        ap50 = people(folders, args.data)
    figures: Figures = {
        each: {"run_cpu_ms_per_picture": ms[each], "person_ap50": ap50[each], "ms_by_node": nodes[each]} for each in ms
    }
    values: Figures = {"nets": figures, "verdict": {}}
    for plain in [each for each in figures if not each.endswith("-int8")]:
        values["verdict"][plain] = said = verdict(figures[plain], figures[f"{plain}-int8"])
        print(f"{plain:12s} {said}  {ms[plain]} → {ms[f'{plain}-int8']}")
    report("int8", {**values, "threads": 1, "rounds": args.rounds}, keep=args.keep)


def verdict(plain: Figures, int8: Figures) -> Figures:
    """Whether int8 is worth it, and the two figures that decide."""
    speed_up = plain["run_cpu_ms_per_picture"]["1"] / int8["run_cpu_ms_per_picture"]["1"]
    loss = 1 - int8["person_ap50"][COCO] / plain["person_ap50"][COCO]
    return {
        "speed_up": round(speed_up, 2),
        "loss": round(loss, 4),
        "worth_it": speed_up >= WORTH_SPEED_UP and loss <= WORTH_LOSS,
    }


def models(data: Path, scratch: Path) -> dict[str, Path]:
    """Model folders by name; that of an int8 net is the other's and -int8."""
    file, folder = data / "models/yolox_nano/yolox_nano_dynbatch.onnx", scratch / "yolox-nano"
    yolox = adopt(file, "yolox", folder, Wishes(name="yolox-nano", licence="Apache-2.0"))
    lookout = bundled_model()
    return {
        "lookout": lookout,
        "lookout-int8": lookout.with_name(f"{lookout.name}-int8"),
        "yolox-nano": folder,
        "yolox-nano-int8": quantised(yolox, data, scratch / "yolox-nano-int8"),
    }


def quantised(plain: Artifact, data: Path, out: Path) -> Path:
    """The model in int8, whatever it has lost.

    Ranges leave out the outermost values: with all of them YOLOX-nano lost a third of its AP50, so about a fifth.
    """
    train = coco_folder(data / "detection" / "coco128x2", "train", labelled=LABELS)
    fit = plain.manifest.input.fit
    pictures = [letterbox(shot.image, fit)[0] for shot in islice(iter(train), CALIBRATION_PICTURES)]
    graph = to_int8(plain.read_graph(), pictures, plain.manifest.input, Method.PERCENTILE)
    found = {"name": out.name, "sha256": hashlib.sha256(graph).hexdigest(), "precision": "int8"}
    opset = default_opset(graph, out.name)
    return write_model_folder(plain.manifest.model_copy(update={**found, "opset": opset}), graph, out).folder


def run_ms(folders: Mapping[str, Path], rounds: int) -> dict[str, dict[str, float]]:
    """{net: {batch size: CPU milliseconds per picture}}."""
    sessions = {name: _session(folder) for name, folder in folders.items()}
    spent: dict[tuple[str, int], list[float]] = defaultdict(list)
    for turn in range(rounds + 2):
        for name, session in sessions.items():
            for n in BATCHES:
                feed = _noise(folders[name], n)
                began_s = time.thread_time()
                session.run(None, feed)
                if turn >= 2:  # the first runs allocate
                    spent[name, n].append((time.thread_time() - began_s) * 1000 / n)
    return {name: {str(n): round(statistics.median(spent[name, n]), 3) for n in BATCHES} for name in folders}


def node_ms(folder: Path, scratch: Path, runs: int = 20) -> dict[str, float]:
    """Milliseconds of a single picture by kind of node, by ONNX Runtime's own profiler; the six that take longest."""
    session = _session(folder, str(scratch / "profile"))
    for _ in range(runs):
        session.run(None, _noise(folder, 1))
    took_us: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in json.loads(Path(session.end_profiling()).read_text(encoding="utf-8")):
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            took_us[event["args"]["op_name"], event["name"]].append(event["dur"])
    by_kind: dict[str, float] = defaultdict(float)
    for (kind, _), each_us in took_us.items():
        by_kind[kind] += statistics.median(each_us) / 1000
    longest = sorted(by_kind.items(), key=lambda kind_and_ms: -kind_and_ms[1])[:6]
    return {kind: round(ms, 2) for kind, ms in longest}


def people(folders: Mapping[str, Path], data: Path) -> dict[str, dict[str, float]]:
    """{net: {set: person AP50}}."""
    sets = evaluation_sets(data)
    found: dict[str, dict[str, float]] = {}
    for name, folder in folders.items():
        detector = load_detector(folder, threads=1)
        found[name] = {
            title: round(score(detector, sets[title], progress=f"{name}: {title}")["person"].ap50, 4)
            for title in (COCO, VTEST)
        }
    return found


def _session(folder: Path, profile: str | None = None) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, profile
    return onnxruntime.InferenceSession(load_artifact(folder).read_graph(), options, providers=["CPUExecutionProvider"])


def _noise(folder: Path, n: int) -> dict[str, NDArray[Any]]:
    spec = load_artifact(folder).manifest.input
    noise = np.random.default_rng(0).integers(0, 256, (n, *spec.picture_shape))
    return {spec.name: noise.astype(spec.dtype)}


if __name__ == "__main__":
    main()
