"""The bundled detector on the four sets that it is held to, beside the reference detectors on the same pictures.

    python -m tests.benchmarks.detector [--model DIR] [--no-reference] [--data ../shared/data]

Person AP50 on vtest, ADL-Rundle-6, CAVIAR and COCO, every class on COCO, false people in pictures without people, and
the milliseconds of one thread. An int8 model is taken along where a folder NAME-int8 lies beside the model's. Machines
differ and are shared, so CPU time is given too, and as a share of YOLOX-nano's; the detectors take turns, frame by
frame. The references are adopted as a person would do it, with the floors and operating points of their families. Kept
in docs/benchmarks only for the bundled model with its references.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import cv2
from rich.console import Console
from rich.table import Table

from models.detector.latency import Latency, latencies
from models.detector.yardsticks import ADL, CAVIAR, COCO, VTEST, YOLOX_NANO, evaluation_sets, reference_folders
from models.scores import ClassScore, score
from streamer.detect import OnnxDetector, load_detector
from streamer.errors import StreamerError
from streamer.model_folder import GRAPH_FILE
from streamer.zoo import bundled_model
from tests.benchmarks.report import report

SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
AP50_WANTED = {
    (VTEST, "person"): 0.82,
    (ADL, "person"): 0.63,
    (CAVIAR, "person"): 0.82,
    (COCO, "person"): 0.35,
    (COCO, "car"): 0.25,
}
FALSE_PEOPLE_WANTED = 0.05
MS_WANTED = {"fp32": 5.0, "int8": 3.0}

Scores = Mapping[str, Mapping[str, ClassScore]]


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a model folder (default: the bundled one)")
    parser.add_argument("--reference", action=argparse.BooleanOptionalAction, default=True, help="YOLOX-nano and "
                        "FastestDet too")  # fmt: skip
    parser.add_argument("--data", type=Path, default=SHARED_DATA, help="the shared data folder")
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="streamer-detector-") as scratch:
        try:
            bundled = bundled_model().resolve()
            model = (args.model or bundled).resolve()
            folders = _ours(model) | (reference_folders(args.data, Path(scratch)) if args.reference else {})
            values = measure(folders, args.data)
        except StreamerError as error:
            print(error, file=sys.stderr)
            return error.exit_code
    report("detector", {"model": model.name, **values}, keep=args.keep and args.reference and model == bundled)
    return 0


def measure(folders: Mapping[str, Path], data: Path) -> dict[str, object]:
    """Every figure of every detector, one thread; the table is printed on the way. Raises StreamerError."""
    detectors = {name: load_detector(folder, threads=1) for name, folder in folders.items()}
    sets = evaluation_sets(data)
    ms = latencies(detectors, [shot.image for shot in islice(iter(sets[VTEST]), 16)], rounds=150)
    scores: dict[str, Scores] = {
        name: {title: score(each, shots, progress=f"{name}: {title}") for title, shots in sets.items()}
        for name, each in detectors.items()
    }
    _print(detectors, scores, ms)
    yolox = ms.get(YOLOX_NANO)
    return {
        "pictures": {title: len(shots) for title, shots in sets.items()},
        "detectors": {
            name: {
                "input": list(each.input_fit.canvas_wh),
                "bytes": (folders[name] / GRAPH_FILE).stat().st_size,
                "sha256": each.model_hash,
                "sets": {
                    title: {label: figures.as_json() for label, figures in by_class.items()}
                    for title, by_class in scores[name].items()
                },
                "ms_run": round(ms[name].run_ms, 3),
                "ms_detect": round(ms[name].detect_ms, 3),
                "ms_run_cpu": round(ms[name].run_cpu_ms, 3),
                "run_cpu_share_of_yolox_nano": round(ms[name].run_cpu_ms / yolox.run_cpu_ms, 3) if yolox else None,
            }
            for name, each in detectors.items()
        },
    }


def _ours(folder: Path) -> dict[str, Path]:
    """The model, and its int8 twin where there is one."""
    twin = folder.with_name(f"{folder.name}-int8")
    return {folder.name: folder} | ({twin.name: twin} if twin.is_dir() else {})


def _print(detectors: Mapping[str, OnnxDetector], scores: Mapping[str, Scores], ms: Mapping[str, Latency]) -> None:
    table = Table("", "wanted", *detectors, title="One CPU thread", title_justify="left")
    ours = scores[next(iter(scores))]
    for title, by_class in ours.items():
        for label, figures in by_class.items():
            wanted = AP50_WANTED.get((title, label))
            row = [scores[name][title].get(label) for name in detectors]
            table.add_row(
                f"{title}: {label} AP50 ({figures.true_boxes})",
                f"≥ {wanted}" if wanted else "",
                *("–" if each is None else _written(each.ap50) for each in row),
            )
    people = [scores[name][COCO].get("person") for name in detectors]
    table.add_row(
        f"{COCO}: false people per picture without any",
        f"≤ {FALSE_PEOPLE_WANTED}",
        *("–" if each is None else _written(each.false_per_empty_picture) for each in people),
    )
    wanted_ms = ", ".join(f"{precision} ≤ {limit:g}" for precision, limit in MS_WANTED.items())
    table.add_row("ms per frame in the net", wanted_ms, *(f"{ms[name].run_ms:.2f}" for name in detectors))
    table.add_row("of that, CPU time", "", *(f"{ms[name].run_cpu_ms:.2f}" for name in detectors))
    table.add_row("ms per frame, all of detect()", "", *(f"{ms[name].detect_ms:.2f}" for name in detectors))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _written(figure: float) -> str:
    return "–" if math.isnan(figure) else f"{figure:.3f}"


if __name__ == "__main__":
    sys.exit(main())
