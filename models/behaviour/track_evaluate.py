"""How well a track head tells behaviour in a folder laid out like CAVIAR's, on true or on found tracks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.behaviour.caviar_tracks import Steps, labellings, split_of, steps_of
from models.behaviour.detected import clips_of, found_tracks, part_of
from models.behaviour.heard import listen, open_track_head
from models.behaviour.windows import LABEL_OF, Scores, Windows, score_windows, windows_of
from streamer.behaviour.step_session import StepSession
from streamer.detect import load_detector
from streamer.errors import ArtifactError

Tell = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was measured: the figures, the windows that they are made of, and what they are about."""

    scores: Scores
    windows: Windows
    about: dict[str, object]

    def as_json(self) -> dict[str, object]:
        """The figures, and what they are about."""
        return {**self.scores.as_json(), **self.about}


def evaluate_tracks(folder: Path, head: Path, split: str, tell: Tell = lambda _: None) -> Evaluation:
    """On the true tracks of the split's sequences, people and the bags that they put down. Raises ArtifactError."""
    session = open_track_head(head)
    found = [each for each in labellings(folder, split_of(folder, split)) if each.fullest]
    tracks: list[Steps] = []
    for labelling in found:
        tracks += steps_of(labelling)
        tell(f"{labelling.sequence}: {len(labelling.tracks)} tracks")
    people = {(each.sequence, track.track_id) for each in found for track in each.tracks if not track.is_bag}
    return _judged(session, tracks, {"tracks": "truth", "split": split}, people)


def evaluate_found_tracks(
    folder: Path, head: Path, detector_folder: Path, split: str, tell: Tell = lambda _: None
) -> Evaluation:
    """On the tracks that the detector and the service's tracker find in the clips of the split that have pictures.

    The same figures of the true tracks of those very frames come along: true tracks begin where the clip does. Raises
    ArtifactError.
    """
    sequences = split_of(folder, split)
    full = {each.sequence: each for each in labellings(folder, sequences) if each.fullest}
    detector = load_detector(detector_folder, threads=1)
    session = open_track_head(head)
    embeds = detector.model_hash in session.manifest.embedding_of
    tracks: list[Steps] = []
    true: list[Steps] = []
    for clip in clips_of(folder, sequences):
        part = part_of(full[clip.sequence], clip)
        mine = found_tracks(clip, part, detector, embeds)
        tell(f"{clip.file.name}: {len(mine)} tracks found, {len(part.tracks)} true")
        tracks += mine
        true += steps_of(part)
    if not tracks:
        raise ArtifactError(f"{folder}: the detector {detector_folder.name} finds nobody in the clips of '{split}'")
    about: dict[str, object] = {"tracks": "detected", "split": split, "detector": detector.model_hash}
    about["truth_of_the_same_frames"] = score_windows(listen(session, true)).as_json()
    return _judged(session, tracks, about, None)


def _judged(
    session: StepSession, tracks: list[Steps], about: dict[str, object], people: set[tuple[str, int]] | None
) -> Evaluation:
    told = listen(session, tracks)
    named = {"name": session.manifest.name, "sha256": session.manifest.sha256}
    extra: dict[str, object] = {}
    if people is not None:
        without = score_windows([each for each in told if (each.track.sequence, each.track.track_id) in people])
        macro = {LABEL_OF[key]: round(value, 4) for key, value in without.macro_f1.items()}
        extra["people_only"] = {
            "windows": without.windows,
            "macro_f1": macro,
            "anomaly_auc": round(without.anomaly_auc, 4),
        }
    return Evaluation(score_windows(told), windows_of(told), {**about, **extra, "track_head": named})
