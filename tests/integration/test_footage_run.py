"""The whole service over real RTSP: alerts have clips that show what the camera sent, and a stop completes them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from streamer.demo.clips import encode
from streamer.demo.street import Street
from streamer.demo.views import SEED, VIEWS
from tests.footage import pictures
from tests.living import Changes, follow, one_camera, published, running
from tests.redis_server import RedisServer
from tests.rtsp import aio_rtsp_server

EVERYWHERE = {
    "zones": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]},
    "rules": [{"name": "in", "kind": "intrusion", "zone": "all", "labels": ["person"], "min_score": 0.4}],
}


def a_config(folder: Path, redis_url: str, **camera: Any) -> Path:
    return one_camera(folder, redis_url, **EVERYWHERE, **camera)


def test_every_alert_of_a_stopped_service_has_its_clip_and_its_hash(tmp_path: Path, street: Path) -> None:
    clips = {"before_s": 2, "after_s": 3}
    with RedisServer(tmp_path / "redis") as redis, aio_rtsp_server(street.parent) as rtsp:
        config = a_config(tmp_path, redis.url, url=rtsp.url(street.name), clips=clips, record={"segment_s": 2})
        with running(config):
            follow(redis.url, lambda changes: len(_opened(changes)) >= 2, within_s=60)
        told = published(redis.url)
    with_picture = {c["id"] for c in _opened(told) if not c["kind"].startswith("camera.")}
    clip_of = {c["id"]: c["clip"] for c in told if c["clip"]}
    assert set(clip_of) == with_picture
    source = np.stack([picture for _, picture in pictures(street)]).astype(int)
    for clip in clip_of.values():
        path = tmp_path / "data" / clip["path"]
        content = path.read_bytes()
        assert (clip["sha256"], clip["bytes"], clip["codec"]) == (
            hashlib.sha256(content).hexdigest(),
            len(content),
            "h264",
        )
        for _, picture in pictures(path):
            assert abs(source - picture).max(axis=(1, 2)).min() == 0  # one of those that were sent, to the bit
    assert [*(tmp_path / "data" / "recordings" / "gate").glob("*/*.mp4")]
    by_alert: dict[str, list[str]] = {}
    for change in told:
        by_alert.setdefault(change["id"], []).append(change["change"])
    assert all("evidence" not in changes[:-1] for changes in by_alert.values())


def test_footage_comes_from_the_main_stream_where_there_is_one(tmp_path: Path, street: Path) -> None:
    main = tmp_path / "main"
    main.mkdir()
    view = Street(VIEWS["gate"], SEED)
    encode((view.frame(i / 10)[::2, ::2] for i in range(300)), main / "main.mp4", fps=10)
    with (
        RedisServer(tmp_path / "redis") as redis,
        aio_rtsp_server(street.parent) as sub_rtsp,
        aio_rtsp_server(main) as main_rtsp,
    ):
        config = a_config(
            tmp_path, redis.url, url=sub_rtsp.url(street.name, loop=True), footage_url=main_rtsp.url("main.mp4")
        )
        with running(config):
            follow(redis.url, lambda changes: len(_opened(changes)) >= 1, within_s=60)
        told = published(redis.url)
    [clip, *_] = [c["clip"] for c in told if c["clip"]]
    [(_, shown), *_] = pictures(tmp_path / "data" / clip["path"])
    [(_, analysed), *_] = pictures(street)
    assert shown.shape[1] * 2 == analysed.shape[1]


def _opened(changes: Changes) -> Changes:
    return [c for c in changes if c["change"] == "opened"]
