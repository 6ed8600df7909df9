"""The card of the track head, made from its manifest and from what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.behaviour.card_text import bullets, file_line, filled, how_it_was_made, missed
from models.behaviour.caviar_tracks import BEHAVIOURS
from streamer.behaviour.head_artifact import HeadManifest

ASKED = {"context_macro_f1": 0.62, "movement_macro_f1": 0.70, "anomaly_auc": 0.85}
_BASELINE = {"context_macro_f1": "0.49", "movement_macro_f1": "0.57"}
_WEAK = (
    "One lobby, one camera, seen from above at an angle; a handful of people who act what they were told to. What it "
    "knows of fights is one scene, of falls two, of running four people: as many as there are in the train split.",
    "On train clips left out of training (cross-validation) it finds hardly any running, falling or fighting by "
    "class: examples of so few people do not carry over. Believe the figures of the rare classes least.",
    "The beginning decides much: nets that are as good as each other on left-out train clips (context macro-F1 0.42 to "
    "0.45) differ on val from 0.50 to 0.65, most of it in whether one fall is told. Expect the lower figure elsewhere.",
    "It sees boxes, not bodies: lying still and standing still differ only by the box and by what came before. Do not "
    "rely on it for falls.",
    "A posture learned from turned and pasted people of many pictures was tried on the detector's embedding and left "
    "out: it told lying from upright by AUC 0.87 to 0.94 in sets left out, but the man on the floor of the train clip "
    "Rest_WiggleOnFloor only by 0.82 to 0.87, and the man struck down in Fight_OneManDown from the others of his clip "
    "not at all (0.46 to 0.48). Seen from above, people who walk lie at any angle in the picture.",
    "What it foresees is what is usual for everybody, always: a prediction from the last steps came to expect whatever "
    "lasts, and told lying and running less well from the rest on left-out clips. What is foreseen, and how it is "
    "scored, is the best of some thirty variants there: expect a lower anomaly AUC than theirs elsewhere.",
    "Context is a label of a whole track, given by people who knew how it went on: while someone still walks, it "
    "cannot be told whether he will browse, wait or fall.",
    "Browsing and waiting happen at places; the head knows no places, so that it can be moved to another camera.",
    "A standing bystander is often not boxed in the truth, and one scene was labelled three times, differently.",
)


def card(manifest: HeadManifest, figures: Mapping[str, Any], size_bytes: int) -> str:
    """The text of CARD.md; size_bytes is that of model.onnx."""
    truth = figures["truth"]
    again = "python -m models.behaviour.evaluate --caviar FOLDER [--tracks detected]"
    parts = [
        f"# {manifest.name}",
        filled(
            "The track head that comes with the project: how a person moves, step by step from the boxes of the track "
            "alone, and how surprising that is. Trained from random initialisation by the project itself."
        ),
        bullets(
            f"Behaviours: {', '.join(manifest.labels)}",
            f"One step per {manifest.step_s:g} s; a state of {manifest.state_width} values per track; attention over "
            f"{manifest.attention_steps} steps",
            file_line(manifest, size_bytes),
        ),
        "## How well it does",
        "CAVIAR val, six clips; windows of one second.",
        _table(figures),
        "## By class, on true tracks",
        _by_class(truth),
        "![confusion](confusion.png) ![ROC](roc.png) ![reliability](reliability.png)",
        "## Where it is weak",
        bullets(*_WEAK, *missed(truth, ASKED)),
        *how_it_was_made(manifest, figures, again),
    ]
    return "\n\n".join(parts) + "\n"


def _table(figures: Mapping[str, Any]) -> str:
    columns = [name for name in ("truth", "detected") if name in figures]
    named = {"truth": "true tracks", "detected": "tracks of the bundled detector"}
    lines = [
        "| | asked | baseline | " + " | ".join(named[each] for each in columns) + " |",
        "| --- | --- | --- |" + " --- |" * len(columns),
    ]
    for name, asked in ASKED.items():
        values = " | ".join(f"{figures[each][name]:.3f}" for each in columns)
        lines.append(f"| {name.replace('_', ' ')} | ≥ {asked} | {_BASELINE.get(name, '–')} | {values} |")
    lines.append("| windows | | | " + " | ".join(str(figures[each]["windows"]) for each in columns) + " |")
    return "\n".join(lines)


def _by_class(truth: Mapping[str, Any]) -> str:
    lines = ["| | F1 | surprise, AUC against the rest |", "| --- | --- | --- |"]
    for name in BEHAVIOURS:
        if name in truth["behaviour_f1"]:
            area = truth["anomaly_auc_of"].get(name)
            lines.append(f"| {name} | {truth['behaviour_f1'][name]:.2f} | {'–' if area is None else f'{area:.2f}'} |")
    for label in ("movement", "context"):
        lines += [f"| {label}: {name} | {f1:.2f} | – |" for name, f1 in truth[f"{label}_f1"].items()]
    return "\n".join(lines)
