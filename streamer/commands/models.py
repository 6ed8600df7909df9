"""`streamer models`: look at model folders, prove them, and make one from a bare ONNX file."""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from typing import get_args

import numpy as np
from rich.console import Console
from rich.table import Table

from streamer.artifacts import MANIFEST_FILE, LayoutName, Manifest, load_artifact, read_manifest
from streamer.detect import OnnxDetector, load_detector
from streamer.detect.adopt import NORMALISATIONS, Wishes, adopt
from streamer.errors import ArtifactError, ConfigError
from streamer.types import Frame
from streamer.zoo import zoo_folder


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "models",
        help="list, show, verify model folders; adopt an ONNX detector that you already have",
        description="A model is a folder: model.onnx beside a manifest.json that says how to feed and read it.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="the model folders in a place (default: those that come with streamer)")
    listing.add_argument("places", type=Path, nargs="*", metavar="DIR", help="a folder of model folders")
    listing.set_defaults(handler=_list)

    show = actions.add_parser("show", help="what a model's manifest says")
    show.add_argument("folder", type=Path, metavar="FOLDER")
    show.add_argument("--json", action="store_true", help="the manifest itself, with every default filled in")
    show.set_defaults(handler=_show)

    verify = actions.add_parser(
        "verify",
        help="hash, graph and a run on noise; exit 3 with both sides of a mismatch",
        description="Everything that the service checks before its first frame, and how long a frame takes here.",
    )
    verify.add_argument("folder", type=Path, metavar="FOLDER")
    verify.add_argument("--provider", choices=("cpu", "cuda", "tensorrt"), default="cpu")
    verify.add_argument("--threads", type=int, default=1, help="threads for one run (default 1)")
    verify.set_defaults(handler=_verify)

    adopting = actions.add_parser(
        "adopt",
        help="write a model folder for an ONNX file of a known layout",
        description="Reads shapes, types and class count from the graph, takes preprocessing from the family's "
        "published code, proves both by a run, and writes the folder whole or not at all. Check the result on your own "
        "footage: no graph says which channel order or normalisation it was trained with.",
    )
    adopting.add_argument("file", type=Path, metavar="FILE.onnx")
    adopting.add_argument("--layout", required=True, choices=get_args(LayoutName), help="the family it belongs to")
    adopting.add_argument("--out", required=True, type=Path, metavar="DIR", help="the new folder; must not exist")
    adopting.add_argument(
        "--labels",
        default="coco",
        metavar="FILE|coco",
        help="class names, one per line in order of class id (default coco)",
    )
    adopting.add_argument("--name", help="what metrics and alerts call it (default: the file's name)")
    adopting.add_argument("--licence", default="unknown", help="under which the weights may be used")
    adopting.add_argument(
        "--size", type=_size, metavar="WxH", help="input size in pixels, where the graph leaves it free"
    )
    adopting.add_argument("--channels", choices=("RGB", "BGR"), help="overrules the family's channel order")
    adopting.add_argument(
        "--normalise", choices=NORMALISATIONS, help="pixels as 0-255, as 0-1, or by ImageNet's mean and deviation"
    )
    adopting.add_argument("--min-score", type=float, help="leave out what scores less (default: the family's)")
    adopting.add_argument("--track-score", type=float, help="default operating point (default: the family's)")
    adopting.set_defaults(handler=_adopt)


def _list(args: argparse.Namespace) -> int:
    table = Table("model", "layout", "input", "labels", "precision", "licence", "folder", box=None)
    found = 0
    for place in args.places or [zoo_folder()]:
        if not place.is_dir():
            raise ConfigError([f"{place}: there is no such folder"])
        folders = [place, *sorted(each for each in place.iterdir() if each.is_dir() and not each.name.startswith("."))]
        for folder in folders:
            if not (folder / MANIFEST_FILE).is_file():
                continue
            found += 1
            try:
                m = read_manifest(folder / MANIFEST_FILE)
            except ArtifactError as error:
                table.add_row("[red]unreadable[/]", "", "", "", "", "", f"{folder}\n{error}")
                continue
            labels = ", ".join(_named(m)[:4]) + (f" … ({len(_named(m))})" if len(_named(m)) > 4 else "")
            size = f"{m.input.size[0]}×{m.input.size[1]}"
            table.add_row(m.name, m.layout, size, labels, m.precision, m.licence, str(folder))
    if found:
        Console().print(table)
    else:
        print("no model folders there")
    return 0


def _show(args: argparse.Namespace) -> int:
    artifact = load_artifact(args.folder)
    m = artifact.manifest
    if args.json:
        print(m.to_json(), end="")
        return 0
    spec, limits = m.input, m.thresholds
    rows = {
        "name": m.name,
        "task": m.task,
        "layout": m.layout,
        "labels": f"{len(_named(m))}: {', '.join(_named(m))}",
        "input": f"'{spec.name}' {spec.dtype} {spec.layout} {spec.channels}, batch {spec.batch}",
        "picture": f"{spec.size[0]}×{spec.size[1]}, {spec.mode} {spec.align}, padded with {spec.pad_value}",
        "normalised": "no, pixels 0-255" if spec.is_raw else f"(pixel − {list(spec.mean)}) × {list(spec.scale)}",
        "outputs": "; ".join(f"'{o.name}' {o.dtype} {list(o.shape)} as {o.as_role}" for o in m.outputs),
        "scores": f"from {limits.min_score:g}, tracks from {limits.track_score:g}"
        + "".join(f", {label} {score:g}" for label, score in limits.track_score_by_label.items()),
        "suppression": "by the net" if limits.nms_iou is None else f"IoU above {limits.nms_iou:g}",
        "precision": f"{m.precision}, opset {m.opset}",
        "licence": m.licence,
        "sha256": m.sha256,
    }
    for heading, free in (("provenance", m.provenance), ("parity", m.parity), ("metrics", m.metrics)):
        rows |= {f"{heading}.{key}": str(value) for key, value in free.items()}
    width = max(map(len, rows))
    for key, value in rows.items():
        print(f"{key:<{width}}  {value}")
    return 0


def _verify(args: argparse.Namespace) -> int:
    artifact = load_artifact(args.folder)
    print(f"files      model.onnx and manifest.json, schema version {artifact.manifest.schema_version}")
    print(f"hash       sha256 {artifact.manifest.sha256}")
    detector = load_detector(args.folder, provider=args.provider, threads=args.threads)
    print(f"graph      inputs, outputs and opset {artifact.manifest.opset} as the manifest says")
    detector.warm_up()
    print("run        on noise: shapes as promised, scores in [0, 1]")
    timing = _timed(detector)
    print(f"speed      {timing} on {args.provider}, {args.threads} thread{'s' if args.threads > 1 else ''}")
    print(f"{args.folder}: good")
    return 0


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
    print(f"{artifact.folder}: {m.name}, layout {m.layout}, {m.input.size[0]}×{m.input.size[1]} {m.input.channels}, "
          f"{len(_named(m))} labels")  # fmt: skip
    print(f"  look at it: streamer models show {artifact.folder}")
    return 0


def _timed(detector: OnnxDetector, rounds: int = 20) -> str:
    w, h = detector.input_fit.canvas_wh
    image = np.random.default_rng(1).integers(0, 256, (h, w, 3), np.uint8)
    frame = Frame("verify", "verify", 0, image, (w, h), 0.0, 0.0, 0.0, _Noise(image))
    began = time.perf_counter()
    for _ in range(rounds):
        detector.detect([frame])
    whole_s, t = time.perf_counter() - began, detector.timings
    return (
        f"{whole_s / rounds * 1e3:.1f} ms per frame: prepare {t.prepare_s / t.frames * 1e3:.2f}, "
        f"run {t.run_s / t.frames * 1e3:.2f}, decode {t.decode_s / t.frames * 1e3:.2f}"
    )


class _Noise:
    def __init__(self, image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
        self._image = image

    def rgb(self) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return self._image


def _named(manifest: Manifest) -> list[str]:
    return [label for label in manifest.labels if label]


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
