"""`streamer models show`: what a model's manifest says, or the catalogue of one that is not here."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from rich.filesize import decimal

from streamer.artifacts import Manifest, load_artifact, read_manifest
from streamer.behaviour.head_artifact import HeadManifest, load_head
from streamer.catalogue import Entry
from streamer.commands.models.naming import folder_or_entry
from streamer.detect.classifier_artifact import ClassifierManifest, load_classifier
from streamer.errors import ArtifactError
from streamer.model_kinds import HEADS, MANIFEST_FILE, kind_of
from streamer.zoo import models_here

_HASH_FROM = {
    "file": "this project holds the file and hashed it",
    "records": "written down alike by several unrelated projects; not fetched by this one",
}


def add_action(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this action beside the others."""
    parser = actions.add_parser("show", help="what a model's manifest says, or the catalogue of one not pulled yet")
    parser.add_argument("model", type=Path, metavar="NAME|FOLDER")
    parser.add_argument("--json", action="store_true", help="the manifest or entry itself, every default filled in")
    parser.set_defaults(handler=_show)


def _show(args: argparse.Namespace) -> int:
    found = folder_or_entry(args.model)
    if isinstance(found, Entry):
        rows, json = _entry_rows(found), found.model_dump_json(indent=2) + "\n"
    elif kind_of(found) in HEADS:
        head = load_head(found).manifest
        rows, json = {"folder": str(found)} | _head_rows(head), head.to_json()
    elif kind_of(found) == "classifier":
        classifier = load_classifier(found).manifest
        rows, json = {"folder": str(found)} | _classifier_rows(classifier), classifier.to_json()
    else:
        manifest = load_artifact(found).manifest
        rows, json = {"folder": str(found)} | _manifest_rows(manifest), manifest.to_json()
    if args.json:
        print(json, end="")
        return 0
    width = max(map(len, rows))
    for key, value in rows.items():
        print(f"{key:<{width}}  {value}")
    return 0


def _entry_rows(entry: Entry) -> dict[str, str]:
    rows = {
        "name": entry.name,
        "model": entry.title,
        "here": f"no; streamer models pull {entry.name}",
        "address": entry.address,
        "file": f"{entry.size_bytes} bytes ({decimal(entry.size_bytes)})",
        "sha256": entry.sha256,
        "hash known": _HASH_FROM[entry.sha256_from],
        "licence": f"{entry.licence}, {entry.licence_address}",
        "layout": entry.layout,
        "picture": f"{entry.size[0]}×{entry.size[1]}",
        "labels": "80: COCO's classes",
    }
    if entry.coco_ap is not None:
        rows["COCO AP"] = f"{entry.coco_ap:g}, as its authors publish it"
    return rows | ({"note": entry.note} if entry.note else {})


def _manifest_rows(m: Manifest) -> dict[str, str]:
    spec, limits = m.input, m.thresholds
    labels = [label for label in m.labels if label]
    rows = {
        "name": m.name,
        "task": m.task,
        "layout": m.layout,
        "labels": f"{len(labels)}: {', '.join(labels)}",
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
    return rows | _free_rows(m)


def _head_rows(m: HeadManifest) -> dict[str, str]:
    foretold = "all" if len(m.predicted) == len(m.features) else f"the first {len(m.predicted)}"
    rows = {
        "name": m.name,
        "task": f"{m.task}: one row per {'track' if m.task == 'track' else 'camera'}",
        "labels": f"{len(m.labels)}: {', '.join(m.labels)}",
        "features": f"{len(m.features)}, {foretold} foretold",
        "step": f"{m.step_s:g} s",
        "state": f"{m.state_width} numbers per row",
        "attention": f"over the last {m.attention_steps} steps, {m.attention_steps * m.step_s:g} s",
        "embeddings": _embeddings(m),
        "precision": f"fp32, opset {m.opset}",
        "licence": m.licence,
        "sha256": m.sha256,
    }
    return rows | _free_rows(m)


def _classifier_rows(m: ClassifierManifest) -> dict[str, str]:
    rows = {
        "name": m.name,
        "task": "classification of boxes, for a camera's second look",
        "labels": f"{len(m.labels)}: {', '.join(label or 'none of these' for label in m.labels)}",
        "input": f"{m.input.size[0]}×{m.input.size[1]}, {m.input.mode}, margin {m.margin:g}",
        "licence": m.licence,
        "sha256": m.sha256,
    }
    return rows | _free_rows(m)


def _embeddings(m: HeadManifest) -> str:
    """Whose embeddings the head learned from, by name where that detector is here."""
    if not m.embedding_of:
        return "none"
    names = {}
    for folder in models_here(kind="detector"):
        with contextlib.suppress(ArtifactError):  # of a detector that cannot be read, nothing can be said here
            names[read_manifest(folder / MANIFEST_FILE).sha256] = folder.name
    return "; ".join(
        f"of {names.get(sha256, 'a detector that is not here')}, sha256 {sha256}" for sha256 in m.embedding_of
    )


def _free_rows(m: Manifest | HeadManifest | ClassifierManifest) -> dict[str, str]:
    parts = {"provenance": m.provenance, "parity": m.parity, "metrics": m.metrics}
    return {f"{heading}.{key}": str(value) for heading, free in parts.items() for key, value in free.items()}
