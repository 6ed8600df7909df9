"""The behaviour heads on the footage that they are held to: classes, surprise and fights.

    python -m tests.benchmarks.behaviour_scores [--data ../shared/data]

CAVIAR val in windows of one second, on true tracks and on those of the bundled detector; surv_fight val, clip by clip,
split by source. It is what `python -m models.behaviour.evaluate` measures, in one JSON object.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2

from models.behaviour import scene_card, track_card
from models.behaviour.evaluate import SCENE_HEAD, TRACK_HEAD
from models.behaviour.scene_evaluate import evaluate_fights
from models.behaviour.track_evaluate import evaluate_found_tracks, evaluate_tracks
from streamer.errors import StreamerError
from streamer.zoo import bundled_model, zoo_folder
from tests.benchmarks.report import report

SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
WANTED = {**track_card.ASKED, **scene_card.ASKED}
TOLD = ("windows", "context_macro_f1", "movement_macro_f1", "behaviour_macro_f1", "anomaly_auc", "anomaly_auc_of",
        "context_f1", "movement_f1", "behaviour_f1")  # fmt: skip


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED_DATA, help="the shared data folder")
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    caviar, zoo = args.data / "caviar", zoo_folder()
    try:
        truth = evaluate_tracks(caviar, zoo / TRACK_HEAD, "val").as_json()
        found = evaluate_found_tracks(caviar, zoo / TRACK_HEAD, bundled_model(), "val").as_json()
        fights = evaluate_fights(args.data / "surv_fight", zoo / SCENE_HEAD)
    except StreamerError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    values: dict[str, object] = {
        "wanted": WANTED,
        "true_tracks": {name: truth[name] for name in TOLD},
        "detected_tracks": {name: found[name] for name in TOLD},
        "fights": {name: value for name, value in fights.items() if name not in ("fight_machine", "fight_scores")},
    }
    report("behaviour_scores", values, keep=args.keep)
    return 0


if __name__ == "__main__":
    sys.exit(main())
