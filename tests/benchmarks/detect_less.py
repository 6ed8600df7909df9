"""What looking at more, or at less, of the pictures gains and costs, option by option, beside the plain detector.

    python -m tests.benchmarks.detect_less [--only tiles,easy,motion,second_look] [--data ../shared/data]

Every frame goes through all sides in turn, in one run on one thread. cpu_ratio: the thread's CPU time inside detect(),
the conversion of full-size pictures included (still pictures are RGB already), over the plain detector's. looks:
pictures that the net saw, per frame. Averages of precision and recall are of labelled boxes at IoU 0.5 (small: √area
below 24 input pixels in the whole look), recall and precision at the model's operating point; tracks are those of the
service's tracker. What was chosen on which footage is in docs/detect_less.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import cv2
from rich.console import Console
from rich.table import Table

from models.sets import coco_folder
from streamer.assembly.regions import looking
from streamer.config import Config
from streamer.detect import OnnxDetector, load_detector
from streamer.stages import Detector, nothing
from streamer.types import Detections, Frame
from streamer.zoo import bundled_model
from tests.benchmarks.detect_less_classifier import fit_classifier
from tests.benchmarks.detect_less_tracks import TrackJudge
from tests.benchmarks.detect_less_truth import CAMERA, Judge, Watched, caviar_people, mot_truth, of_pictures, of_video
from tests.benchmarks.report import report

SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
LABELS = ("person", "bicycle", "car", "motorcycle", "bus", "truck")
OFF = "off"
BELOW = 0.5
Footage = Callable[[], Iterator[Watched]]
Options = Mapping[str, object]


class Counted:
    """The plain detector, and how many pictures it saw."""

    def __init__(self, inner: OnnxDetector) -> None:
        self._inner, self.labels, self.input_fit = inner, inner.labels, inner.input_fit
        self.pictures = 0

    def detect(self, frames: Sequence[Frame], before_run: Callable[[], None] = nothing) -> list[Detections]:
        """As the detector does."""
        self.pictures += len(frames)
        return self._inner.detect(frames, before_run)


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="tiles,easy,motion,second_look", help="options, by comma")
    parser.add_argument("--data", type=Path, default=SHARED_DATA, help="the shared data folder")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    detector = load_detector(bundled_model())
    detector.warm_up()
    parts = {"tiles": tiles, "easy": easy, "motion": motion, "second_look": second_look}
    chosen = asked.only.split(",")
    told = {name: parts[name](detector, asked.data) for name in chosen}
    report("detect_less", {"model": detector.model_name, **told}, keep=set(chosen) == set(parts))


def tiles(detector: OnnxDetector, data: Path) -> dict[str, object]:
    """Small objects; two grids."""
    sides = {
        "1×2": {"regions": "tiles", "tiles": [1, 2]},
        "2×2": {"regions": "tiles", "tiles": [2, 2]},
    }
    fit, detection = detector.input_fit, data / "detection"
    sets: dict[str, Footage] = {
        "traffic_atl valid (chosen on)": lambda: of_pictures(
            coco_folder(detection / "traffic_atl", "valid"), fit, ("car", "bus", "truck")
        ),
        "COCO val (chosen on)": lambda: of_pictures(
            coco_folder(detection / "coco128x2", "val", labelled=LABELS), fit, LABELS
        ),
        **_videos(detector, data, adl_every=6, vtest_every=2),
    }
    return {name: compare(f"tiles: {name}", detector, footage, sides) for name, footage in sets.items()}


def easy(detector: OnnxDetector, data: Path) -> dict[str, object]:
    """Skipped frames, at the usual rate and at a higher one."""
    sides = {
        "still": {"skip_easy": {"frames": "still"}},
        "followed": {"skip_easy": {"frames": "followed"}},
    }
    sets = {
        "CAVIAR val, 12.5 fps": _caviar(detector, data, 2),
        "CAVIAR val, 5 fps": _caviar(detector, data, 5),
        **{f"{name}, 10 fps": each for name, each in _videos(detector, data, adl_every=3, vtest_every=1).items()},
        **{f"{name}, 5 fps": each for name, each in _videos(detector, data, adl_every=6, vtest_every=2).items()},
    }
    return {name: compare(f"easy: {name}", detector, footage, sides) for name, footage in sets.items()}


def motion(detector: OnnxDetector, data: Path) -> dict[str, object]:
    """Crops of what moved."""
    sides = {"motion": {"regions": "motion"}}
    sets = {
        "CAVIAR val, 5 fps": _caviar(detector, data, 5),
        **{f"{name}, 5 fps": each for name, each in _videos(detector, data, adl_every=6, vtest_every=2).items()},
    }
    return {name: compare(f"motion: {name}", detector, footage, sides) for name, footage in sets.items()}


def second_look(detector: OnnxDetector, data: Path) -> dict[str, object]:
    """A tiny classifier of doubtful cars, fitted to the detector's own mistakes on the training half."""
    traffic, fit = data / "detection" / "traffic_atl", detector.input_fit
    with tempfile.TemporaryDirectory(prefix="streamer-detect-less-") as scratch:
        folder = Path(scratch) / "car-or-not"
        learned = fit_classifier(
            detector, of_pictures(coco_folder(traffic, "train"), fit, ("car",)), "car", BELOW, folder
        )
        sides = {"second look": {"second_look": {"model": str(folder), "labels": ["car"], "below": BELOW}}}
        name = "traffic_atl valid, cars"
        told = compare(
            f"second look: {name}",
            detector,
            lambda: of_pictures(coco_folder(traffic, "valid"), fit, ("car",)),
            sides,
        )
    return {"learned_from_boxes": learned, name: told}


def compare(title: str, detector: OnnxDetector, footage: Footage, options: Mapping[str, Options]) -> dict[str, object]:
    """Every side's figures, by name; a table on the way."""
    plain: dict[str, Counted] = {name: Counted(detector) for name in (OFF, *options)}
    sides: dict[str, Detector] = {name: looking(_config(options.get(name, {})), plain[name]) for name in plain}
    score = detector.thresholds.track_score
    judges = {name: Judge(detector.input_fit) for name in sides}
    tracks = {name: TrackJudge(detector.labels, score) for name in sides}
    cpu_s, frames, has_tracks = dict.fromkeys(sides, 0.0), 0, False
    for watched in footage():
        frames += 1
        person = watched.truth.get("person")
        has_tracks = has_tracks or (person is not None and bool((person.ids >= 0).any()))
        for name, side in sides.items():
            began = time.thread_time()
            [found] = side.detect([watched.frame])
            cpu_s[name] += time.thread_time() - began
            judges[name].saw(watched, found)
            if person is not None and watched.truth.keys() == {"person"}:
                tracks[name].saw(watched, found)
    told: dict[str, dict[str, object]] = {
        name: {
            "cpu_ratio": round(cpu_s[name] / cpu_s[OFF], 3),
            "cpu_ms": round(1000 * cpu_s[name] / frames, 3),
            "looks": round(plain[name].pictures / frames, 3),
            **judges[name].figures(score),
            **(tracks[name].figures() if has_tracks else {}),
        }
        for name in sides
    }
    _print(f"{title} ({frames} frames)", told)
    return {"frames": frames, **told}


def _config(options: Options) -> Config:
    return Config.model_validate({"cameras": {CAMERA: {"url": "footage.mp4", "detect": dict(options)}}})


def _videos(detector: OnnxDetector, data: Path, adl_every: int, vtest_every: int) -> dict[str, Footage]:
    fit, adl = detector.input_fit, data / "tracking" / "adl_rundle6_f001-262"
    pets = data / "tracking" / "vtest_pets" / "gt_first69.txt"
    return {
        "ADL-Rundle-6": lambda: of_video(adl / "video_960x540.mp4", fit, mot_truth(adl / "gt.txt"), adl_every),
        # The truth is in pixels of the original 768×576.
        "vtest": lambda: of_video(data / "videos" / "vtest_480x360.mp4", fit, mot_truth(pets, 480 / 768), vtest_every),
    }


def _caviar(detector: OnnxDetector, data: Path, every: int) -> Footage:
    clips = caviar_people(data / "caviar", "val")
    return lambda: chain.from_iterable(of_video(video, detector.input_fit, boxes, every) for video, boxes in clips)


def _print(title: str, told: Mapping[str, Mapping[str, object]]) -> None:
    table = Table("", *told, title=title, title_justify="left")
    for key in told[OFF]:
        table.add_row(key, *(str(side[key]) for side in told.values()))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
