"""How many cameras two cores hold on a day that is quiet nineteen times out of twenty, with the gate and without.

    python -m tests.benchmarks.gating_mixed

A trace of 320 s, 720p25 H.264, a key frame every two seconds: an empty room under sensor noise, into which somebody
comes once for 16 s (real footage). Every camera plays it from another multiple of 4 s on, at its own pace, so that at
any moment about one in twenty has somebody in it, people come at all moments, and key frames of different cameras are
not in step, as they are not in a building. The whole service runs on them: capture, bundled detector, tracker, an
intrusion rule, outbox. A number of cameras is *sustained* where at most 1 % of the frames that analysis asked for were
dropped, every visit was seen (followed by the tracker), and the first frame of every visit was analysed within a second
of its moment. Cameras are added until that fails; the ratio is that of the last numbers that held.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from streamer.assembly.house import open_house
from streamer.clock import SystemClock
from streamer.config import Config
from tests.benchmarks.children import crew_cpu_s
from tests.benchmarks.footage import SHARED
from tests.benchmarks.report import report

VISITOR = SHARED / "data/videos/intel_one-by-one-person-detection.mp4"
VISIT_FROM_S, VISIT_S, EMPTY_AT_S = 5.6, 16.0, 3.0
TRACE_S, STEP_S, WINDOW_S = 320.0, 4.0, 112.0
VISIT_AT_S = 161.0
FPS, GOP, WH, NOISE_GREY = 25, 50, (1280, 720), 3.0
SETTLE_S = {"motion": 45.0, "always": 8.0}
MEASURE_S = {"motion": 50.0, "always": 20.0}
LADDER = {"always": (20, 24, 28), "motion": (80, 100, 120, 140, 160)}
MOST_DROPPED, MOST_LATE_S = 0.01, 1.0


class Judged(NamedTuple):
    """One analysed frame: its media time, monotonic time of its arrival, people followed in it, when that was known."""

    media_s: float
    received_s: float
    people: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one number of cameras came to."""

    cameras: int
    cpu_cores: float
    dropped_share: float
    visits: int
    missed: int
    late_p50_s: float
    late_most_s: float
    asleep_share: float

    @property
    def sustained(self) -> bool:
        """See the module's text."""
        return self.dropped_share <= MOST_DROPPED and self.missed == 0 and self.late_most_s <= MOST_LATE_S

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {**{k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}, "held": self.sustained}


def main() -> int:
    """Make the trace, climb both ladders, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    parser.add_argument(
        "--motion", type=int, nargs="*", default=list(LADDER["motion"]), help="numbers of cameras to try"
    )
    parser.add_argument("--always", type=int, nargs="*", default=list(LADDER["always"]))
    args = parser.parse_args()
    if not VISITOR.is_file():
        raise SystemExit(f"{VISITOR} is missing: this benchmark needs the project's footage beside the checkout")
    with tempfile.TemporaryDirectory(prefix="streamer-mixed-") as scratch:
        windows = _windows(_trace(Path(scratch) / "trace.mp4"), Path(scratch))
        climbed = {
            mode: climb(mode, numbers, windows, Path(scratch))
            for mode, numbers in (("always", args.always), ("motion", args.motion))
        }
    best = {mode: max((o.cameras for o in outcomes if o.sustained), default=0) for mode, outcomes in climbed.items()}
    seen = [outcome for outcome in climbed["motion"] if outcome.sustained]
    report(
        "gating_mixed",
        {
            "cameras_always": best["always"],
            "cameras_motion": best["motion"],
            "cameras_ratio": round(best["motion"] / best["always"], 2) if best["always"] else None,
            "events": seen[-1].visits if seen else 0,
            "events_missed": seen[-1].missed if seen else None,
            "first_analysed_most_s": round(seen[-1].late_most_s, 3) if seen else None,
            **{mode: [outcome.as_dict() for outcome in outcomes] for mode, outcomes in climbed.items()},
        },
        keep=args.keep,
    )
    return 0


def climb(mode: str, numbers: list[int], windows: list[Path], scratch: Path) -> list[Outcome]:
    """More and more cameras, until it fails."""
    outcomes: list[Outcome] = []
    for n in numbers:
        outcomes.append(served(mode, n, windows, scratch / f"{mode}-{n}"))
        print(mode, outcomes[-1].as_dict(), flush=True)
        if not outcomes[-1].sustained:
            break
    return outcomes


def served(mode: str, cameras: int, windows: list[Path], data: Path) -> Outcome:
    """Run the service on so many cameras and watch what it does in the measured time."""
    config = Config.model_validate({
        "cameras": {
            f"c{i}": {
                "url": str(windows[i % len(windows)]), "pace": "realtime", "decode": mode, "clips": None,
                "zones": {"room": [[0, 0], [1, 0], [1, 1], [0, 1]]},
                "rules": [{"name": "somebody", "kind": "intrusion", "zone": "room", "labels": ["person"]}],
            }
            for i in range(cameras)
        },
        "data_dir": str(data), "jsonl": {"path": str(data / "alerts.jsonl")}, "http": None,
    })  # fmt: skip
    judged: dict[str, list[Judged]] = defaultdict(list)
    with open_house(config, SystemClock(), "benchmark") as house:
        for unit in house.service.cameras:
            _listen(unit, judged)
        running = threading.Thread(target=house.service.run)
        running.start()
        time.sleep(SETTLE_S[mode])
        books = [unit.ledger.counts() for unit in house.service.cameras]
        cpu_s, began_s = time.process_time() + crew_cpu_s(), time.monotonic()
        time.sleep(MEASURE_S[mode])
        cores = (time.process_time() + crew_cpu_s() - cpu_s) / (time.monotonic() - began_s)
        ended_s = time.monotonic()
        after = [unit.ledger.counts() for unit in house.service.cameras]
        house.service.stop()
        running.join()
    dropped = sum(sum(b.dropped.values()) - sum(a.dropped.values()) for a, b in zip(books, after, strict=True))
    analysed = sum(b.analysed - a.analysed for a, b in zip(books, after, strict=True))
    asleep = sum(b.skipped.get("asleep", 0) - a.skipped.get("asleep", 0) for a, b in zip(books, after, strict=True))
    received = sum(b.received - a.received for a, b in zip(books, after, strict=True))
    late, missed = _visits(cameras, len(windows), judged, began_s, ended_s)
    return Outcome(
        cameras, cores, dropped / max(1, dropped + analysed), len(late) + missed, missed,
        float(np.median(late)) if late else 0.0, max(late, default=0.0), asleep / max(1, received),
    )  # fmt: skip


def _listen(unit: Any, judged: dict[str, list[Judged]]) -> None:
    judge = unit.pipeline.judge

    def listening(followed: Any) -> Any:
        result = judge(followed)
        people = sum(result.tracks.labels[i] == "person" for i in result.tracks.class_ids)
        judged[unit.camera].append(Judged(result.frame.media_s, result.frame.received_s, people, time.monotonic()))
        return result

    unit.pipeline.judge = listening


def _visits(
    cameras: int, windows: int, judged: dict[str, list[Judged]], began_s: float, ended_s: float
) -> tuple[list[float], int]:
    """How late the first frame of each visit in the measured time was analysed, and how many visits were missed."""
    late, missed = [], 0
    for i in range(cameras):
        frames = judged[f"c{i}"]
        at_s = _visit_at_s(i % windows)
        if not frames:
            continue
        zero_s = min(frame.received_s - frame.media_s for frame in frames)  # when its media time 0 was played
        if not began_s <= zero_s + at_s <= ended_s - 5.0:
            continue
        inside = [frame for frame in frames if at_s <= frame.media_s < at_s + VISIT_S]
        if any(frame.people for frame in inside):
            late.append(inside[0].at_s - (zero_s + at_s))
        else:
            missed += 1
    return late, missed


def _cut(window: int) -> int:
    """How many pictures the first group of a window lacks, so that key frames of different cameras are not in step."""
    at_s = (VISIT_AT_S - window * STEP_S) % TRACE_S
    return 0 if at_s < GOP / FPS else window * 19 % GOP


def _visit_at_s(window: int) -> float:
    """When somebody comes, in media seconds of a window."""
    return (VISIT_AT_S - window * STEP_S) % TRACE_S - _cut(window) / FPS


def _trace(path: Path) -> Path:
    """An empty room, somebody in it once, an empty room."""
    empty = next(_pictures(EMPTY_AT_S, EMPTY_AT_S + 1.0))[1]
    rng, n = np.random.default_rng(0), 0
    noises = [np.rint(rng.normal(0, NOISE_GREY, (WH[1], WH[0]))).astype(np.int16) for _ in range(8)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *WH, "yuv420p"
        stream.codec_context.options = {
            "preset": "ultrafast", "tune": "zerolatency", "g": str(GOP), "sc_threshold": "0", "crf": "30",
        }  # fmt: skip

        def put(picture: np.ndarray) -> None:
            nonlocal n
            noisy = picture.copy()
            luma = noisy[: WH[1]]
            np.clip(luma + np.roll(noises[n % 8], 37 * n, axis=1), 0, 255, out=luma, casting="unsafe")
            frame = av.VideoFrame.from_ndarray(noisy, format="yuv420p")
            frame.pts, frame.time_base = n, Fraction(1, FPS)
            container.mux(stream.encode(frame))
            n += 1

        for _ in range(round(VISIT_AT_S * FPS)):
            put(empty)
        visit = list(_pictures(VISIT_FROM_S, VISIT_FROM_S + VISIT_S))
        times = np.array([at_s for at_s, _ in visit]) - visit[0][0]
        for i in range(round(VISIT_S * FPS)):
            put(visit[int(np.searchsorted(times, i / FPS, side="right")) - 1][1])
        while n < TRACE_S * FPS:
            put(empty)
        container.mux(stream.encode())
    return path


def _pictures(from_s: float, to_s: float) -> Iterator[tuple[float, np.ndarray]]:
    with av.open(str(VISITOR)) as container:
        for frame in container.decode(video=0):
            if frame.time >= to_s:
                return
            if frame.time >= from_s:
                yield frame.time, frame.reformat(*WH, format="yuv420p").to_ndarray()


def _windows(trace: Path, folder: Path) -> list[Path]:
    """The trace from every 4th second on, around its end where need be: packets copied, nothing encoded."""
    with av.open(str(trace)) as source:
        packets = [packet for packet in source.demux(video=0) if packet.size]
        template = source.streams.video[0]
        windows = []
        for k in range(round(TRACE_S / STEP_S)):
            first, cut = round(k * STEP_S * FPS), _cut(k)
            windows.append(folder / f"window-{k}.mp4")
            with av.open(str(windows[-1]), "w") as out:
                stream = out.add_stream_from_template(template)
                for i in range(round(WINDOW_S * FPS)):
                    packet = packets[(first + i + (cut if i >= GOP - cut else 0)) % len(packets)]
                    copy = av.Packet(bytes(packet))
                    copy.is_keyframe = packet.is_keyframe
                    copy.pts = copy.dts = i
                    copy.time_base, copy.stream = Fraction(1, FPS), stream
                    out.mux(copy)
    return windows


if __name__ == "__main__":
    sys.exit(main())
