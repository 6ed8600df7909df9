"""`streamer models list`: what is bundled, what was pulled, and what the catalogue has besides."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from streamer.artifacts import read_manifest
from streamer.behaviour.head_artifact import read_head_manifest
from streamer.catalogue import Entry, read_catalogue
from streamer.detect.classifier_artifact import read_classifier_manifest
from streamer.errors import ArtifactError, ConfigError
from streamer.model_kinds import HEADS, MANIFEST_FILE, kind_of
from streamer.zoo import pulled_folder, zoo_folder


def add_action(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this action beside the others."""
    parser = actions.add_parser(
        "list",
        help="the models that are here and those that can be pulled, or the model folders in a place",
        description="Without DIR: what comes with streamer, what was pulled ($STREAMER_MODELS, else "
        "~/.local/share/streamer/models), and what the catalogue has besides.",
    )
    parser.add_argument("places", type=Path, nargs="*", metavar="DIR", help="only the model folders in there")
    parser.set_defaults(handler=_list)


def _list(args: argparse.Namespace) -> int:
    console = Console()
    if args.places:
        for place in args.places:
            if not place.is_dir():
                raise ConfigError([f"{place}: there is no such folder"])
            _print_folders(console, str(place), _model_folders(place))
        return 0
    pulled = _model_folders(pulled_folder())
    _print_folders(console, f"bundled, in {zoo_folder()}", _model_folders(zoo_folder()))
    _print_folders(console, f"pulled, in {pulled_folder()}", pulled)
    here = {folder.name for folder in pulled}
    _print_entries(console, [entry for entry in read_catalogue().values() if entry.name not in here])
    return 0


def _model_folders(place: Path) -> list[Path]:
    """The place itself and the folders in it, as far as they hold a manifest; nothing where there is no such place."""
    if not place.is_dir():
        return []
    folders = [place, *sorted(each for each in place.iterdir() if each.is_dir() and not each.name.startswith("."))]
    return [folder for folder in folders if (folder / MANIFEST_FILE).is_file()]


def _print_folders(console: Console, heading: str, folders: list[Path]) -> None:
    _print_heading(console, heading)
    if not folders:
        console.print("  none")
        return
    table = _table("model", "layout", "input", "labels", "precision", "licence")
    broken = []
    for folder in folders:
        try:
            name, *cells = _row_of(folder)
        except ArtifactError as error:
            table.add_row(folder.name, Text("unreadable", "red"), "", "", "", "")
            broken.append(str(error))
            continue
        table.add_row(name if name == folder.name else f"{folder.name} ({name})", *cells)
    console.print(table)
    for problem in broken:
        console.print(problem, style="red", markup=False, highlight=False, soft_wrap=True)


def _row_of(folder: Path) -> tuple[str, ...]:
    """Name, layout, input, labels, precision, licence. Raises ArtifactError."""
    kind = kind_of(folder)
    if kind in HEADS:
        head = read_head_manifest(folder / MANIFEST_FILE)
        steps = f"{len(head.features)} features, {head.step_s:g} s steps"
        return head.name, kind, steps, _labels(head.labels), "fp32", head.licence
    if kind == "classifier":
        classifier = read_classifier_manifest(folder / MANIFEST_FILE)
        wide, high = classifier.input.size
        return classifier.name, kind, f"{wide}×{high}", _labels(classifier.labels), "fp32", classifier.licence
    m = read_manifest(folder / MANIFEST_FILE)
    size = f"{m.input.size[0]}×{m.input.size[1]}"
    return m.name, m.layout, size, _labels(m.labels), m.precision, m.licence


def _print_entries(console: Console, entries: list[Entry]) -> None:
    _print_heading(console, "not pulled; all know COCO's 80 classes: streamer models pull NAME")
    if not entries:
        console.print("  none")
        return
    table = _table("model", "layout", "input", "COCO AP", "licence", "size")
    for e in entries:
        ap = "" if e.coco_ap is None else f"{e.coco_ap:.1f}"
        size = f"{e.size[0]}×{e.size[1]}"
        table.add_row(e.name, e.layout, size, ap, e.licence, decimal(e.size_bytes))
    console.print(table)


def _print_heading(console: Console, heading: str) -> None:
    console.print(heading, style="bold", markup=False, highlight=False, soft_wrap=True)


def _table(*columns: str) -> Table:
    table = Table(box=None)
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column in ("COCO AP", "size") else "left")
    return table


def _labels(labels: Sequence[str]) -> str:
    names = [label for label in labels if label]
    return ", ".join(names[:4]) + (f" … ({len(names)})" if len(names) > 4 else "")
