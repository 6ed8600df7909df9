"""How well a model folder detects on labelled pictures, and how fast.

    python -m models.detector.evaluate --model DIR --data FOLDER [--split val] [--merge vehicle=car,bus,truck]
    python -m models.detector.evaluate --model DIR --video clip.mp4 --truth gt.txt [--scale 0.625] [--every 6]

FOLDER holds annotations.json (COCO form) and images/; gt.txt has MOTChallenge columns, and its boxes × scale are pixels
of the video. Any model folder will do, ours or an adopted one (`streamer models adopt`). Prints a table; --json FILE
keeps {"ap50": {class: …}, "ap": {…}, "ms": {threads: …}, …}, where null is a figure that has no meaning: a class that
the set does not hold, or that the model does not have. Exit code 0 done, 2 wrong arguments, 3 a model or a set that
cannot be trusted.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import cv2
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.detector.curves import SUFFIXES, draw, require_matplotlib
from models.detector.latency import Latency, latencies, machine
from models.scores import ClassScore, curves_of, figures
from models.sets import Shots, coco_folder, mot_video
from streamer.artifacts import load_artifact
from streamer.detect import load_detector
from streamer.errors import ArtifactError, ConfigError, StreamerError

_PICTURES_TIMED = 16
_BUSY = 1.3


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate one folder; returns the exit code."""
    args = _asked(arguments)
    cv2.setNumThreads(1)  # its pool would compete with the net's
    try:
        _run(args)
    except ConfigError as error:
        print("\n".join(f"evaluate: {problem}" for problem in error.problems), file=sys.stderr)
        return error.exit_code
    except StreamerError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def _run(args: argparse.Namespace) -> None:
    shots, where = _set(args)
    merge = _merges(args.merge)
    _check_outputs(args)
    manifest = load_artifact(args.model).manifest
    detectors = {n: load_detector(args.model, threads=n) for n in args.threads}
    detector = detectors[max(args.threads)]
    detector.warm_up()
    curves = curves_of(detector, shots, merge, f"{manifest.name} on {where}")
    scores = figures(curves, detector, merge, args.score)
    images = [shot.image for shot in islice(iter(shots), _PICTURES_TIMED)]
    ms = latencies({str(n): each for n, each in detectors.items()}, images)
    title = f"{manifest.name} ({manifest.precision}, {manifest.input.size[0]}×{manifest.input.size[1]}) on {where}"
    _print(f"{title}, {len(shots)} pictures", scores, ms, shots.notes)
    if args.picture:
        draw(curves, scores, title, args.picture)
    if args.json:
        told = as_json(scores, ms) | {
            "model": {"name": manifest.name, "precision": manifest.precision, "sha256": manifest.sha256},
            "input": list(manifest.input.size),
            "set": where,
            "pictures": len(shots),
            "merged": {coarse: list(labels) for coarse, labels in merge.items()},
            "notes": list(shots.notes),
            "machine": machine(),
            "date": datetime.now(UTC).date().isoformat(),
        }
        _write(args.json, json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def as_json(scores: Mapping[str, ClassScore], ms: Mapping[str, Latency]) -> dict[str, object]:
    """Figure → class → number or null; ms, ms_detect by threads, and ms_cpu of one thread (see Latency)."""
    by_class = {name: each.as_json() for name, each in scores.items()}
    of: dict[str, object] = {
        key: {name: each[key] for name, each in by_class.items()} for key in ClassScore.__dataclass_fields__
    }
    return of | {
        "ms": {threads: round(each.run_ms, 3) for threads, each in ms.items()},
        "ms_detect": {threads: round(each.detect_ms, 3) for threads, each in ms.items()},
        "ms_cpu": {threads: round(each.run_cpu_ms, 3) for threads, each in ms.items() if threads == "1"},
    }


def _set(args: argparse.Namespace) -> tuple[Shots, str]:
    if args.data:
        shots = coco_folder(args.data, args.split, args.labelled)
        return shots, f"{args.data.resolve().name}{f' {args.split}' if args.split else ''}"
    return mot_video(args.video, args.truth, args.scale, args.label, args.every), args.video.name


def _merges(given: Sequence[tuple[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    """Coarse name → labels; a label that goes to two names goes nowhere."""
    merge: dict[str, tuple[str, ...]] = {}
    home: dict[str, str] = {}
    for coarse, labels in given:
        merge[coarse] = (*merge.get(coarse, ()), *labels)
        for label in (coarse, *labels):
            if home.setdefault(label.casefold(), coarse) != coarse:
                raise ConfigError([f"--merge: '{label}' cannot be both '{home[label.casefold()]}' and '{coarse}'"])
    return merge


def _check_outputs(args: argparse.Namespace) -> None:
    """What would fail at the end, told at the start."""
    problems = [
        f"--{name}: {file} cannot be written: {'it is' if file.is_dir() else f'{file.parent} is not'} a folder"
        for name, file in (("json", args.json), ("picture", args.picture))
        if file and (file.is_dir() or not file.parent.is_dir())
    ]
    if args.picture and args.picture.suffix.lower() not in SUFFIXES:
        problems.append(f"--picture: {args.picture.name} should end in {', '.join(SUFFIXES)}")
    if problems:
        raise ConfigError(problems)
    if args.picture:
        require_matplotlib()


def _print(title: str, scores: Mapping[str, ClassScore], ms: Mapping[str, Latency], notes: Sequence[str]) -> None:
    table = Table(title=escape(title), title_justify="left")
    table.add_column("class")
    for heading in ("AP50", "AP50:95", "precision", "recall", "at score", "best F1", "at score", "true boxes",
                    "false / empty picture"):  # fmt: skip
        table.add_column(heading, justify="right")
    for name, s in scores.items():
        shown = (s.ap50, s.ap, s.precision, s.recall, s.chosen_score, s.best_f1, s.best_f1_score)
        false = f"{_written(s.false_per_empty_picture)} ({s.empty_pictures})"
        table.add_row(escape(name), *map(_written, shown), str(s.true_boxes), false)
    # A pipe has no width: numbers must not be cut for it.
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    for threads, each in ms.items():
        one = threads == "1"
        print(
            f"{threads} thread{'' if one else 's'}: {each.run_ms:.2f} ms per frame in the net"
            f"{f' ({each.run_cpu_ms:.2f} of CPU time)' if one else ''}, {each.detect_ms:.2f} in all of detect()"
        )
        if one and each.run_ms > _BUSY * each.run_cpu_ms:
            print("note: others used the processor meanwhile, so the CPU time is the better figure")
    for name, s in scores.items():
        if math.isnan(s.chosen_score):
            print(f"note: the model has no class '{name}': its {s.true_boxes} true boxes are not found")
        elif not s.true_boxes:
            print(f"note: the set holds no '{name}': only what was found in its place is counted")
    for note in notes:
        print(f"note: {note}")


def _written(figure: float) -> str:
    return "–" if math.isnan(figure) else f"{figure:.3f}"


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ArtifactError(f"{file}: cannot be written: {error.strerror or error}") from error


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m models.detector.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help="a model folder")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", type=Path, metavar="FOLDER", help="annotations.json in COCO form, and images/")
    what.add_argument("--video", type=Path, metavar="FILE", help="a recording; needs --truth")
    parser.add_argument("--split", help="with --data: only pictures whose `split` says so")
    parser.add_argument("--labelled", type=_names, metavar="A,B",
                        help="with --data: only these classes are labelled in it, whatever its categories promise; "
                        "others are not judged")  # fmt: skip
    parser.add_argument("--truth", type=Path, metavar="FILE", help="with --video: MOTChallenge columns")
    parser.add_argument("--scale", type=_above_0, default=1.0, help="video pixels per truth pixel (default 1)")
    parser.add_argument("--every", type=_at_least_1, default=1, metavar="N", help="every Nth frame, from the first")
    parser.add_argument("--label", default="person", help="what the truth's boxes are (default %(default)s)")
    parser.add_argument("--merge", type=_merge, action="append", default=[], metavar="NAME=A,B",
                        help="judge labels A and B, of model and truth, as one class NAME; repeatable")  # fmt: skip
    parser.add_argument("--score", type=_score, help="for precision and recall (default: the manifest's, per class)")
    parser.add_argument("--threads", type=_threads, default=(1,), metavar="1,2", help="thread counts to time "
                        "(default 1); pictures are judged with the highest")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="draw precision over recall there")
    args = parser.parse_args(arguments)
    if args.video and not args.truth:
        parser.error("--video needs --truth")
    if args.data and args.truth:
        parser.error("--truth belongs to --video")
    if args.video and (args.split or args.labelled):
        parser.error("--split and --labelled belong to --data")
    return args


def _merge(text: str) -> tuple[str, tuple[str, ...]]:
    name, equals, labels = text.partition("=")
    if not equals or not name.strip():
        raise argparse.ArgumentTypeError(f"should be NAME=LABEL,LABEL, as vehicle=car,bus,truck; got '{text}'")
    return name.strip(), _names(labels)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(each.strip() for each in text.split(",") if each.strip())
    if not names:
        raise argparse.ArgumentTypeError(f"should be class names, parted by commas; got '{text}'")
    return names


def _threads(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(_at_least_1(each) for each in text.split(",")))


def _at_least_1(text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"should be a whole number from 1 on; got '{text}'")
    return int(text)


def _above_0(text: str) -> float:
    if not 0 < (number := _number(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"should be a number above 0; got '{text}'")
    return number


def _score(text: str) -> float:
    if not 0 <= (number := _number(text)) <= 1:
        raise argparse.ArgumentTypeError(f"should be a number from 0 to 1; got '{text}'")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


if __name__ == "__main__":
    sys.exit(main())
