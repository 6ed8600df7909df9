"""What does one camera cost a Redis server? Processor time, bytes on the wire and bytes kept, of everything we ask it.

    python -m tests.benchmarks.redis_rates [--frames 20000]

A real redis-server without disk, our own messages (frames with `--objects` objects, alerts with a reason), our own
scripts. Time is the server's own processor time (INFO cpu) over what was asked, so that it does not matter how fast the
asking program is; `plain` is a frame of a service on its own, `leased` one of a node of a cluster, which is compared
with the newest epoch. Two servers' worth of leases are renewed at once: what counts is the cost per camera.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from streamer import broker
from streamer.cluster.leases import LeaseStore, Taken
from streamer.sinks.feed_script import FEED, FEED_SHA
from streamer.sinks.outbox import StoredChange
from streamer.sinks.redis_alerts import RedisAlerts
from streamer.wire import camera_body, dumps, encode_alert, frame_body, frame_fields, frame_objects
from tests.alert_lives import change, result
from tests.benchmarks.report import report
from tests.redis_server import RedisServer

_CAMERAS = 1000
_AT_ONCE = 100


class Meter:
    """Reads the server's books before and after."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def of(self, count: int, ask: Callable[[], object]) -> dict[str, float]:
        """Microseconds of the server's processor, bytes in and bytes kept, per thing asked."""
        before = self._read()
        ask()
        after = self._read()
        cpu_s, received, kept = (b - a for a, b in zip(before, after, strict=True))
        return {
            "us": round(1e6 * cpu_s / count, 2),
            "bytes_in": round(received / count, 1),
            "bytes_kept": round(kept / count, 1),
        }

    def _read(self) -> tuple[float, float, float]:
        info: Any = self._client.info()
        cpu_s = info["used_cpu_sys"] + info["used_cpu_user"]
        return cpu_s, info["total_net_input_bytes"], info["used_memory_dataset"]


def fields_of(objects: int) -> dict[str, str]:
    """One frame as the live feed writes it."""
    seen = result(objects=objects, tracked=objects)
    frame = seen.frame
    return dict(
        frame_fields(
            frame_body(
                camera="camera-0000",
                session=frame.session,
                index=123_456,
                media_s=12_345.678,
                captured_at=1_700_000_000.123,
                source_wh=(1920, 1080),
                objects=frame_objects(seen.detections, seen.tracks),
                scene=None,
            )
        )
    )


def send_frames(client: redis.Redis, frames: int, fields: dict[str, str], kept: int, leased: bool) -> None:
    """Frames of all cameras in turn, many to a round trip, as the feed does it."""
    pipe: Any = client.pipeline(transaction=False)
    flat = [part for pair in fields.items() for part in pair]
    for n in range(frames):
        camera = f"camera-{n % _CAMERAS:04d}"
        if leased:
            keys = f"streamer:detections:{{{camera}}}", f"streamer:fence:{{{camera}}}"
            pipe.execute_command("EVALSHA", FEED_SHA, 2, *keys, 1_700_000_000_000, kept, *flat)
        else:
            pipe.xadd(f"streamer:detections:{camera}", fields, maxlen=kept, approximate=True)
        if n % _AT_ONCE == _AT_ONCE - 1:
            pipe.execute()
    pipe.execute()


def publish(url: str, changes: int, epoch: int, batch: int, line: str) -> None:
    """Alert changes through the script, `batch` to a call."""
    alerts = RedisAlerts(url)
    rows = []
    for n in range(changes):
        one = change(f"{line}-{n // 4}", n % 4 + 1, "closed" if n % 4 == 3 else "updated", camera=f"c{n % _CAMERAS}")
        body = encode_alert(one)
        rows.append(
            StoredChange(n + 1, one.id, one.seq, one.type, one.camera, one.kind, one.severity, 0.0, body, epoch)
        )
    for begin in range(0, changes, batch):
        alerts.deliver(line, begin, rows[begin : begin + batch])
    alerts.close()


def main() -> None:
    """Measure, and report."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.redis_rates", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--frames", type=int, default=20_000, help="frames to send, each way (default 20000)")
    parser.add_argument("--objects", type=int, default=3, help="objects in a frame (default 3)")
    args = parser.parse_args()
    fields = fields_of(args.objects)
    cameras = [f"camera-{n:04d}" for n in range(_CAMERAS)]
    with (
        tempfile.TemporaryDirectory(prefix="redis-rates-") as folder,
        RedisServer(Path(folder), appendonly=False) as server,
    ):
        client = broker.connect(server.url)
        meter = Meter(client)
        client.script_load(FEED)
        send_frames(client, _CAMERAS, fields, 100, leased=True)
        send_frames(client, _CAMERAS, fields, 100, leased=False)
        plain = meter.of(args.frames, lambda: send_frames(client, args.frames, fields, 1000, leased=False))
        leased = meter.of(args.frames, lambda: send_frames(client, args.frames, fields, 1000, leased=True))
        alone = meter.of(4000, lambda: publish(server.url, 4000, 0, 4, "alone"))
        fenced = meter.of(4000, lambda: publish(server.url, 4000, 10**13, 4, "fenced"))
        store = LeaseStore(server.url, "node-a/0123456789abcdef")
        taken: dict[str, int] = {}

        def take() -> None:
            taken.update({name: t.epoch for name, t in store.take(cameras).items() if isinstance(t, Taken)})

        had = meter.of(_CAMERAS, take)
        renewed = meter.of(
            20 * _CAMERAS,
            lambda: [
                store.renew({name: taken[name] for name in cameras[n : n + 50]})
                for _ in range(20)
                for n in range(0, _CAMERAS, 50)
            ],
        )
        state = {"link": "online", "since_s": 123.4, "frames": {"received": 1, "analysed": 1}, "decoder": "h264 (cpu)"}
        said = {name: dumps(camera_body(name, 1_700_000_000.0, state)) for name in cameras}
        shown = meter.of(
            20 * _CAMERAS,
            lambda: [
                client.hset("streamer:cameras", mapping={name: said[name] for name in cameras[n : n + 50]})
                for _ in range(20)
                for n in range(0, _CAMERAS, 50)
            ],
        )
        version = client.info("server")["redis_version"]
        client.close()
        store.close()
    report(
        "redis_rates",
        {
            "redis": version,
            "objects": args.objects,
            "frame_plain": plain,
            "frame_leased": leased,
            "alert_change": alone,
            "alert_change_leased": fenced,
            "lease_taken": had,
            "lease_renewed": renewed,
            "camera_shown": shown,
        },
    )


if __name__ == "__main__":
    main()
