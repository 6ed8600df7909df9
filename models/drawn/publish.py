"""From a trained net to the folder that is committed: graph, proof of parity, numbers, card."""

from __future__ import annotations

import platform
import shutil
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import torch

from export.onnx import OPSET, check_parity, sha256, to_onnx
from models.drawn.evaluate import Score, as_rounded, evaluate
from models.drawn.network import CANVAS_WH, LABELS, STRIDE_PX, DrawnNet
from models.drawn.pictures import draw_album
from models.drawn.plan import Plan
from streamer.artifacts import InputSpec, Manifest, OutputSpec, Thresholds, write_artifact
from streamer.demo.street import SMALLEST_PX, VISIBLE_SHARE
from streamer.demo.views import VIEWS
from streamer.detect import load_detector

OUTPUTS = ("boxes", "scores")
LIMITS = {"boxes": 0.02, "scores": 1e-4}
_SHOWN_SCORE = 0.4
_MIN_SCORE = 0.08


def export(net: DrawnNet, folder: Path, provenance: dict[str, object], metrics: dict[str, object]) -> Manifest:
    """Write model.onnx and manifest.json; raises ParityError, and ArtifactError where the folder exists."""
    album = draw_album(range(900, 903), 4)
    graph = to_onnx(net, torch.from_numpy(album.images[:2]), "images", OUTPUTS)
    parity = check_parity(net, graph, album.images, OUTPUTS, LIMITS, _SHOWN_SCORE)
    cells = (CANVAS_WH[0] // STRIDE_PX) * (CANVAS_WH[1] // STRIDE_PX)
    manifest = Manifest(
        name="drawn-street",
        sha256=sha256(graph),
        layout="streamer",
        labels=LABELS,
        input=InputSpec(name="images", dtype="uint8", layout="NHWC", channels="RGB", size=CANVAS_WH),
        outputs=(
            OutputSpec(name="boxes", dtype="float32", shape=("batch", cells, 4)),
            OutputSpec(name="scores", dtype="float32", shape=("batch", cells, len(LABELS))),
        ),
        thresholds=Thresholds(min_score=_MIN_SCORE, track_score=_SHOWN_SCORE, nms_iou=0.6, max_objects=100),
        precision="fp32",
        opset=OPSET,
        licence="Apache-2.0",
        provenance=provenance,
        parity=parity.as_dict(),
        metrics=metrics,
    )
    write_artifact(manifest, graph, folder)
    load_detector(folder).warm_up()  # the service itself must take what was written
    return manifest


def publish(net: DrawnNet, folder: Path, plan: Plan, minutes: float, *, replace: bool) -> None:
    """Export, evaluate what was exported, and write folder with manifest and card."""
    provenance: dict[str, object] = {
        "script": "python -m models.drawn.train",
        "plan": asdict(plan),
        "data": "streets drawn by streamer.demo.street, nothing else",
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "torch": torch.__version__,
        "minutes": round(minutes, 1),
        "machine": f"{_processor()}, {torch.get_num_threads()} thread(s)",
        "date": datetime.now(UTC).date().isoformat(),
    }
    with tempfile.TemporaryDirectory() as scratch:
        draft = Path(scratch) / folder.name
        export(net, draft, provenance, {})
        scores, ms = evaluate(draft, _SHOWN_SCORE)
    if replace and folder.exists():
        shutil.rmtree(folder)
    metrics = {"scores_at": _SHOWN_SCORE, "sets": as_rounded(scores), "detect_ms_one_thread": round(ms, 2)}
    manifest = export(net, folder, provenance, metrics)
    size = (folder / "model.onnx").stat().st_size
    (folder / "CARD.md").write_text(card(manifest, scores, ms, size), encoding="utf-8")
    print(f"wrote {folder}: {size / 1e6:.2f} MB")


def card(manifest: Manifest, scores: dict[str, dict[str, Score]], ms: float, size_bytes: int) -> str:
    """The model card, made of the manifest's numbers."""
    rows = [
        f"| {name} | {label} | {s.ap50:.3f} | {s.precision:.3f} | {s.recall:.3f} | {s.true_boxes} |"
        for name, per_label in scores.items()
        for label, s in per_label.items()
    ]
    made, parity = manifest.provenance, manifest.parity
    return "\n".join(
        [
            f"# {manifest.name}",
            "",
            "**For the drawn demo only. On real footage it is useless**: it has never seen a photograph.",
            "",
            f"Finds {' and '.join(manifest.labels)} in the cartoon street of `streamer demo`. There are no bicycles,",
            "motorcycles, buses or trucks in that street, so it has no such labels.",
            "",
            f"- Net: anchor-free, one grid of cells {STRIDE_PX} px apart, {made['parameters']:,} parameters,",
            f"  input {CANVAS_WH[0]}×{CANVAS_WH[1]} RGB",
            f"- File: fp32 ONNX, opset {manifest.opset}, {size_bytes / 1e6:.2f} MB, licence {manifest.licence}",
            f"- Trained by `{made['script']}` in {made['minutes']} min on {made['machine']},",
            f"  torch {made['torch']}, {made['date']}",
            f"- Data: {made['data']}; evaluation streets and plays were not among them",
            f"- Detection (letterbox, net, NMS): {ms:.1f} ms of one thread per frame on that machine",
            "",
            f"| set | class | AP50 | precision at {_SHOWN_SCORE} | recall | true boxes |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
            f"True boxes are those at least {SMALLEST_PX:g} px high in a picture of {VIEWS['gate'].picture_wh[1]},",
            f"and at least {VISIBLE_SHARE:.0%} visible. Most that it misses are far away or mostly hidden.",
            "",
            f"Parity with torch on {parity['pictures']} pictures: largest difference {parity['largest_difference']};",
            f"of {parity['objects']} boxes the worst partner has IoU {parity['worst_partner_iou']}.",
            "",
            f"Again: `python -m models.drawn.evaluate --model models/zoo/{manifest.name}`.",
            "",
        ]
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
