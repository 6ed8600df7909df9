"""One trial: the whole service on so many cameras for a while, and whether it kept its promises."""

from __future__ import annotations

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamer.assembly.house import House, open_house
from streamer.bench import usage
from streamer.bench.durations import Spread
from streamer.bench.footage import Footage
from streamer.bench.on_the_way import WHOLE, FramesOnTheWay
from streamer.clock import SystemClock
from streamer.config import Config
from streamer.config.model import ModelConfig
from streamer.errors import StreamerError
from streamer.ledger import FrameCounts
from streamer.service import ServiceReport

LEAST_PACE = 0.95
"""Share of the frames due that must have been received: a machine that decodes too slowly lets files play slower."""

_READ_EVERY_S = 0.5
_ON_THE_WAY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked of every trial.

    redis_url: where results are published; None measures to the end of analysis. settle_s: until it is measured;
    measure_s: for how long. scratch: where trials have their folders, None where the system has such; whoever owns it
    removes what an interruption in the wrong moment leaves there.
    """

    footage: Footage
    model: ModelConfig
    analyse_fps: float
    gated: bool
    p99_limit_s: float
    redis_url: str | None
    redis_pid: int | None
    settle_s: float
    measure_s: float
    decode_on: str = "cpu"
    scratch: Path | None = None

    @property
    def one_lane_threads(self) -> int:
        """Threads of the model where it is measured by itself."""
        return 1 if self.model.threads == "auto" else self.model.threads

    @property
    def ends_at(self) -> str:
        """Where a frame's way ends, for people."""
        return "Redis's acknowledgement" if self.redis_url else "the end of analysis (there is no Redis here)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What so many cameras came to; all counts and times are of the measured time only, but for `lost_results`.

    due_frames: that the cameras' files had; lost_results: analysed frames that never arrived, of the whole trial.
    counts: their waiting is how many more wait than before, less than 0 for fewer. failed: the sentence why the service
    ended by itself. cpu_cores: of this process and those that it started, but for Redis; of them by thread;
    others_cpu_cores: of other programs, which could have been ours.
    decode_cpu_s: in the decoders. run_s, run_cpu_s: inside session.run. batches: frames in a model call → how many.
    """

    cameras: int
    measured_s: float
    due_frames: float
    counts: FrameCounts
    lost_results: int
    stages: Mapping[str, Spread]
    cpu_cores: float
    cpu_cores_by_thread: Mapping[str, float]
    redis_cpu_cores: float | None
    others_cpu_cores: float | None
    decode_cpu_s: float
    run_s: float
    run_cpu_s: float
    batches: Mapping[int, int]
    memory_mb: float | None
    memory_slope_mb_per_min: float | None
    gpu: Mapping[str, float] | None
    failed: str | None = None

    @property
    def dropped(self) -> int:
        """Frames lost, whatever the reason."""
        return sum(self.counts.dropped.values())

    @property
    def unaccounted(self) -> int:
        """Frames received of which nobody can say what became of them, and results that never arrived.

        Some frames are always on their way; more of them than before, and more than two a camera, have piled up.
        """
        return max(0, self.counts.waiting - _ON_THE_WAY * self.cameras) + max(0, self.lost_results)

    @property
    def p99_s(self) -> float:
        """Capture to publish."""
        whole = self.stages.get(WHOLE)
        return whole.p99_ms / 1e3 if whole else float("inf")

    @property
    def pace(self) -> float:
        """Frames received for each that was due."""
        return self.counts.received / self.due_frames

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        analysed = max(1, self.counts.analysed)
        return {
            "cameras": self.cameras,
            "measured_s": round(self.measured_s, 2),
            "analysed_fps": round(self.counts.analysed / self.measured_s, 2),
            "analysed_fps_per_camera": round(self.counts.analysed / self.measured_s / self.cameras, 3),
            "received_of_due": round(self.pace, 4),
            "frames": {
                "received": self.counts.received,
                "analysed": self.counts.analysed,
                "skipped": dict(self.counts.skipped),
                "dropped": dict(self.counts.dropped),
                "waiting_more": self.counts.waiting,
            },
            "dropped": self.dropped,
            "unaccounted": self.unaccounted,
            "latency": {name: spread.as_dict() for name, spread in self.stages.items()},
            "cpu_cores": round(self.cpu_cores, 3),
            "cpu_cores_by_thread": {name: round(cores, 4) for name, cores in self.cpu_cores_by_thread.items()},
            "redis_cpu_cores": None if self.redis_cpu_cores is None else round(self.redis_cpu_cores, 4),
            "others_cpu_cores": None if self.others_cpu_cores is None else round(self.others_cpu_cores, 3),
            "decode_cpu_s_per_video_s": round(self.decode_cpu_s / self.measured_s / self.cameras, 5),
            "run_s_per_frame": round(self.run_s / analysed, 6),
            "run_cpu_s_per_frame": round(self.run_cpu_s / analysed, 6),
            "calls_by_batch": {str(frames): calls for frames, calls in sorted(self.batches.items())},
            "memory_mb": None if self.memory_mb is None else round(self.memory_mb, 1),
            "memory_slope_mb_per_min": None
            if self.memory_slope_mb_per_min is None
            else round(self.memory_slope_mb_per_min, 2),
            "gpu": self.gpu,
            "failed": self.failed,
        }


def why_not(trial: Trial, p99_limit_s: float, analyse_fps: float) -> str | None:
    """Which promise was broken, as a sentence; None where all were kept."""
    if trial.failed:
        return trial.failed
    if trial.dropped:
        reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(trial.counts.dropped.items()) if n)
        return f"{trial.dropped} frames were dropped ({reasons})"
    if trial.unaccounted:
        return f"{trial.unaccounted} frames are not accounted for"
    if trial.pace < LEAST_PACE:
        return f"only {trial.pace:.0%} of the frames that were due could be read in time"
    if WHOLE not in trial.stages:
        return f"no frame was analysed in {trial.measured_s:.0f} s; ask for more than {analyse_fps:g} frames a second"
    if trial.p99_s > p99_limit_s:
        return f"p99 is {trial.p99_s * 1e3:.0f} ms, over {p99_limit_s * 1e3:.0f} ms"
    return None


def configuration(plan: Plan, cameras: int, data_dir: Path, labels: tuple[str, ...]) -> Config:
    """Cameras as a user would write them: one zone, one rule, everything else as it is by default."""
    rule: dict[str, Any] = {"name": "somebody", "kind": "intrusion", "zone": "middle", "cooldown_s": 30.0}
    if "person" in labels:
        rule["labels"] = ["person"]
    camera = {
        "url": str(plan.footage.file),
        "pace": "realtime",
        "loop": True,
        "decode": "motion" if plan.gated else "always",
        "analyse_fps": plan.analyse_fps,
        "decode_on": plan.decode_on,
        "zones": {"middle": [[0.25, 0.25], [0.75, 0.25], [0.75, 0.95], [0.25, 0.95]]},
        "rules": [rule],
    }
    written: dict[str, Any] = {
        "cameras": {f"camera-{n}": camera for n in range(1, cameras + 1)},
        "model": plan.model.model_dump(mode="python"),
        "data_dir": str(data_dir),
        "http": None,
    }
    if plan.redis_url:
        written["redis"] = {"url": plan.redis_url}
    else:
        written["jsonl"] = {"path": str(data_dir / "alerts.jsonl")}
    config = Config.model_validate(written)
    # Else frames are dropped as too old before they can be as late as was asked for.
    max_age_s = min(60.0, max(config.inference.max_age_s, plan.p99_limit_s))
    return config.model_copy(update={"inference": config.inference.model_copy(update={"max_age_s": max_age_s})})


def run_trial(plan: Plan, cameras: int, labels: tuple[str, ...], measure_s: float | None = None) -> Trial:
    """Run the service on so many cameras in this process. Raises what open_house raises; blocks for its time.

    An interruption (KeyboardInterrupt) winds the service down and goes on to the caller.
    """
    clock = SystemClock()
    on_the_way = FramesOnTheWay(clock.monotonic, published=plan.redis_url is not None)

    with tempfile.TemporaryDirectory(prefix="streamer-bench-", dir=plan.scratch) as scratch:
        config = configuration(plan, cameras, Path(scratch), labels)
        with (
            open_house(config, clock, "bench", on_published=on_the_way.acknowledged) as house,
            usage.gpu_watched() as gpu,
        ):
            on_the_way.watch(house, from_due=not plan.gated)
            running = _Running(house)
            try:
                ended = running.ended_within(plan.settle_s)
                before = _Reading.of(house, plan)
                on_the_way.durations.forget()
                on_the_way.batches.clear()
                gpu.clear()
                memory = _Memory()
                ended = ended or running.ended_within(measure_s or plan.measure_s, memory.read)
                after = _Reading.of(house, plan)
                stages, batches = on_the_way.durations.spreads(), dict(on_the_way.batches)
            finally:
                report = running.stop()
        # Closing the house has sent what waited: now every analysed frame should have arrived.
        analysed = {unit.camera: unit.ledger.counts().analysed for unit in house.service.cameras}
        lost = sum(n - on_the_way.ended(camera) for camera, n in analysed.items())
    spent_s = after.at_s - before.at_s
    cores = usage.cpu_between(before.cpu_by_thread, after.cpu_by_thread, spent_s)
    redis_cores = _cores(before.redis_cpu_s, after.redis_cpu_s, spent_s)
    machine_cores = _cores(before.machine_cpu_s, after.machine_cpu_s, spent_s)
    ours = sum(cores.values()) + (redis_cores or 0.0)
    return Trial(
        cameras=cameras,
        measured_s=spent_s,
        due_frames=plan.footage.fps * spent_s * cameras,
        counts=_between(before.counts, after.counts),
        lost_results=lost,
        stages=stages,
        cpu_cores=sum(cores.values()),
        cpu_cores_by_thread=cores,
        redis_cpu_cores=redis_cores,
        others_cpu_cores=None if machine_cores is None else max(0.0, machine_cores - ours),
        decode_cpu_s=after.decode_cpu_s - before.decode_cpu_s,
        run_s=after.run_s - before.run_s,
        run_cpu_s=after.run_cpu_s - before.run_cpu_s,
        batches=batches,
        memory_mb=memory.newest_mb,
        memory_slope_mb_per_min=memory.slope_mb_per_min,
        gpu=usage.mean_reading(gpu),
        failed=_why_it_ended(report, running.error) if ended or not report.clean else None,
    )


class _Running:
    """The service on a thread of its own, while this one watches."""

    def __init__(self, house: House) -> None:
        self._service = house.service
        self._ended = threading.Event()
        self._report = ServiceReport()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="bench:service", daemon=True)
        self._thread.start()

    def ended_within(self, seconds: float, look: Callable[[], None] = lambda: None) -> bool:
        """Wait; true where the service ended by itself meanwhile. `look` is called about twice a second."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            look()
            if self._ended.wait(min(left_s, _READ_EVERY_S)):
                return True
        return False

    def stop(self) -> ServiceReport:
        """End it, wait for that, and say how it went."""
        self._service.stop()
        self._thread.join()
        return self._report

    def _run(self) -> None:
        try:
            self._report = self._service.run()
        except BaseException as error:  # noqa: BLE001 - told by who waits
            self.error = error
        finally:
            self._ended.set()


@dataclass(slots=True)
class _Memory:
    """Readings of the process's memory."""

    at_s: list[float] = field(default_factory=list)
    mb: list[float] = field(default_factory=list)

    def read(self) -> None:
        if (mb := usage.resident_mb()) is not None:
            self.at_s.append(time.monotonic())
            self.mb.append(mb)

    @property
    def newest_mb(self) -> float | None:
        return self.mb[-1] if self.mb else None

    @property
    def slope_mb_per_min(self) -> float | None:
        return usage.slope_per_minute(self.at_s, self.mb) if self.mb else None


@dataclass(frozen=True, slots=True)
class _Reading:
    """The house's books at one moment."""

    at_s: float
    counts: FrameCounts
    cpu_by_thread: Mapping[str, float]
    redis_cpu_s: float | None
    machine_cpu_s: float | None
    decode_cpu_s: float
    run_s: float
    run_cpu_s: float

    @classmethod
    def of(cls, house: House, plan: Plan) -> _Reading:
        at_s, timings = time.monotonic(), house.detector.timings
        return cls(
            at_s=at_s,
            counts=_total(house),
            cpu_by_thread=usage.cpu_by_thread(but=plan.redis_pid),
            redis_cpu_s=usage.cpu_of_pid(plan.redis_pid) if plan.redis_pid else None,
            machine_cpu_s=usage.machine_cpu(),
            decode_cpu_s=sum(unit.around.sleep.reading(at_s).decode_s for unit in house.service.cameras),
            run_s=timings.run_s,
            run_cpu_s=timings.run_cpu_s,
        )


def _cores(before_s: float | None, after_s: float | None, spent_s: float) -> float | None:
    return None if before_s is None or after_s is None else (after_s - before_s) / spent_s


def _total(house: House) -> FrameCounts:
    return _added([unit.ledger.counts() for unit in house.service.cameras])


def _added(all_counts: list[FrameCounts]) -> FrameCounts:
    skipped: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    for counts in all_counts:
        skipped.update(counts.skipped)
        dropped.update(counts.dropped)
    return FrameCounts(sum(c.received for c in all_counts), sum(c.analysed for c in all_counts), skipped, dropped)


def _between(before: FrameCounts, after: FrameCounts) -> FrameCounts:
    return FrameCounts(
        after.received - before.received,
        after.analysed - before.analysed,
        {reason: n - before.skipped.get(reason, 0) for reason, n in after.skipped.items()},
        {reason: d for reason, n in after.dropped.items() if (d := n - before.dropped.get(reason, 0))},
    )


def _why_it_ended(report: ServiceReport, error: BaseException | None) -> str:
    if error is not None:
        return f"the service ended by itself: {type(error).__name__}: {error}"
    for name, why in report.failed.items():
        told = str(why) if isinstance(why, StreamerError) else f"{type(why).__name__}: {why}"
        return f"stage {name} failed: {told}"
    if report.hung:
        return f"{' and '.join(report.hung)} did not end in time"
    for why_lost in report.cameras.values():
        return why_lost
    return "the service ended by itself"
