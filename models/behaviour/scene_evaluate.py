"""How well a scene head tells fights, clip by clip, run as the service runs it: pictures in order, state carried.

A clip's score is the head's probability at its last step: the head gathers evidence as it goes, and by
cross-validation within the train split that last word was more often right (accuracy 0.83) than the highest
word (0.77), which grows with the length of a clip. The decision is at 0.5; nothing is fitted to what is scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from models.behaviour.roc import area_under_roc
from models.behaviour.scene_clips import FrameEmbedder, read_rows, reading_of, timed_pictures
from models.behaviour.scene_scores import at_the_end
from models.detector.latency import machine
from streamer.behaviour.head_artifact import FIGHT, load_head
from streamer.behaviour.scene_features import SCENE_FEATURES, STEP_S
from streamer.behaviour.step_session import StepSession, open_step
from streamer.behaviour.surprise import surprise
from streamer.errors import ArtifactError
from streamer.zoo import bundled_model

Floats = NDArray[np.float32]
DECIDES_AT = 0.5


@dataclass(frozen=True, eq=False)
class Judged:
    """What a head said of clips: files, sources, fights bool (n,), scores (n,), and surprise of each one's steps."""

    files: tuple[str, ...]
    sources: tuple[str, ...]
    fights: NDArray[np.bool_]
    scores: NDArray[np.float64]
    surprises: NDArray[np.float64]


def open_scene_head(folder: Path) -> StepSession:
    """A scene head of this version's features. Raises ArtifactError."""
    head = load_head(folder)
    if head.manifest.task != "scene" or head.manifest.step_s != STEP_S:
        raise ArtifactError(
            f"{folder}: expected a scene head with steps of {STEP_S:g} s; found a {head.manifest.task} head, "
            f"{head.manifest.step_s:g} s"
        )
    return open_step(head, SCENE_FEATURES)


def judge(session: StepSession, readings: Sequence[Floats]) -> tuple[list[Floats], list[float]]:
    """Probability of a fight per step of every reading, and mean surprise of its steps (NaN for fewer than two)."""
    told, surprises = [], []
    width, fight = len(session.manifest.predicted), session.manifest.labels.index(FIGHT)
    for features in readings:
        state = np.zeros((1, session.manifest.state_width), np.float32)
        probs, strange = [], []
        foreseen: tuple[Floats, Floats] | None = None
        for step in features:
            if foreseen is not None:
                strange.append(float(surprise(step[None, :width], *foreseen)[0]))
            outputs = session.step(step[None], state)
            state, foreseen = outputs["next_state"], (outputs["prediction"], outputs["spread"])
            probs.append(outputs["probs"][0, fight])
        told.append(np.array(probs, np.float32))
        surprises.append(float(np.mean(strange)) if strange else float("nan"))
    return told, surprises


def judge_clips(folder: Path, head_folder: Path, detector: Path, split: str | None) -> Judged:
    """All clips of a split (None: of the folder) through detector and head. Raises ArtifactError."""
    session = open_scene_head(head_folder)
    embedder = FrameEmbedder(detector)
    rows = [row for row in read_rows(folder) if split in (None, row["split"])]
    readings = [
        reading_of(list(timed_pictures(folder / row["file"])), embedder) for row in track(rows, "judging clips")
    ]
    if embedder.sha256 not in session.manifest.embedding_of:
        # As the service does it: embeddings of a detector that the head does not know tell it nothing.
        embedded = SCENE_FEATURES.index("embedded")
        for each in readings:
            each[:, embedded:] = 0.0
    told, surprises = judge(session, readings)
    return Judged(
        tuple(row["file"] for row in rows),
        tuple(row["source"] for row in rows),
        np.array([row["label"] == FIGHT for row in rows], bool),
        np.array([at_the_end(each) for each in told]),
        np.array(surprises),
    )


def figures_of(judged: Judged) -> dict[str, object]:
    """JSON: what evaluate tells, with the curves for pictures."""
    found = judged.scores >= DECIDES_AT
    known = ~np.isnan(judged.surprises)
    sure = np.maximum(judged.scores, 1 - judged.scores)
    return {
        "fight_auc": _rounded(area_under_roc(judged.scores, judged.fights)),
        "fight_accuracy": _rounded(float((found == judged.fights).mean())) if len(found) else None,
        "fight_clips": int(judged.fights.sum()),
        "no_fight_clips": int((~judged.fights).sum()),
        "fight_sources": len(set(judged.sources)),
        "fights_found": int((found & judged.fights).sum()),
        "false_fights": int((found & ~judged.fights).sum()),
        "fight_surprise_auc": _rounded(area_under_roc(judged.surprises[known], judged.fights[known])),
        "fight_mean_sureness": _rounded(float(sure.mean())) if len(sure) else None,
        "fight_scores": {
            file: [int(fights), round(float(score), 4)]
            for file, fights, score in zip(judged.files, judged.fights, judged.scores, strict=True)
        },
    }


def evaluate_fights(folder: Path, head_folder: Path, split: str | None = "val") -> dict[str, object]:
    """Figures of a scene head on clips of a split, or on all where no line has it. Raises ArtifactError."""
    if split is not None and not any(row["split"] == split for row in read_rows(folder)):
        split = None
    judged = judge_clips(folder, head_folder, bundled_model(), split)
    return {**figures_of(judged), "fight_machine": machine()}


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)
