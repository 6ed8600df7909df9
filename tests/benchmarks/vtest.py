"""Person AP50 of YOLOX-nano on vtest's 69 true frames, through the commands that a person would run.

`python -m tests.benchmarks.vtest [--data ../shared/data]` adopts the bare ONNX file, replays the video with every
frame analysed, and scores the lines that replay wrote. What is measured is the whole way: adopt, decode, convert,
letterbox, run, adapter, NMS, back to source pixels, JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.report import report
from tests.benchmarks.scoring import Floats, curve_of, read_mot

SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
TRUTH_TO_VIDEO = 480 / 768  # the truth is in pixels of the original 768×576


def main() -> int:
    """Adopt, replay, score, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SHARED_DATA)
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    args = parser.parse_args()
    truth = read_mot(args.data / "tracking" / "vtest_pets" / "gt_first69.txt", TRUTH_TO_VIDEO)
    with tempfile.TemporaryDirectory(prefix="streamer-vtest-") as scratch:
        model, lines = Path(scratch) / "yolox_nano", Path(scratch) / "vtest.jsonl"
        _streamer("models", "adopt", args.data / "models" / "yolox_nano" / "yolox_nano.onnx", "--layout", "yolox",
                  "--licence", "Apache-2.0", "--out", model)  # fmt: skip
        began = time.perf_counter()
        _streamer("replay", args.data / "videos" / "vtest_480x360.mp4", "--model", model, "--analyse-fps", "all",
                  "--out", lines)  # fmt: skip
        replay_s = time.perf_counter() - began
        frames, found = people(lines)
    missing = sorted(set(truth) - set(found))
    if missing:
        print(f"replay wrote no line for the true frames {missing}", file=sys.stderr)
        return 1
    curve = curve_of(truth, found)
    f1, at_score = curve.best_f1()
    report(
        "vtest",
        {
            "ap50": round(curve.average_precision, 4),
            "best_f1": round(f1, 4),
            "best_f1_at_score": round(at_score, 3),
            "true_frames": len(truth),
            "true_boxes": sum(map(len, truth.values())),
            "analysed_frames": frames,
            "replay_s": round(replay_s, 2),
            "model": "yolox_nano 416×416",
        },
        keep=args.keep,
    )
    return 0


def people(lines: Path) -> tuple[int, dict[int, tuple[Floats, Floats]]]:
    """(analysed frames, truth's frame number → boxes and scores of people) from replay's JSON lines."""
    found = {}
    with lines.open(encoding="utf-8") as file:
        for line in map(json.loads, file):
            if line["type"] == "frame":
                objects = [each for each in line["objects"] if each["label"] == "person"]
                boxes = np.array([each["box"] for each in objects], float).reshape(-1, 4)
                found[line["index"] + 1] = boxes, np.array([each["score"] for each in objects], float)
    return len(found), found


def _streamer(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "streamer", *map(str, arguments)], check=True)


if __name__ == "__main__":
    sys.exit(main())
