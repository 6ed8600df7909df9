"""What a sleeping camera misses: the tracks of every clip at hand, found with the gate and without.

    python -m tests.benchmarks.gating_recall

Every video of ../shared/data/videos and every CAVIAR clip of the val split goes twice through the bundled detector
and the tracker, once with `decode: always`, once with `decode: motion`, each frame analysed before the next is read,
and analysis telling the gate whether anybody is there, as in the service. A track of the first is found where a track
of the second lies on it (same class, IoU at least 0.5) in some frame that both analysed. As most clips are too busy or
too short to sleep through, each is also *embedded*: its first and its last picture stand still for 20 seconds before
and after it, under sensor noise, encoded anew with a key frame every two seconds, so that the camera is asleep when
things begin.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from streamer.assembly.camera import build_tracker
from streamer.assembly.model import open_detector
from streamer.capture import CameraOptions, CameraSource
from streamer.capture.gate import DecodeMode
from streamer.clock import SystemClock
from streamer.config import CameraConfig
from streamer.config.model import ModelConfig
from streamer.detect import OnnxDetector
from streamer.presence import Presence, anybody_moves
from streamer.surroundings import Surroundings
from tests.benchmarks.footage import SHARED
from tests.benchmarks.report import report

STILL_S, GOP_S = 20.0, 2.0
NOISE_GREY = 2.0


@dataclass(slots=True)
class Track:
    """Where one object was: media time in seconds, rounded to a millisecond, → box."""

    label: str
    boxes: dict[float, np.ndarray] = field(default_factory=dict)

    @property
    def lasted_s(self) -> float:
        """From first to last seen."""
        return max(self.boxes) - min(self.boxes)


@dataclass(frozen=True, slots=True)
class Watched:
    """One clip, watched in one way."""

    tracks: list[Track]
    analysed: int
    received: int
    asleep: int
    wakes: dict[str, int]
    why_not: str | None


def main() -> int:
    """Watch every clip both ways, compare, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    parser.add_argument("--only", default="", help="clips whose name contains this")
    args = parser.parse_args()
    detector = open_detector(ModelConfig())
    clips = {path.stem: path for path in _clips() if args.only in path.stem}
    rows: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory(prefix="streamer-recall-") as scratch:
        for name, path in clips.items():
            rows[name] = compared(path, detector)
            print(name, rows[name], flush=True)
            embedded = embed(path, Path(scratch) / f"{name}.mp4")
            rows[f"{name}, embedded"] = compared(embedded, detector)
            print(f"{name}, embedded", rows[f"{name}, embedded"], flush=True)
            embedded.unlink()
    plain = [row for name, row in rows.items() if not name.endswith("embedded")]
    asleep = [row for name, row in rows.items() if name.endswith("embedded")]
    values: dict[str, object] = {
        "track_recall": recall(list(rows.values())),
        "track_recall_as_they_are": recall(plain),
        "track_recall_embedded": recall(asleep),
        "missed_that_stayed_a_gop": sum(int(str(row["missed_that_stayed_a_gop"])) for row in rows.values()),
        "tracks": sum(int(str(row["tracks"])) for row in rows.values()),
        "asleep_share_embedded": round(float(np.mean([float(str(row["asleep_share"])) for row in asleep])), 3),
        "clips": rows,
    }
    report("gating_recall", values, keep=args.keep)
    return 0


def _clips() -> list[Path]:
    data = SHARED / "data"
    if not data.is_dir():
        raise SystemExit(f"{data} is missing: this benchmark needs the project's footage beside the checkout")
    val = json.loads((data / "caviar/split.json").read_text())["val"]
    caviar = [path for path in sorted((data / "caviar/clips").glob("*.mp4")) if path.stem.rsplit("_f", 1)[0] in val]
    return [*sorted((data / "videos").glob("*.mp4")), *caviar]


def compared(clip: Path, detector: OnnxDetector) -> dict[str, object]:
    """Tracks of the ungated run, those of them that the gated one found, and how much it slept."""
    every, gated = watch(clip, "always", detector), watch(clip, "motion", detector)
    missed = [track for track in every.tracks if not any(same(track, other) for other in gated.tracks)]
    gone_s = [round(min(track.boxes), 1) for track in missed]
    return {
        "tracks": len(every.tracks),
        "missed": len(missed),
        "missed_that_stayed_a_gop": sum(track.lasted_s >= GOP_S for track in missed),
        "missed_at_s": gone_s,
        "asleep_share": round(gated.asleep / max(1, gated.received), 3),
        "analysed": [every.analysed, gated.analysed],
        "wakes": gated.wakes,
        "never_asleep": gated.why_not,
    }


def recall(rows: Sequence[dict[str, object]]) -> float:
    """Share of all tracks that were found."""
    tracks, missed = (sum(int(str(row[key])) for row in rows) for key in ("tracks", "missed"))
    return round(1 - missed / max(1, tracks), 4)


def watch(clip: Path, mode: DecodeMode, detector: OnnxDetector) -> Watched:
    """One pass of a clip, frame by frame, as the service would watch a camera."""
    camera = CameraConfig(url=str(clip))
    clock, presence = SystemClock(), Presence()
    around = replace(Surroundings.alone("clip", clock), presence=presence)
    options = CameraOptions(camera="clip", url=str(clip), pace="demand", decode=mode)
    source = CameraSource(options, detector.input_fit, around, clock)
    tracker = build_tracker(camera, detector)
    tracks: dict[int, Track] = {}
    analysed = 0
    for frame in source.frames():
        analysed += 1
        [found] = detector.detect([frame])
        seen = tracker.update(found, frame.media_s)
        presence.sees(len(seen), moving=anybody_moves(seen))
        for track_id, box, class_id in zip(seen.ids, seen.boxes_xyxy, seen.class_ids, strict=True):
            track = tracks.setdefault(int(track_id), Track(seen.labels[class_id]))
            track.boxes[round(frame.media_s, 3)] = box
    counts, reading = around.ledger.counts(), around.sleep.reading(clock.monotonic())
    asleep = counts.skipped.get("asleep", 0)
    return Watched(list(tracks.values()), analysed, counts.received, asleep, dict(reading.wakes), reading.why_not)


def same(one: Track, other: Track) -> bool:
    """Whether two tracks lie on each other somewhere."""
    if one.label != other.label:
        return False
    return any(_iou(box, other.boxes[at_s]) >= 0.5 for at_s, box in one.boxes.items() if at_s in other.boxes)


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = max(0.0, float(width)) * max(0.0, float(height))
    return both / float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both)


def embed(clip: Path, out: Path) -> Path:
    """The clip between two still stretches, noise over all of it: as a quiet camera would send it."""
    with av.open(str(clip)) as source:
        rate = source.streams.video[0].average_rate or Fraction(25)
        wh = source.streams.video[0].width // 2 * 2, source.streams.video[0].height // 2 * 2
    rng = np.random.default_rng(0)
    noises = [np.rint(rng.normal(0, NOISE_GREY, wh[::-1])).astype(np.int16) for _ in range(7)]
    with av.open(str(out), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *wh, "yuv420p"
        stream.codec_context.options = {
            "preset": "veryfast", "tune": "zerolatency", "crf": "26",
            "g": str(round(GOP_S * rate)), "sc_threshold": "0",
        }  # fmt: skip
        for i, picture in enumerate(_with_stills(clip, wh, round(STILL_S * rate))):
            noisy = picture.copy()
            luma = noisy[: wh[1]]
            np.clip(luma + np.roll(noises[i % 7], 11 * i, axis=1), 0, 255, out=luma, casting="unsafe")
            frame = av.VideoFrame.from_ndarray(noisy, format="yuv420p")
            frame.pts, frame.time_base = i, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return out


def _with_stills(clip: Path, wh: tuple[int, int], n: int) -> Iterator[np.ndarray]:
    picture = None
    with av.open(str(clip)) as source:
        for frame in source.decode(video=0):
            before, picture = picture, frame.reformat(*wh, format="yuv420p").to_ndarray()
            if before is None:
                yield from (picture for _ in range(n))
            yield picture
    if picture is not None:
        yield from (picture for _ in range(n))


if __name__ == "__main__":
    sys.exit(main())
