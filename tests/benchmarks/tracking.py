"""Our tracker against ByteTrack and OC-SORT on the same boxes: HOTA, IDF1, MOTA by TrackEval, and our cost.

    python -m tests.benchmarks.tracking [--data FOLDER] [--variations] [--speed]

FOLDER holds det.txt and gt.txt in MOTChallenge columns, and a video for its frame rate (else 30 is assumed); the frames
from the first to the last with truth count. Ours has one set of defaults; the rivals are those of the `trackers`
package with theirs, in an environment of its own (tracking_oracle_env).

How scores enter, for all three trackers alike: as they are where they lie in [0, 1]; else as ranks, a box's score being
the share of the sequence's boxes that score no more. Public MOT15 detections (ACF) run from below 0 to above 100 and
are no probabilities; a rank assumes nothing about their unit. Of the readings that were compared it is the one with
which the rivals do best on the given sequence; score / 100 and score cut to [0, 1] are reported beside it.

--variations: other frame rates, dropped frames and boxes, jitter, false boxes; and ours with one idea taken out at a
time. This is where docs/adr/0003-tracking.md has its numbers from. --speed: only the cost.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from streamer.track import KalmanTracker, TrackerSettings
from streamer.types import Detections
from tests.benchmarks.report import report
from tests.benchmarks.tracking_oracle_env import oracle_python

Floats = NDArray[np.float64]
DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "data" / "tracking" / "adl_rundle6_f001-262"
LABELS = ("person",)
MEASURES = ("HOTA", "IDF1", "MOTA")
OURS = "ours"
ABLATIONS: dict[str, TrackerSettings] = {
    OURS: TrackerSettings(),
    "without surprise": TrackerSettings(surprise_cost=0.0),
    "without score cost": TrackerSettings(score_cost=0.0),
    "one stage: no low scores": TrackerSettings(low_score=0.55),
    "births over found objects": TrackerSettings(same_overlap=1.0),
    "doubtful tracks reported": TrackerSettings(report_score=0.0),
    "confirmed by two hits": TrackerSettings(confirm_after_s=0.0),
    "the detection's box": TrackerSettings(box_trust=0.0),
    "the filter's box": TrackerSettings(box_trust=1.0),
    "lost after 0.6 s": TrackerSettings(lost_after_s=0.6),
    "lost after 2.4 s": TrackerSettings(lost_after_s=2.4),
}


@dataclass(frozen=True)
class Sequence:
    """Frames at times_s (F,); boxes rows (frame, x1, y1, x2, y2, score), truth rows (frame, id, x1, y1, x2, y2)."""

    name: str
    times_s: Floats
    boxes: Floats
    truth: Floats


def read(folder: Path) -> Sequence:
    """A folder with det.txt and gt.txt, frames counted from the first that has truth; scores as in the file."""
    truth, boxes = (_mot_rows(folder / name) for name in ("gt.txt", "det.txt"))
    truth = truth[truth[:, 6] > 0]  # 0: not to be considered
    if truth.shape[1] > 7 and (truth[:, 7] > 0).any():
        truth = truth[truth[:, 7] == 1]  # MOT16 and later: pedestrians
    first, last = truth[:, 0].min(), truth[:, 0].max()
    boxes = boxes[(boxes[:, 0] >= first) & (boxes[:, 0] <= last)]
    for rows in (truth, boxes):
        rows[:, 0] -= first
        rows[:, 4:6] += rows[:, 2:4]
    times_s = np.arange(int(last - first) + 1) / frame_rate(folder)
    return Sequence(folder.name, times_s, boxes[:, [0, 2, 3, 4, 5, 6]], truth[:, :6])


def frame_rate(folder: Path) -> float:
    """Of the first video in the folder; 30 where there is none."""
    for video in sorted(folder.glob("*.mp4")) + sorted(folder.glob("*.avi")):
        with av.open(str(video)) as container:
            if rate := container.streams.video[0].average_rate:
                return float(rate)
    return 30.0


def as_ranks(scores: Floats) -> Floats:
    """The share of all scores that are no greater."""
    return np.searchsorted(np.sort(scores), scores, side="right") / len(scores)


READINGS: dict[str, Callable[[Floats], Floats]] = {
    "rank": as_ranks,
    "percent": lambda scores: np.clip(scores / 100, 0, 1),
    "cut": lambda scores: np.clip(scores, 0, 1),
}


def readings_of(sequence: Sequence) -> dict[str, Sequence]:
    """The sequence with scores in [0, 1], read in each way that makes sense; the first one counts."""
    scores = sequence.boxes[:, 5]
    if scores.min() >= 0 and scores.max() <= 1:
        return {"as given": sequence}
    return {how: with_scores(sequence, read_scores(scores)) for how, read_scores in READINGS.items()}


def with_scores(sequence: Sequence, scores: Floats) -> Sequence:
    """The same boxes with other scores."""
    return replace(sequence, boxes=np.column_stack([sequence.boxes[:, :5], scores]))


def follow(sequence: Sequence, settings: TrackerSettings) -> list[list[float]]:
    """Rows (frame, id, x1, y1, x2, y2) of our tracker."""
    tracker, rows = KalmanTracker(LABELS, settings), []
    for frame, at_s in enumerate(sequence.times_s):
        tracks = tracker.update(detections(sequence.boxes[sequence.boxes[:, 0] == frame]), float(at_s))
        rows += [[frame, int(i), *map(float, box)] for i, box in zip(tracks.ids, tracks.boxes_xyxy, strict=True)]
    return rows


def detections(rows: Floats) -> Detections:
    """One frame's rows (frame, x1, y1, x2, y2, score), best first."""
    rows = rows[np.argsort(-rows[:, 5], kind="stable")]
    return Detections(
        rows[:, 1:5].astype(np.float32), rows[:, 5].astype(np.float32), np.zeros(len(rows), np.int64), LABELS
    )


def judge(
    sequences: Iterable[Sequence], trackers: dict[str, TrackerSettings]
) -> dict[str, dict[str, dict[str, float]]]:
    """{sequence: {who: {measure: percent}}} for ours in each of the settings, and the rivals."""
    jobs = [
        {
            "name": sequence.name,
            "frames": len(sequence.times_s),
            "truth": sequence.truth.tolist(),
            "boxes": sequence.boxes.tolist(),
            "tracks": {who: follow(sequence, settings) for who, settings in trackers.items()},
        }
        for sequence in sequences
    ]
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / "jobs.json", Path(folder) / "answers.json"
        asked.write_text(json.dumps(jobs))
        oracle = Path(__file__).with_name("tracking_oracle.py")
        subprocess.run([str(oracle_python()), str(oracle), str(asked), str(answered)], check=True)
        told: dict[str, dict[str, dict[str, float]]] = json.loads(answered.read_text())
        return told


def ratios(by_tracker: dict[str, dict[str, float]]) -> dict[str, float]:
    """Ours over the better of the two rivals, per measure.

    A MOTA can be 0 or below, where a quotient means nothing: then 1 plus the difference, above 1 where ours is better.
    """
    told = {}
    for name in MEASURES:
        ours = by_tracker[OURS][name]
        best = max(by_tracker[rival][name] for rival in ("ByteTrack", "OC-SORT"))
        told[f"{name.lower()}_ratio"] = round(ours / best if best > 0 else 1 + (ours - best) / 100, 4)
    return told


def variations(sequence: Sequence) -> list[Sequence]:
    """The same scene at other frame rates, and with what detectors and networks do to it. Seeds are fixed."""
    random = np.random.default_rng(20261120)
    frames, n = len(sequence.times_s), len(sequence.boxes)
    boxes, sizes = sequence.boxes, sequence.boxes[:, 3:5] - sequence.boxes[:, 1:3]
    jitter = boxes.copy()
    jitter[:, 1:5] += random.normal(0, 0.05, (n, 4)) * np.tile(sizes, 2)
    ghosts = boxes[random.integers(n, size=2 * frames)].copy()
    ghosts[:, 0] = np.repeat(np.arange(frames), 2)
    ghosts[:, 1:5] += np.tile(random.uniform(-200, 200, (2 * frames, 2)), 2)
    ghosts[:, 5] *= random.uniform(0.3, 1.0, 2 * frames)
    found = [sequence]
    found += [
        _frames(sequence, np.arange(offset, frames, step), f"every {step}th frame from {offset}")
        for step, offset in ((2, 0), (2, 1), (3, 0), (3, 1), (6, 0), (6, 3))
    ]
    found.append(_frames(sequence, np.flatnonzero(random.random(frames) >= 0.4), "40 % of frames dropped"))
    found.append(replace(sequence, name="20 % of boxes dropped", boxes=boxes[random.random(n) >= 0.2]))
    found.append(replace(sequence, name="boxes jittered by 5 %", boxes=jitter))
    found.append(replace(sequence, name="2 false boxes per frame", boxes=np.concatenate([boxes, ghosts])))
    return found


def speed(tracks: int, frames: int = 400) -> float:
    """Median milliseconds of one update with that many tracks and boxes, at 25 frames a second, scores of all kinds."""
    random = np.random.default_rng(1)
    centres = np.column_stack([np.arange(tracks) % 10 * 180.0, np.arange(tracks) // 10 * 200.0])
    velocity = random.normal(0, 40, (tracks, 2))
    tracker, took_s = KalmanTracker(LABELS), []
    for frame in range(frames):
        centres = centres + velocity / 25
        corners = np.column_stack([centres, centres + np.array([40, 100])]) + random.normal(0, 1, (tracks, 4))
        scores = random.uniform(0.4, 0.95, tracks) if frame > 20 else np.full(tracks, 0.9)
        seen = detections(np.column_stack([np.zeros(tracks), corners, scores]))
        began = time.perf_counter()
        found = tracker.update(seen, frame / 25)
        took_s.append(time.perf_counter() - began)
    if len(found) < 0.9 * tracks:
        raise AssertionError(f"{tracks} objects were drawn, {len(found)} are followed: the figure would mean nothing")
    return round(1000 * float(np.median(took_s[40:])), 4)


def main() -> None:
    """Print the tables and the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT, help="a folder with det.txt and gt.txt")
    parser.add_argument("--variations", action="store_true", help="other frame rates, faults, and ablations too")
    parser.add_argument("--speed", action="store_true", help="only the cost of an update")
    asked = parser.parse_args()
    cost = {f"ms_per_update_{n}_tracks": speed(n) for n in (10, 50)}
    if asked.speed:
        report("tracking_speed", dict(cost), keep=False)
        return
    sequence = read(asked.data)
    told = {
        how: judge([read_so], {OURS: TrackerSettings()})[read_so.name] for how, read_so in readings_of(sequence).items()
    }
    for how, by_tracker in told.items():
        _show(f"{sequence.name}, scores read as: {how}", by_tracker)
    counts = next(iter(told))
    if asked.variations:
        changed = judge(variations(readings_of(sequence)[counts]), ABLATIONS)
        for name, by_tracker in changed.items():
            _show(name, by_tracker)
        _show("mean of all", _mean(changed))
    values: dict[str, object] = {
        **ratios(told[counts]),
        "data": sequence.name,
        "frames": len(sequence.times_s),
        "frame_rate": round(1 / float(np.diff(sequence.times_s[:2])[0]), 3),
        "scores_read_as": counts,
        "trackers": told[counts],
        "ratios_if_read_as": {how: ratios(by_tracker) for how, by_tracker in told.items()},
        **cost,
    }
    report("tracking", values, keep=asked.data.resolve() == DEFAULT.resolve())


def _mot_rows(path: Path) -> Floats:
    """Columns frame, id, left, top, width, height, score (1 where the file has none), and what follows."""
    rows = np.loadtxt(path, delimiter=",", ndmin=2)
    return rows if rows.shape[1] > 6 else np.column_stack([rows[:, :6], np.ones(len(rows))])


def _frames(sequence: Sequence, kept: NDArray[np.intp], name: str) -> Sequence:
    number = {int(old): new for new, old in enumerate(kept)}

    def renumber(rows: Floats) -> Floats:
        rows = rows[np.isin(rows[:, 0], kept)].copy()
        rows[:, 0] = [number[int(f)] for f in rows[:, 0]]
        return rows

    return Sequence(name, sequence.times_s[kept], renumber(sequence.boxes), renumber(sequence.truth))


def _mean(told: dict[str, dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    names = next(iter(told.values()))
    return {
        who: {m: float(np.mean([by_tracker[who][m] for by_tracker in told.values()])) for m in names[who]}
        for who in names
    }


def _show(title: str, by_tracker: dict[str, dict[str, float]]) -> None:
    print(f"\n{title}")
    for who, values in by_tracker.items():
        print(f"  {who:28s}" + "  ".join(f"{name} {value:6.2f}" for name, value in values.items()))


if __name__ == "__main__":
    main()
