"""False alerts of behaviour.anomaly on normal footage against the budget: true CAVIAR tracks through the runtime.

`python -m tests.benchmarks.behaviour_budget [--data ../shared/data/caviar] [--head FOLDER]`. Normal is every person who
is never labelled running, fallen or fighting. Two ways to calibrate, both tested on clips of val, which the head never
saw: on clips of train (which it has seen: their surprise is a little too low) and on the other clips of val, each clip
left out in turn. A long time is simulated by drawing tracks with replacement, a Poisson number a day.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.behaviour.caviar_tracks import FPS, Labelling, labellings, split_of
from models.behaviour.windows import is_strange
from streamer.behaviour.conformal import DAY_S, NormalScores, Yardstick, too_little
from streamer.behaviour.features import FEATURES
from streamer.behaviour.head_artifact import load_head
from streamer.behaviour.life import Life
from streamer.behaviour.model import BehaviourHeads
from streamer.behaviour.step_session import StepSession, open_step
from streamer.budget import share_of
from streamer.types import Detections, Frame, Tracks
from streamer.zoo import zoo_folder
from tests.benchmarks.report import report
from tests.fakes import a_frame

SHARED_CAVIAR = Path(__file__).resolve().parents[3] / "shared" / "data" / "caviar"
ANALYSE_EVERY = 5  # frames of 25 a second
PEOPLE = ("person",)
TRACKS_PER_DAY, DAYS, WORLDS = 100, 100, 200
BUDGETS = (2.0, 5.0, 10.0, 20.0)


@dataclass(frozen=True)
class Realised:
    """False alerts a day for a budget: the mean over worlds, and in how many it was within a factor of two."""

    budget: float
    mean: float
    within_two: float


def main() -> int:
    """Run the tracks, simulate, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SHARED_CAVIAR)
    parser.add_argument("--head", type=Path)
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    args = parser.parse_args()
    session = open_step(load_head(args.head or zoo_folder() / "gait"), FEATURES)
    train = normal_peaks(session, args.data, "train")
    val = normal_peaks(session, args.data, "val")
    rng = np.random.default_rng(0)
    seen = np.concatenate([*train.values()])
    ways = {
        "calibrated_on_train": [(seen, np.concatenate([*val.values()]))],
        "calibrated_on_other_val_clips": [
            (np.concatenate([peaks for name, peaks in val.items() if name != left_out]), val[left_out])
            for left_out in val
            if len(val[left_out])
        ],
    }
    told: dict[str, object] = {
        "head": session.manifest.name,
        "head_sha256": session.manifest.sha256[:12],
        "normal_tracks": {"train": len(seen), "val": sum(map(len, val.values()))},
        "tracks_per_day": TRACKS_PER_DAY,
        "days": DAYS,
        "worlds": WORLDS,
    }
    for way, pairs in ways.items():
        weights = [len(test) for _, test in pairs]
        rows: dict[str, object] = {}
        for budget in BUDGETS:
            shortest_s = min(len(calibration) for calibration, _ in pairs) / TRACKS_PER_DAY * DAY_S
            if problem := too_little(shortest_s, budget):
                rows[f"{budget:g}"] = {"refused": problem}
                continue
            each = [simulate_days(*pair, budget=budget, rng=rng) for pair in pairs]
            realised = np.average(each, axis=0, weights=weights)  # a day has tracks of every clip, as many as it has
            found = summed(budget, realised)
            rows[f"{budget:g}"] = {
                "realised_per_day": round(found.mean, 2),
                "ratio": round(found.mean / budget, 2),
                "worlds_within_factor_two": round(found.within_two, 2),
            }
            print(f"{way}: budget {budget:g} a day, realised {found.mean:.2f}")
        told[way] = rows
    report("behaviour_budget", told, keep=args.keep)
    return 0


def simulate_days(
    calibration: NDArray[np.float64],
    test: NDArray[np.float64],
    *,
    budget: float,
    rng: np.random.Generator,
    tracks_per_day: float = TRACKS_PER_DAY,
    days: int = DAYS,
    worlds: int = WORLDS,
) -> NDArray[np.float64]:
    """False alerts a day, (worlds,): each world is calibrated on its own draw of so many tracks as there are.

    Its footage counts as so long that its tracks came at tracks_per_day. Test tracks are drawn anew for every world.
    """
    told = np.zeros(worlds)
    for world in range(worlds):
        drawn = rng.choice(calibration, len(calibration))
        yardstick = Yardstick(NormalScores(len(drawn) / tracks_per_day * DAY_S, {None: drawn}), budget)
        new = rng.choice(test, rng.poisson(tracks_per_day * days))
        p = yardstick.p_values(new, np.full(len(new), -1))
        told[world] = (p <= share_of(budget, yardstick.tracks_per_day)).sum() / days
    return told


def summed(budget: float, realised: NDArray[np.float64]) -> Realised:
    """Over all worlds."""
    within = (budget / 2 <= realised) & (realised <= 2 * budget)
    return Realised(budget, float(realised.mean()), float(within.mean()))


def normal_peaks(session: StepSession, folder: Path, split: str) -> dict[str, NDArray[np.float64]]:
    """Sequence → the highest smoothed surprise of each of its normal people, each sequence as its fullest labelling."""
    peaks = {}
    for labelling in labellings(folder, split_of(folder, split)):
        if not labelling.fullest:
            continue
        normal = {
            n for n, track in enumerate(labelling.tracks) if not track.is_bag and not is_strange(track.behaviour).any()
        }
        lives = [life for life in lives_of(session, labelling) if life.track in normal]
        peaks[labelling.sequence] = np.array([life.peak for life in lives])
    return peaks


def lives_of(session: StepSession, labelling: Labelling) -> list[Life]:
    """Every true track through the runtime, as a camera of 5 frames a second would show it; track ids are places."""
    lives: list[Life] = []
    heads = BehaviourHeads(session, detector="0" * 64, timezone=UTC, on_life=lives.append)
    people = [(n, track) for n, track in enumerate(labelling.tracks) if not track.is_bag]
    last = max(int(track.frames[-1]) for _, track in people)
    for frame in range(0, last + 1, ANALYSE_EVERY):
        boxes = {}
        for n, track in people:
            at = int(np.searchsorted(track.frames, frame))
            if at < len(track.frames) and track.frames[at] == frame:
                boxes[n] = track.boxes_xyxy[at]
        heads.score([(_frame(labelling.sequence, frame), Detections.none(PEOPLE), _tracks(boxes))])
    heads.finish(labelling.sequence)
    return lives


def _frame(camera: str, number: int) -> Frame:
    return a_frame(camera, number, media_s=number / FPS)


def _tracks(boxes: dict[int, NDArray[np.float64]]) -> Tracks:
    m = len(boxes)
    ones, noughts = np.ones(m, np.float32), np.zeros(m, np.int64)
    corners: Sequence[NDArray[np.float64]] = [*boxes.values()]
    return Tracks(
        ids=np.array([*boxes], np.int64),
        boxes_xyxy=np.array(corners, np.float32).reshape(-1, 4),
        velocity_xy=np.zeros((m, 2), np.float32),
        age_s=ones,
        scores=ones,
        class_ids=noughts,
        detection_rows=noughts,
        labels=PEOPLE,
    )


if __name__ == "__main__":
    raise SystemExit(main())
