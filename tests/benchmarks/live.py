"""Is `run` what `replay` says? vtest over real RTSP into the service, its alerts on a real Redis, against the file's.

    python -m tests.benchmarks.live [--analyse-fps 5]

Default settings throughout: what a person gets. Every alert change of the first pass must be there with the same kind,
rule, place, order and numbering, and its time within one analysed frame. Also counts what was dropped on the way.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import redis

from tests.benchmarks.footage import detector_folder, street_with_people
from tests.benchmarks.report import report
from tests.living import Changes, follow, replayed, running, told, write_config
from tests.redis_server import RedisServer
from tests.rtsp import aio_rtsp_server

RULES = {
    "zones": {
        "left": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]],
        "right": [[0.5, 0], [1, 0], [1, 1], [0.5, 1]],
        "middle": [[0.2, 0.2], [0.8, 0.2], [0.8, 0.9], [0.2, 0.9]],
    },
    "lines": {"across": [[0, 0.5], [1, 0.5]]},
    "rules": [
        {"name": "in-left", "kind": "intrusion", "zone": "left", "labels": ["person"]},
        {"name": "stays", "kind": "loitering", "zone": "middle", "dwell_s": 5, "labels": ["person"]},
        {"name": "crosses", "kind": "line_crossing", "line": "across", "labels": ["person"]},
        {"name": "crowd", "kind": "occupancy", "zone": "right", "above": 3, "labels": ["person"]},
        {"name": "against", "kind": "wrong_direction", "zone": "middle", "heading_deg": 90, "labels": ["person"]},
    ],
}


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--analyse-fps", type=float, default=5.0)
    args = parser.parse_args()
    video = street_with_people()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with RedisServer(folder / "redis") as server, aio_rtsp_server(video.parent) as rtsp:
            camera = {"url": rtsp.url(video.name), "analyse_fps": args.analyse_fps, **RULES}
            config = write_config(
                folder / "live.yaml",
                model={"path": str(detector_folder(folder))},
                redis={"url": server.url},
                data_dir=str(folder / "data"),
                cameras={"street": camera},
            )
            frames, expected = replayed(video, config, folder / "out.jsonl")
            print(f"replay: {len(frames)} frames, {len(expected)} alert changes; now live …", flush=True)
            with running(config):
                seen = follow(server.url, lambda c: len(_first(c)) >= len(expected), within_s=150)
                with redis.Redis.from_url(server.url, decode_responses=True) as client:
                    state = json.loads(client.hget("streamer:cameras", "street") or "{}")
    live = _first(seen)
    same = sum(told(a) == told(b) for a, b in zip(live, expected, strict=False))
    worst_s = max((abs(a["media_s"] - b["media_s"]) for a, b in zip(live, expected, strict=False)), default=0.0)
    values: dict[str, object] = {
        "alert_changes": len(expected),
        "same": same,
        "live_changes": len(live),
        "worst_time_s": round(worst_s, 3),
        "analysed_frame_s": round(1 / args.analyse_fps, 3),
        "frames": state.get("frames"),
    }
    report("live", values)


def _first(changes: Changes) -> Changes:
    """Those of the first pass: the server begins the clip again for the next connection."""
    return [c for c in changes if c["session"] == changes[0]["session"]] if changes else []


if __name__ == "__main__":
    main()
