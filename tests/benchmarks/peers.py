"""Analysed frames per CPU second, beside what people otherwise run: four 720p25 cameras, YOLOX-nano, this machine.

    python -m tests.benchmarks.peers [--rounds 5] [--seconds 20] [--scenes street] [--no-inference-package]

The work is the same for all: four H.264 files as cameras would send them (real footage at 1280×720 and 25 fps), played
to their ends as fast as the machine can, *every picture decoded, every fifth analysed* (5 a second) by the same ONNX
file, boxes read with the same floors. So an analysed frame costs five decodings, one conversion and one run. That is
what the reference figures (28 opencv_threads, 50 opencv_tuned, 38 inference_pipeline, 65 bare, a CPU second) mean: five
decodings of 1.33 ms, a run of 7.3 and a conversion of 0.95 are 65 a second. Where a run takes twice as long (15 ms on
the AMD EPYC of the kept figures), all sides come nearer to each other: there the bare parts are about 1.15 of
opencv_tuned, not 1.3. What spins (the two sides with default sessions) costs the more the busier the machine is.

- ours: the whole service, with tracker, an intrusion rule, camera trouble, alerts with pictures, outbox, JSON lines.
- opencv_threads: a thread per camera with OpenCV's VideoCapture and its own ONNX Runtime session, all defaults.
- opencv_tuned: the same with one thread each for session, decoder and OpenCV; `cap.read()` as everybody writes it.
- opencv_tuned_grab: the same, and pictures that are not analysed are not converted (`cap.grab()`): the hardest peer.
- inference_pipeline: the `inference` package's InferencePipeline with the net as custom logic, session as it comes, in
  an environment of its own; inference_pipeline_tuned: with one thread for the session.
- bare: decode, convert and run alone, on one thread: what nobody can beat on these libraries.

Ours and bare run the file as the service opens it on a CPU: rewritten, the same net and weights with less to do, all
values the same up to the order in which floats are added (detect/leaner.py). Peers run it as it was published.

Peers only find boxes: they track, judge and write nothing. Each run is a process of its own; its CPU time is that of
all its threads, user and system, from the moment that its net has run once. The sides take turns within each round, and
a ratio is the median over the rounds. It is an error if a peer looks at fewer pictures, or finds 10 % more or fewer
boxes above a score of 0.5 than ours: on the same small picture all find the same boxes, but OpenCV's bilinear resizing
skips pixels, ours averages them, which moved 3 % of the boxes on a street and 8 % in a shop.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.footage import SHARED, YOLOX, as_720p25, detector_folder
from tests.benchmarks.peers_inference_env import PACKAGE, inference_python
from tests.benchmarks.report import report

SCENES = {
    "street": ("vtest_480x360.mp4",) * 4,
    "mixed": (
        "vtest_480x360.mp4",
        "intel_one-by-one-person-detection.mp4",
        "intel_person-bicycle-car-detection_cut.mp4",
        "nvidia_Retail02_short.mp4",
    ),
}
"""A street of 1.6 Mbit/s, whose pictures cost what those of the reference figures did; mixed: 1.6 to 3.7 Mbit/s."""
EVERY = 5
MOST_OTHER_BOXES = 0.1
ROOT = Path(__file__).resolve().parents[2]

Run = dict[str, Any]

_ANSWER = """
import json, sys
from pathlib import Path
from tests.benchmarks.{module} import {function}
tally, *told = {function}(*eval(sys.argv[1], {{"Path": Path}}))
print("\\n" + json.dumps([tally.as_dict(), *told]))
"""


def in_process(module: str, function: str, *arguments: object, python: Path = Path(sys.executable)) -> Run:
    """What one side found, run in a process of its own: analysed per CPU second, boxes, seconds, parts."""
    code = _ANSWER.format(module=module, function=function)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [str(python), "-c", code, repr(arguments).replace("PosixPath", "Path")],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{module}.{function} failed:\n{done.stderr[-3000:]}")
    seen, cpu_s, *rest = json.loads(done.stdout.splitlines()[-1])
    run = {"per_cpu_s": seen["analysed"] / cpu_s, "cpu_s": cpu_s, **seen}
    run |= {"wall_s": rest.pop(0)} if rest and isinstance(rest[0], float) else {}
    return run | ({"parts": rest[0]} if rest and rest[0] else {})


def sides(clips: Sequence[Path], model: Path, inference: Path | None) -> dict[str, Callable[[], Run]]:
    """Every side by its name, as a run in a process of its own."""
    found: dict[str, Callable[[], Run]] = {
        "ours": lambda: in_process("peers_ours", "watch", clips, model, False),
        "opencv_threads": lambda: in_process("opencv_threads", "watch", clips, YOLOX, EVERY, False, False),
        "opencv_tuned": lambda: in_process("opencv_threads", "watch", clips, YOLOX, EVERY, True, False),
        "opencv_tuned_grab": lambda: in_process("opencv_threads", "watch", clips, YOLOX, EVERY, True, True),
        "bare": lambda: in_process("peers_ours", "bare", clips, model, EVERY),
    }
    if inference:
        for name, threads in (("inference_pipeline", None), ("inference_pipeline_tuned", 1)):
            found[name] = lambda threads=threads: in_process(  # type: ignore[misc]
                "peers_inference", "watch", clips, YOLOX, 25 / EVERY, threads, python=inference
            )
    return found


def check(runs: dict[str, Run]) -> None:
    """Raise SystemExit where a side of a round did other work than ours."""
    ours = runs["ours"]
    for name, run in runs.items():
        if run["analysed"] != ours["analysed"]:
            raise SystemExit(f"{name} analysed {run['analysed']} pictures, ours {ours['analysed']}: no comparison")
        if abs(run["sure_boxes"] / ours["sure_boxes"] - 1) > MOST_OTHER_BOXES:
            raise SystemExit(f"{name} found {run['sure_boxes']} boxes, ours {ours['sure_boxes']}: not the same work")


def breakdown(run: Run) -> dict[str, float]:
    """Where the milliseconds of CPU of one analysed frame go, from a profiled run of ours.

    total = decode + convert + run + rest; the rest is told by thread: what capture and infer do besides, the others,
    and `elsewhere`: native threads, and what threads did in their last tenth of a second.
    """
    parts, n = run["parts"], run["analysed"]
    ms = {name: parts[name] * 1000 / n for name in ("decode", "convert", "run")}
    threads = {name: spent_s * 1000 / n for name, spent_s in parts["threads"].items()}
    total = run["cpu_s"] * 1000 / n - threads.pop("profiler", 0.0)
    by_thread = {
        "capture_rest": threads.pop("capture", 0.0) - ms["decode"] - ms["convert"],
        "infer_rest": threads.pop("infer", 0.0) - ms["run"],
        **threads,
    }
    rest = total - sum(ms.values())
    found = {"total": total, **ms, "rest": rest, **by_thread, "elsewhere": rest - sum(by_thread.values())}
    return {name: round(value, 3) for name, value in found.items()}


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0, help="of footage per camera (default 20)")
    parser.add_argument("--scenes", choices=SCENES, default="street", help="only the street's figures are kept")
    parser.add_argument("--inference-package", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    args = parser.parse_args()
    if not YOLOX.is_file():
        raise SystemExit(f"{YOLOX} is missing: this benchmark needs the project's data beside the checkout")
    inference = _inference() if args.inference_package else None
    load_before = os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="streamer-peers-") as name:
        scratch = Path(name)
        model = detector_folder(scratch)
        scenes = SCENES[args.scenes]
        made = {each: as_720p25(SHARED / "data/videos" / each, scratch / each, args.seconds) for each in {*scenes}}
        clips = [made[each] for each in scenes]
        profiled = in_process("peers_ours", "watch", clips, model, True)  # the first is for the page cache as well
        rounds: list[dict[str, Run]] = []
        for n in range(args.rounds):
            order = list(sides(clips, model, inference).items())
            order = order[n % len(order) :] + order[: n % len(order)]
            rounds.append({side: run() for side, run in order})
            check(rounds[-1])
            print({side: round(run["per_cpu_s"], 1) for side, run in sorted(rounds[-1].items())}, flush=True)
    values = {"scenes": args.scenes, **_values(rounds, profiled, load_before)}
    report("peers", values, keep=args.keep and args.scenes == "street")
    return 0


def _inference() -> Path | None:
    try:
        return inference_python()
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        print(f"the inference package cannot be had, its figures stay empty: {error}", file=sys.stderr)
        return None


def _values(rounds: list[dict[str, Run]], profiled: Run, load_before: Sequence[float]) -> dict[str, object]:
    names = list(rounds[0])

    def ratio(peer: str) -> float | None:
        if peer not in names:
            return None
        return round(statistics.median(r["ours"]["per_cpu_s"] / r[peer]["per_cpu_s"] for r in rounds), 3)

    def median(side: str, figure: str) -> float:
        return round(statistics.median(r[side][figure] for r in rounds), 2)

    bare = [r["bare"] for r in rounds]
    return {
        **{
            f"ratio_vs_{peer}": ratio(peer)
            for peer in (
                "opencv_threads", "opencv_tuned", "inference_pipeline", "opencv_tuned_grab", "inference_pipeline_tuned",
            )
        },
        "throughput_of_bare_parts": ratio("bare"),
        "analysed_per_cpu_s": {side: median(side, "per_cpu_s") for side in sorted(names)},
        "wall_s": {side: median(side, "wall_s") for side in sorted(names) if "wall_s" in rounds[0][side]},
        "boxes": {side: [rounds[-1][side][key] for key in ("boxes", "sure_boxes")] for side in sorted(names)},
        "ours_cpu_ms_per_frame": breakdown(profiled),
        "bare_cpu_ms_per_frame": {
            part: round(statistics.median(run["parts"][part] * 1000 / run["analysed"] for run in bare), 3)
            for part in ("decode", "convert", "run")
        },
        "cameras": len(SCENES["street"]),
        "analysed": rounds[-1]["ours"]["analysed"],
        "decoded": rounds[-1]["ours"]["decoded"],
        "rounds": len(rounds),
        "inference_package": PACKAGE if "inference_pipeline" in names else None,
        "load_average_before_and_after": [round(load_before[0], 2), round(os.getloadavg()[0], 2)],
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
