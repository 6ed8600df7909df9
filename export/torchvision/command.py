"""`python -m export torchvision NAME`: a detector of torchvision as a model folder that the service runs."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path

from rich.console import Console

from export.torchvision.known import KNOWN, Known
from streamer.artifacts import Artifact
from streamer.errors import ArtifactError, ConfigError

_STRIDE, _MOST_STRIDES = 32, 128
_TRACK_SCORE = 0.5


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "torchvision",
        help="a detector of torchvision, with its published weights or your own checkpoint",
        description="Exports the whole detector, its suppression included, proves that the graph finds what "
        "torchvision finds, and writes the folder whole or not at all.",
    )
    parser.add_argument("detector", metavar="NAME", choices=KNOWN, help=", ".join(KNOWN))
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--weights", metavar="COCO_V1", help="weights that torchvision publishes; fetched if not here")
    source.add_argument(
        "--checkpoint", type=Path, metavar="FILE.pth", help="a state_dict that torch.save wrote, bare or as 'model'"
    )
    source.add_argument("--random", action="store_true", help="random weights, to try out what comes after")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the new folder; must not exist")
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="class names of a checkpoint, one per line in order of class id; the background's line may be left out or "
        "empty (default: COCO's, where the checkpoint has as many classes)",
    )
    parser.add_argument("--size", type=_size, metavar="WxH", help="canvas, multiples of 32 px (default: the net's)")
    parser.add_argument("--score", type=_share, metavar="S", help="leave out what scores less (default 0.1, fcos 0.2)")
    parser.add_argument("--track-score", type=_share, metavar="S", help="what may start a track (default 0.5)")
    parser.add_argument("--name", type=_name, help="what metrics and alerts call it (default: NAME)")
    parser.add_argument("--licence", help="under which a checkpoint may be used (default: unknown)")
    parser.set_defaults(handler=_export)


def _export(args: argparse.Namespace) -> int:
    known = KNOWN[args.detector]
    canvas_wh = _canvas(known, args.size)
    floor = known.min_score if args.score is None else args.score
    if args.track_score is not None and args.track_score < floor:
        raise ConfigError([f"--track-score must be at least --score ({floor:g}); got {args.track_score:g}"])
    if args.weights and args.labels:
        raise ConfigError(["--labels goes with --checkpoint or --random; published weights have their labels"])
    if args.licence and not args.checkpoint:
        raise ConfigError(["--licence goes with --checkpoint; for published weights it is known"])
    if args.out.exists():  # said before the work, not only after it
        raise ArtifactError(
            f"{args.out}: exists already and is not overwritten; name another folder or remove it first"
        )

    # Only now: torch takes seconds to load, and may not be installed.
    from export.torchvision.folder import Wishes, write_folder
    from export.torchvision.sources import Source, from_chance, from_checkpoint, from_published

    source: Source
    with Console(stderr=True).status("reading the weights") as status:
        if args.weights:
            status.stop()  # a download shows its own progress
            source = from_published(known, args.weights, canvas_wh)
            status.start()
        elif args.checkpoint:
            source = from_checkpoint(known, args.checkpoint, args.labels, args.licence or "unknown", canvas_wh)
        else:
            source = from_chance(known, args.labels, canvas_wh)
        wishes = Wishes(
            name=args.name or known.name,
            canvas_wh=canvas_wh,
            min_score=floor,
            track_score=max(floor, _TRACK_SCORE) if args.track_score is None else args.track_score,
        )
        artifact = write_folder(known, source, wishes, args.out, status.update)
    _tell(artifact)
    return 0


def _tell(artifact: Artifact) -> None:
    m, parity = artifact.manifest, artifact.manifest.parity
    labels = sum(map(bool, m.labels))
    size_mb = artifact.graph_path.stat().st_size / 1e6
    w, h = m.input.size
    print(f"{artifact.folder}: {m.name}, layout {m.layout}, {w}×{h} RGB, {labels} labels, {size_mb:.1f} MB")
    print(
        f"  against torchvision on {parity['pictures']} drawn pictures: {parity['objects']} objects, worst partner IoU "
        f"{parity['worst_partner_iou']}, largest score difference {parity['largest_score_difference']}"
    )
    print(f"  look at it: streamer models show {artifact.folder}")


def _canvas(known: Known, size: tuple[int, int] | None) -> tuple[int, int]:
    if size is None or size == known.canvas_wh:
        return known.canvas_wh
    if known.is_fixed:
        w, h = known.canvas_wh
        raise ConfigError([f"--size: {known.name} is built for {w}x{h} alone, got {size[0]}x{size[1]}"])
    near = tuple(min(max(round(side / _STRIDE), 2), _MOST_STRIDES) * _STRIDE for side in size)
    if size != near:
        raise ConfigError(
            [
                f"--size: both must be multiples of {_STRIDE} from {2 * _STRIDE} to {_MOST_STRIDES * _STRIDE}; "
                f"got {size[0]}x{size[1]}, near it is {near[0]}x{near[1]}"
            ]
        )
    return size


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,4})[x×](\d{1,4})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"should be WIDTHxHEIGHT in pixels, as 640x384; got '{text}'")
    return int(match[1]), int(match[2])


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text):
        raise argparse.ArgumentTypeError(f"should be letters, digits, '.', '_', '-' (at most 100); got '{text}'")
    return text


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"should be a number from 0 to 1; got '{text}'")
    return value
