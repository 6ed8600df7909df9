"""`streamer models adopt`: a model folder from a bare ONNX file."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import get_args

from streamer.artifacts import LayoutName
from streamer.detect.adopt import NORMALISATIONS, Wishes, adopt
from streamer.errors import ConfigError


def add_action(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this action beside the others."""
    parser = actions.add_parser(
        "adopt",
        help="write a model folder for an ONNX file of a known layout",
        description="Reads shapes, types and class count from the graph, takes preprocessing from the family's "
        "published code, proves both by a run, and writes the folder whole or not at all. Check the result on your own "
        "footage: no graph says which channel order or normalisation it was trained with.",
    )
    parser.add_argument("file", type=Path, metavar="FILE.onnx")
    parser.add_argument("--layout", required=True, choices=get_args(LayoutName), help="the family it belongs to")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the new folder; must not exist")
    parser.add_argument(
        "--labels",
        default="coco",
        metavar="FILE|coco",
        help="class names, one per line in order of class id (default coco)",
    )
    parser.add_argument("--name", help="what metrics and alerts call it (default: the file's name)")
    parser.add_argument("--licence", default="unknown", help="under which the weights may be used")
    parser.add_argument(
        "--size", type=_size, metavar="WxH", help="input size in pixels, where the graph leaves it free"
    )
    parser.add_argument("--channels", choices=("RGB", "BGR"), help="overrules the family's channel order")
    parser.add_argument(
        "--normalise", choices=NORMALISATIONS, help="pixels as 0-255, as 0-1, or by ImageNet's mean and deviation"
    )
    parser.add_argument("--min-score", type=float, help="leave out what scores less (default: the family's)")
    parser.add_argument("--track-score", type=float, help="default operating point (default: the family's)")
    parser.set_defaults(handler=_adopt)


def _adopt(args: argparse.Namespace) -> int:
    wishes = Wishes(
        labels=None if args.labels == "coco" else _labels_from(Path(args.labels)),
        name=args.name,
        licence=args.licence,
        size=args.size,
        normalise=args.normalise,
        channels=args.channels,
        min_score=args.min_score,
        track_score=args.track_score,
    )
    artifact = adopt(args.file, args.layout, args.out, wishes)
    m = artifact.manifest
    named = sum(bool(label) for label in m.labels)
    size = f"{m.input.size[0]}×{m.input.size[1]}"
    print(f"{artifact.folder}: {m.name}, layout {m.layout}, {size} {m.input.channels}, {named} labels")
    print(f"  look at it: streamer models show {artifact.folder}")
    return 0


def _labels_from(path: Path) -> tuple[str, ...]:
    """One name per line; an empty line is a class id that never comes out."""
    try:
        return tuple(line.strip() for line in path.read_text(encoding="utf-8").rstrip().splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"--labels: {path} cannot be read ({error}); expected one class name per line"]) from error


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)[x×](\d+)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"should be WIDTHxHEIGHT in pixels, as 640x480; got '{text}'")
    return int(match[1]), int(match[2])
