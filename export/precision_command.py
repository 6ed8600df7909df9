"""`python -m export fp16 | int8`: a float32 model folder in fewer bits, proved (see `precision`).

What needs the tools of ONNX is imported when a command runs: asking for help needs none of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from streamer.artifacts import Artifact, load_artifact
from streamer.demo.street import Street
from streamer.demo.views import VIEWS
from streamer.detect import load_detector
from streamer.detect.canvas import letterbox
from streamer.errors import ArtifactError, ConfigError
from streamer.fit import InputFit

if TYPE_CHECKING:
    from export.parity import Parity, Task

METHODS = ("minmax", "percentile", "entropy")
_LEAST_PICTURES = 8
_LEAST_TRUE_BOXES = 20
_PROOF_PICTURES = 24
_console = Console(stderr=True)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put `fp16` and `int8` beside the other subcommands."""
    fp16 = commands.add_parser(
        "fp16",
        help="a float32 model folder in half precision, for GPUs",
        description="Weights and feature maps in half precision; boxes and scores are still computed in float32. "
        "On processors ONNX Runtime gains nothing from it.",
    )
    _common(fp16)
    fp16.add_argument(
        "--pictures",
        type=Path,
        nargs="+",
        default=[],
        metavar="PICTURES",
        help="folders, pictures, videos on which both are compared (default: those of --data, else drawn streets)",
    )
    fp16.set_defaults(handler=_fp16)

    int8 = commands.add_parser(
        "int8",
        help="a float32 model folder in int8, for processors",
        description="Eight-bit feature maps and weights, calibrated on pictures like those that the cameras will send; "
        "boxes and scores are still computed in float32. Every fourth picture is kept for the proof.",
    )
    _common(int8)
    int8.add_argument(
        "--calibrate",
        type=Path,
        nargs="+",
        required=True,
        metavar="PICTURES",
        help="folders of pictures, or videos, of the kind of view that the net will watch",
    )
    int8.add_argument("--count", type=int, default=128, help="how many pictures to take of them (default %(default)s)")
    int8.add_argument(
        "--method",
        choices=METHODS,
        help="how ranges are chosen from what was seen (default: all are tried, the closest wins)",
    )
    int8.set_defaults(handler=_int8)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a model folder of precision fp32")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the new folder; must not exist")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="COCO_FOLDER",
        help="labelled pictures (annotations.json, images/) on which the drop of AP50 is measured",
    )
    parser.add_argument("--split", help="of --data, take this split only")


def _fp16(args: argparse.Namespace) -> int:
    from export.calibration import canvases
    from export.limits import FP16
    from export.precision import Proof, convert_to_fp16

    reference = _fp32(args.folder, args.out)
    fit = reference.manifest.input.fit
    sources = args.pictures or ([args.data] if args.data else [])
    with _console.status("reading pictures"):
        pictures = canvases(sources, fit, _PROOF_PICTURES) if sources else _drawn(fit)
    with _console.status("converting and proving"):
        proof = Proof(pictures=pictures, limits=FP16, task=_task(args))
        _report(reference, *convert_to_fp16(reference, proof, args.out))
    return 0


def _int8(args: argparse.Namespace) -> int:
    from export.calibration import Method, canvases
    from export.limits import INT8
    from export.precision import Proof, convert_to_int8

    if args.count < _LEAST_PICTURES:
        raise ConfigError(
            [f"--count must be {_LEAST_PICTURES} or more: some calibrate, some are for the proof; got {args.count}"]
        )
    reference = _fp32(args.folder, args.out)
    with _console.status("reading pictures"):
        pictures = canvases(args.calibrate, reference.manifest.input.fit, args.count)
    if len(pictures) < _LEAST_PICTURES:
        raise ConfigError(
            [f"--calibrate: only {len(pictures)} picture{'s' * (len(pictures) != 1)} there; {_LEAST_PICTURES} at least"]
        )
    kept = pictures[3::4]
    used = [picture for i, picture in enumerate(pictures) if i % 4 != 3]
    with _console.status(f"calibrating on {len(used)} pictures and proving on {len(kept)}"):
        proof = Proof(pictures=kept, limits=INT8, task=_task(args))
        method = Method(args.method) if args.method else None
        _report(reference, *convert_to_int8(reference, used, proof, args.out, method))
    return 0


def _fp32(folder: Path, out: Path) -> Artifact:
    """The folder to start from; what would fail in the end fails now."""
    reference = load_artifact(folder)
    if reference.manifest.precision != "fp32":
        raise ArtifactError(
            f"{folder}: is {reference.manifest.precision} already; name the fp32 folder it was made from"
        )
    if out.exists():
        raise ArtifactError(f"{out}: exists already and is not overwritten; name another folder or remove it first")
    return reference


def _drawn(fit: InputFit) -> list[NDArray[np.uint8]]:
    """Pictures that are always at hand: the demo's street."""
    views = [Street(view, seed) for seed in (1, 2) for view in VIEWS.values()]
    return [letterbox(street.frame_and_truth(at_s)[0], fit)[0] for street in views for at_s in (5.0, 15.0, 25.0, 35.0)]


def _task(args: argparse.Namespace) -> Task | None:
    if args.data is None:
        return None
    # The evaluator belongs to training's side of the house, and takes seconds to import.
    from models.scores import score
    from models.sets import coco_folder

    shots = coco_folder(args.data, args.split)

    def ap50(folder: Path) -> dict[str, float]:
        scores = score(load_detector(folder), shots)
        # A handful of boxes carries no figure: one of them would decide the verdict.
        counted = {label: each for label, each in scores.items() if each.true_boxes >= _LEAST_TRUE_BOXES} or scores
        return {label: each.ap50 for label, each in counted.items()}

    return ap50


def _report(reference: Artifact, made: Artifact, parity: Parity) -> None:
    ms, m = made.manifest.metrics["run_cpu_ms_one_thread"], made.manifest
    assert isinstance(ms, dict)
    sizes = [each.graph_path.stat().st_size / 1e6 for each in (reference, made)]
    print(f"{made.folder}: {m.name}, {m.precision}, {sizes[1]:.2f} MB (fp32 {sizes[0]:.2f} MB)")
    print(f"  processor time of one run here: {ms[m.precision]:.1f} ms (fp32 {ms['fp32']:.1f} ms)")
    if parity.objects:
        print(
            f"  {parity.objects} shown boxes: {parity.partner_share:.1%} have a partner of IoU {parity.partner_iou:g}, "
            f"mean IoU {parity.mean_partner_iou:.4f}, scores differ by {parity.mean_score_difference:.4f}"
        )
    else:
        _console.print("[yellow]warning:[/] nothing was shown in the pictures: the second tier proves nothing about it")
    if parity.task:
        print(f"  AP50 drops by {parity.ap50_drop:.4f} in the mean over {len(parity.task[0])} classes")
    else:
        _console.print("[yellow]warning:[/] no labelled pictures (--data): the drop of AP50 was not measured")
