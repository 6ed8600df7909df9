"""How well the behaviour heads do on labelled footage.

    python -m models.behaviour.evaluate --caviar FOLDER [--tracks truth|detected] [--fights FOLDER] [--json OUT]

CAVIAR-like folders hold objects.csv.gz, groups.csv.gz, split.json and, for --tracks detected, clips.csv with clips/;
folders of fights hold clips.csv (file, label, source, split) and the clips. The heads run as the service runs them.
Windows are one second of a track: the label is the most frequent one in it, the answer what the head says at its last
step. A clip's answer is what the head says at its end. --pictures FOLDER gets confusion matrices, ROC and reliability.
Exit code 0 done, 2 wrong arguments, 3 a head or a set that cannot be trusted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import cv2
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.behaviour.pictures import draw_track_pictures
from models.behaviour.track_evaluate import Evaluation, evaluate_found_tracks, evaluate_tracks
from models.behaviour.windows import LABEL_OF
from models.detector.curves import require_matplotlib
from models.detector.latency import machine
from streamer.errors import ConfigError, StreamerError
from streamer.zoo import bundled_model, zoo_folder

TRACK_HEAD, SCENE_HEAD = "gait", "brawl"


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate; returns the exit code."""
    args = _asked(arguments)
    cv2.setNumThreads(1)
    try:
        told = _run(args)
        if args.json:
            about = {"machine": machine(), "date": datetime.now(UTC).date().isoformat()}
            args.json.parent.mkdir(parents=True, exist_ok=True)
            args.json.write_text(json.dumps({**told, **about}, indent=2) + "\n", encoding="utf-8")
    except ConfigError as error:
        print("\n".join(f"evaluate: {problem}" for problem in error.problems), file=sys.stderr)
        return error.exit_code
    except StreamerError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"evaluate: {args.json} cannot be written: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _run(args: argparse.Namespace) -> dict[str, object]:
    if args.pictures:
        require_matplotlib()
    console, told = Console(stderr=True), {}

    def tell(line: str) -> None:
        console.print(escape(line), soft_wrap=True)

    if args.caviar:
        head = args.head or zoo_folder() / TRACK_HEAD
        if args.tracks == "truth":
            found = evaluate_tracks(args.caviar, head, args.split, tell)
        else:
            found = evaluate_found_tracks(args.caviar, head, args.detector or bundled_model(), args.split, tell)
        _print(found, f"{head.name} on {args.caviar.name} {args.split}, {args.tracks} tracks")
        told |= found.as_json()
        if args.pictures:
            draw_track_pictures(found.windows, f"{head.name}, {args.tracks} tracks", args.pictures)
    if args.fights:
        # Only here: the other half must not need what pictures of fights need.
        from models.behaviour.scene_evaluate import evaluate_fights

        told |= evaluate_fights(args.fights, args.scene_head or zoo_folder() / SCENE_HEAD)
        print(f"fights: AUC {told['fight_auc']:.3f}, accuracy {told['fight_accuracy']:.3f}")
    return told


def _print(found: Evaluation, title: str) -> None:
    scores = found.scores
    table = Table("", "macro-F1", "accuracy", "F1 by class", title=title, title_justify="left")
    for head, value in scores.macro_f1.items():
        by_class = ", ".join(f"{name} {f1:.2f}" for name, f1 in scores.f1[head].items())
        table.add_row(LABEL_OF[head], f"{value:.3f}", f"{scores.accuracy[head]:.3f}", by_class)
    by_kind = ", ".join(f"{name} {value:.2f}" for name, value in scores.anomaly_auc_of.items())
    table.add_row("anomaly", f"AUC {scores.anomaly_auc:.3f}", "", by_kind)
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    print(f"{scores.windows} windows of one second")


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--caviar", type=Path, metavar="FOLDER", help="tracks to judge the track head on")
    parser.add_argument("--fights", type=Path, metavar="FOLDER", help="clips to judge the scene head on")
    parser.add_argument("--tracks", choices=("truth", "detected"), default="truth", help="(default %(default)s)")
    parser.add_argument("--split", default="val", help="of split.json (default %(default)s)")
    parser.add_argument("--head", type=Path, help="a track head's folder (default: the bundled one)")
    parser.add_argument("--scene-head", type=Path, help="a scene head's folder (default: the bundled one)")
    parser.add_argument("--detector", type=Path, help="a model folder (default: the bundled one)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="file for the figures")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="folder for pictures")
    args = parser.parse_args(arguments)
    if not args.caviar and not args.fights:
        parser.error("nothing to evaluate: give --caviar FOLDER, --fights FOLDER or both")
    for folder in filter(None, (args.caviar, args.fights)):
        if not folder.is_dir():
            parser.error(f"{folder} is no folder")
    return args


if __name__ == "__main__":
    sys.exit(main())
