"""The card of the scene head, made from its manifest and from what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.behaviour.card_text import bullets, file_line, filled, how_it_was_made, missed
from streamer.behaviour.head_artifact import HeadManifest

ASKED = {"fight_auc": 0.88, "fight_accuracy": 0.80}
_BASELINE = {"fight_auc": 0.75, "fight_accuracy": 0.65}
_WEAK = (
    "211 clips of two seconds from 34 public videos, each cut around something that happens. A few minutes of a lobby, "
    "a shop, a table, a street and a car park stand for ordinary days; long hours, rain, insects at night and trees "
    "were not among them: how often it is wrong there was not measured.",
    "48 clips of 8 videos are few to measure by: one standard error is about 0.05 of the AUC, 0.06 of the accuracy.",
    "It answers to turmoil, motion that goes every way at once in one place. Dancing, sport, children who romp or a "
    "crowd that parts have that too and were not measured; it may take them for fights.",
    "A fight of people who are small in the picture, half hidden or hold each other still shows little of it.",
    "Nothing is said of the first 0.4 s of a session, and what it says then is worth less than after a second or two.",
    "The detector has seen pictures of the training clips, not of the others: what its embedding tells is worth less "
    "on a new camera than in training, which is why it is weighed down.",
    "In training every clip was also seen from nearer, at other paces, noisier and blurred: before that it took "
    "whoever ran past a new camera for a fighter, and it still does at times. That idea came from looking at val clips "
    "that it got wrong, so val is no longer quite unseen (AUC 0.717 before, 0.774 with it; by cross-validation 0.896 "
    "and 0.899).",
    "What comes next was learnt from quiet clips of two seconds: its surprise needs calibration per camera.",
)


def card(manifest: HeadManifest, figures: Mapping[str, Any], size_bytes: int) -> str:
    """The text of CARD.md; size_bytes is that of model.onnx."""
    val = figures["val"]
    parts = [
        f"# {manifest.name}",
        filled(
            "The scene head that comes with the project: whether people fight somewhere in the picture, from how the "
            "picture moves and from the detector's embedding of it, and how surprising the picture is. Trained from "
            "random initialisation by the project itself."
        ),
        bullets(
            f"Says: {', '.join(manifest.labels)}",
            f"One step per {manifest.step_s:g} s; state of {manifest.state_width} values per camera; attention over "
            f"{manifest.attention_steps} steps",
            file_line(manifest, size_bytes),
            f"Embeddings of detector {', '.join(each[:12] for each in manifest.embedding_of)}…",
        ),
        "## How well it does",
        filled(
            "surv_fight, split by source. Val: clips of sources that nothing was learnt from. Cross-validated: within "
            "the train split, the sources of each clip left out of what judges it; all choices were made by that."
        ),
        _table(figures),
        filled(
            f"Of {val['fight_clips']} fights it found {val['fights_found']}; of {val['no_fight_clips']} others it took "
            f"{val['false_fights']} for fights. Surprise alone tells them with AUC {val['fight_surprise_auc']}. A "
            "clip's score is what the head says at its last step, the decision is at 0.5."
        ),
        "![ROC](roc.png) ![reliability](reliability.png)",
        "## Where it is weak",
        bullets(*_WEAK, *missed(val, ASKED, " on val")),
        *how_it_was_made(manifest, figures, "python -m models.behaviour.evaluate --fights FOLDER"),
    ]
    return "\n\n".join(parts) + "\n"


def _table(figures: Mapping[str, Any]) -> str:
    crossed = figures.get("cross_validated", {})
    lines = ["| | asked | baseline | val | cross-validated |", "| --- | --- | --- | --- | --- |"]
    for name, asked in ASKED.items():
        other = crossed.get(name)
        told = "–" if other is None else f"{other:.3f}"
        lines.append(
            f"| {name.replace('_', ' ')} | ≥ {asked:g} | {_BASELINE[name]:g} | {figures['val'][name]:.3f} | {told} |"
        )
    return "\n".join(lines)
