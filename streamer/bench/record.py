"""What `streamer bench` found, as one JSON object: record.schema.json says what it holds.

`costs` is what one camera and one frame cost this machine, for whoever plans how many it may have (admission control):

    decode_cpu_s_per_video_s        CPU seconds in the decoder for each second of this video, every frame decoded
    demux_cpu_s_per_video_s         of reading packets
    convert_cpu_s_per_frame         of making an analysed frame the model's size
    run_s_per_frame_by_batch        wall seconds inside session.run for each frame, by the frames in a call
    run_cpu_s_per_frame_by_batch    the same in CPU seconds, of all threads
    prepare_s_per_frame_by_batch, outputs_s_per_frame_by_batch    what stands before and behind it in the detector
    track_cpu_s_per_frame, rules_cpu_s_per_frame, publish_cpu_s_per_frame    publish: null where there is no Redis
    service_cpu_s_per_frame         of everything but decoder, conversion and session.run in the whole service;
                                    null where no number of cameras held, and for `bench stages`
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from streamer import __version__
from streamer.bench.capacity import Capacity, Judged
from streamer.bench.stages import StageCost
from streamer.bench.trial import Plan, Trial
from streamer.cores import processor, usable_cores
from streamer.errors import ConfigError

SCHEMA_VERSION = 1
_SCHEMA_FILE = "record.schema.json"


def record_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of both records."""
    schema: dict[str, Any] = json.loads(resources.files("streamer.bench").joinpath(_SCHEMA_FILE).read_text("utf-8"))
    return schema


def capacity_record(plan: Plan, model: dict[str, Any], most: int, found: Capacity, stages: Sequence[StageCost]) -> Any:
    """Of `--find-max-streams`."""
    return {
        **_head("find_max_streams", plan, model),
        "asked": {
            "p99_limit_ms": round(plan.p99_limit_s * 1e3, 3),
            "analyse_fps": plan.analyse_fps,
            "decode": "motion" if plan.gated else "always",
            "most_cameras": most,
            "settle_s": plan.settle_s,
            "measure_s": plan.measure_s,
            "latency_ends_at": "redis" if plan.redis_url else "analysis",
        },
        "found": {"cameras": found.cameras, "at_most": found.at_most},
        "trials": [_trial(each) for each in found.trials],
        "stages": [stage.as_dict() for stage in stages],
        "costs": costs(stages, plan, found.best),
    }


def stages_record(plan: Plan, model: dict[str, Any], stages: Sequence[StageCost]) -> Any:
    """Of `bench stages`."""
    return {
        **_head("stages", plan, model),
        "stages": [stage.as_dict() for stage in stages],
        "costs": costs(stages, plan, None),
    }


def costs(stages: Sequence[StageCost], plan: Plan, best: Trial | None) -> dict[str, Any]:
    """See above."""
    fps = plan.footage.fps

    def cpu_s(stage: str) -> float | None:
        return next((each.cpu_ms / 1e3 for each in stages if each.stage == stage), None)

    def by_batch(stage: str, *, cpu: bool) -> dict[str, float]:
        return {
            str(each.batch): round((each.cpu_ms if cpu else each.wall_ms) / 1e3, 7)
            for each in stages
            if each.stage == stage and each.batch
        }

    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 7)

    return {
        "decode_cpu_s_per_video_s": rounded((cpu_s("decode") or 0.0) * fps),
        "demux_cpu_s_per_video_s": rounded((cpu_s("demux") or 0.0) * fps),
        "convert_cpu_s_per_frame": rounded(cpu_s("convert")),
        "run_s_per_frame_by_batch": by_batch("session.run", cpu=False),
        "run_cpu_s_per_frame_by_batch": by_batch("session.run", cpu=True),
        "prepare_s_per_frame_by_batch": by_batch("prepare", cpu=False),
        "outputs_s_per_frame_by_batch": by_batch("outputs", cpu=False),
        "track_cpu_s_per_frame": rounded(cpu_s("track")),
        "rules_cpu_s_per_frame": rounded(cpu_s("rules")),
        "publish_cpu_s_per_frame": rounded(cpu_s("publish")),
        "service_cpu_s_per_frame": rounded(service_cpu_s(best, cpu_s("convert") or 0.0) if best else None),
    }


def service_cpu_s(trial: Trial, convert_cpu_s: float) -> float:
    """CPU of a running service for each analysed frame, less decoders, conversion and session.run."""
    analysed = max(1, trial.counts.analysed)
    rest_s = trial.cpu_cores * trial.measured_s - trial.decode_cpu_s - trial.run_cpu_s
    return max(0.0, rest_s / analysed - convert_cpu_s)


def written(file: Path, record: dict[str, Any]) -> None:
    """Put a record into a file. Raises ConfigError where that cannot be written."""
    try:
        file.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"--json: {file} cannot be written: {error.strerror or error}"]) from error


def machine() -> dict[str, Any]:
    """What it was measured on: processor, cores that this process may use, Python, system."""
    return {
        "cpu": processor(),
        "cores": usable_cores(),
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
    }


def _head(kind: str, plan: Plan, model: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "bench": kind,
        "streamer": __version__,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "model": {**model, "provider": plan.model.provider, "threads": plan.model.threads},
        "video": plan.footage.as_dict(),
    }


def _trial(judged: Judged) -> dict[str, Any]:
    return {
        **judged.trial.as_dict(),
        "held": judged.held,
        "broken": judged.broken,
        "confirms": judged.confirms,
    }
