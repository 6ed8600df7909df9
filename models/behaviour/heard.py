"""What an exported track head says along tracks, computed as the runtime does it: ONNX Runtime, state in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.behaviour.caviar_tracks import BEHAVIOURS, Steps
from models.behaviour.windows import Spoken
from streamer.behaviour.features import FEATURES, STEP_S
from streamer.behaviour.head_artifact import load_head
from streamer.behaviour.step_session import StepSession, open_step
from streamer.errors import ArtifactError

SAID = ("probs", "movement", "context")


def open_track_head(folder: Path) -> StepSession:
    """A track head of our labels and step. Raises ArtifactError."""
    head = load_head(folder)
    manifest = head.manifest
    if manifest.task != "track" or manifest.labels != BEHAVIOURS or manifest.step_s != STEP_S:
        raise ArtifactError(
            f"{folder}: expected a track head with steps of {STEP_S:g} s and the labels {', '.join(BEHAVIOURS)}; "
            f"found a {manifest.task} head, {manifest.step_s:g} s, {', '.join(manifest.labels)}"
        )
    return open_step(head, FEATURES)


def listen(session: StepSession, tracks: Sequence[Steps]) -> list[Spoken]:
    """All tracks side by side, each from a fresh state; a row leaves the batch where its track ends."""
    if not tracks:
        return []
    longest_first = sorted(range(len(tracks)), key=lambda n: -len(tracks[n].at_s))
    state = np.zeros((len(tracks), session.manifest.state_width), np.float32)
    told: list[dict[str, list[np.ndarray]]] = [{name: [] for name in (*SAID, "prediction", "spread")} for _ in tracks]
    for step in range(len(tracks[longest_first[0]].at_s)):
        rows = [n for n in longest_first if len(tracks[n].at_s) > step]
        outputs = session.step(np.stack([tracks[n].features[step] for n in rows]), state[: len(rows)])
        state = outputs["next_state"]
        for place, n in enumerate(rows):
            for name, values in told[n].items():
                values.append(outputs[name][place])
    spoken = []
    for track, values in zip(tracks, told, strict=True):
        stacked = {name: np.stack(each) for name, each in values.items()}
        probs = {name: stacked[name] for name in SAID}
        spoken.append(Spoken.of(track, probs, stacked["prediction"], stacked["spread"]))
    return spoken
