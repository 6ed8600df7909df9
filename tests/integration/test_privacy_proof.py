"""No pixel that is private leaves the service: looked for everywhere, and found where it may be.

The real service watches a street with one pattern drawn where a mask lies, and another on everybody's head. Every
address of the console, every file of the data folder, every key of Redis, every webhook and JSON line is searched for
both. The same search without privacy finds both everywhere, so it could have failed.
"""

from __future__ import annotations

import base64
import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import redis
import yaml

from streamer.demo.street import Street
from streamer.demo.views import GATE, SEED
from streamer.web.access import ACCESS
from tests.console import wait_until_served
from tests.crew import eventually
from tests.living import follow, one_camera, replayed, running
from tests.redis_server import RedisServer
from tests.rtsp import free_port
from tests.secret_patterns import Secret, pattern, pictures_in
from tests.unit.test_sinks_webhook import Hook

WH, FPS = (960, 540), 10
HIDDEN, SEEN = 0.6, 0.7  # of correlation: below, nobody could find it; above, anybody would
UNDER_MASK = Secret("under the mask", pattern(10, 11), (0.07, 0.1))
ON_HEADS = Secret("on the heads", pattern(8, 5), (0.03, 0.045))
MASK = [[0.78, 0.02], [0.92, 0.02], [0.92, 0.27], [0.78, 0.27]]
TOKEN = "an-admins-token-for-the-proof"
ZONES = {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]}
RULE = {"name": "in", "kind": "intrusion", "zone": "all", "labels": ["person"], "min_score": 0.3}


@pytest.fixture(scope="module")
def secret_street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds: eight with three people who stand there, four without anybody; both patterns."""
    street = Street(replace(GATE, focal_px=3200, picture_wh=WH, horizon_px=-250), SEED)
    busy, truth = street.frame_and_truth(32.2)
    empty = street.backdrop.sunny.copy()
    heads = 0
    for box, visible in zip(truth.boxes_xyxy[truth.class_ids == 0], truth.visible[truth.class_ids == 0], strict=True):
        height = box[3] - box[1]
        side, left = round(height / 7.2), round((box[0] + box[2]) / 2 - height / 14.4)
        if height > 150 and visible > 0.9 and box[1] > 40 and 0 <= left < WH[0] - side:
            ON_HEADS.draw(busy, left, round(float(box[1])), side)
            heads += 1
    assert heads == 3
    for rgb in (busy, empty):
        UNDER_MASK.draw(rgb, 780, 40, 80)
    path = tmp_path_factory.mktemp("secret") / "street.mp4"
    rng = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "16", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = *WH, "yuv420p"
        stream.codec_context.gop_size = FPS
        for n in range(12 * FPS):
            noisy = (busy if n < 8 * FPS else empty).astype(np.int16) + rng.integers(-2, 3, (*WH[::-1], 1))
            frame = av.VideoFrame.from_ndarray(np.clip(noisy, 0, 255).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@dataclass
class Service:
    """A running one, and where what it tells arrives."""

    port: int
    folder: Path
    redis_url: str
    hook: Hook
    camera: Mapping[str, Any]
    alert: str = ""

    def ask(self, method: str, path: str, body: Any = None, *, most_bytes: int = 3_000_000) -> tuple[int, bytes]:
        """Status and content, of streams what comes in the first seconds."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            if answer.getheader("Content-Length") is not None:
                return answer.status, answer.read()
            content, over = b"", threading.Timer(4.0, lambda: connection.sock and connection.sock.shutdown(2))
            over.start()
            try:
                while len(content) < most_bytes and (some := answer.read1(65_536)):
                    content += some
            except (OSError, http.client.HTTPException):
                pass  # we hung up
            finally:
                over.cancel()
            return answer.status, content
        finally:
            connection.close()


Visit = Callable[[Service], tuple[int, bytes]]


def at(path: str) -> Visit:
    return lambda service: service.ask("GET", path.replace("ALERT", service.alert))


def sent(method: str, path: str, body: Any = None) -> Visit:
    return lambda service: service.ask(method, path.replace("ALERT", service.alert), {} if body is None else body)


def tried(service: Service) -> tuple[int, bytes]:
    settings = {key: value for key, value in service.camera.items() if key not in ("zones", "rules", "trouble")}
    return service.ask("POST", "/api/configuration/try", {"camera": "gate", "settings": settings})


# How each address is visited, in this order. A new one is missing here until somebody has thought about what it shows.
VISITS: Mapping[tuple[str, str], Visit] = {
    ("GET", "/"): at("/"),
    ("GET", "/alerts"): at("/alerts"),
    ("GET", "/alerts/{alert_id}"): at("/alerts/ALERT"),
    ("GET", "/audit"): at("/audit"),
    ("GET", "/cameras/{camera}"): at("/cameras/gate"),
    ("GET", "/cameras/{camera}/places"): at("/cameras/gate/places"),
    ("GET", "/cameras/{camera}/settings"): at("/cameras/gate/settings"),
    ("GET", "/configuration"): at("/configuration"),
    ("GET", "/configuration/add"): at("/configuration/add"),
    ("GET", "/static/{path:path}"): at("/static/js/main.js"),
    ("GET", "/api/session"): at("/api/session"),
    ("GET", "/api/openapi.json"): at("/api/openapi.json"),
    ("GET", "/api/events"): at("/api/events"),
    ("GET", "/api/live"): at("/api/live?camera=gate&width=640"),
    ("GET", "/api/cameras"): at("/api/cameras"),
    ("GET", "/api/cameras/{camera}"): at("/api/cameras/gate"),
    ("GET", "/api/cameras/{camera}/picture.jpg"): at("/api/cameras/gate/picture.jpg?width=960"),
    ("GET", "/api/cameras/{camera}/live.mjpg"): at("/api/cameras/gate/live.mjpg?width=960"),
    ("GET", "/api/cameras/{camera}/live.mp4"): at("/api/cameras/gate/live.mp4"),
    ("GET", "/api/cameras/{camera}/video"): at("/api/cameras/gate/video"),
    ("GET", "/api/cameras/{camera}/timeline"): at("/api/cameras/gate/timeline"),
    ("GET", "/api/cameras/{camera}/places"): at("/api/cameras/gate/places"),
    ("GET", "/api/configuration"): at("/api/configuration"),
    ("GET", "/api/configuration/history"): at("/api/configuration/history"),
    ("GET", "/api/configuration/history/{number}"): at("/api/configuration/history/1"),
    ("GET", "/api/configuration/cameras/{camera}"): at("/api/configuration/cameras/gate"),
    ("GET", "/api/alerts"): at("/api/alerts"),
    ("GET", "/api/alerts/{alert_id}"): at("/api/alerts/ALERT"),
    ("GET", "/api/alerts/{alert_id}/snapshot.jpg"): at("/api/alerts/ALERT/snapshot.jpg"),
    ("GET", "/api/alerts/{alert_id}/clip.mp4"): at("/api/alerts/ALERT/clip.mp4"),
    ("GET", "/api/silences"): at("/api/silences"),
    ("GET", "/api/audit"): at("/api/audit"),
    ("POST", "/api/alerts/acknowledge"): sent("POST", "/api/alerts/acknowledge", {"ids": ["none"]}),
    ("POST", "/api/alerts/{alert_id}/acknowledge"): sent("POST", "/api/alerts/ALERT/acknowledge"),
    ("POST", "/api/alerts/{alert_id}/comment"): sent("POST", "/api/alerts/ALERT/comment", {"text": "seen"}),
    ("POST", "/api/alerts/{alert_id}/silence"): sent("POST", "/api/alerts/ALERT/silence", {"for_s": 1}),
    ("DELETE", "/api/silences/{number}"): sent("DELETE", "/api/silences/1"),
    ("POST", "/api/cameras/{camera}/wake"): sent("POST", "/api/cameras/gate/wake"),
    ("PUT", "/api/cameras/{camera}/places"): sent("PUT", "/api/cameras/gate/places"),
    ("POST", "/api/configuration/try"): tried,
    ("POST", "/api/configuration/plan"): sent("POST", "/api/configuration/plan"),
    # What would change the camera under the proof is asked for in a way that is refused.
    ("PUT", "/api/configuration"): sent("PUT", "/api/configuration"),
    ("POST", "/api/configuration/rollback"): sent("POST", "/api/configuration/rollback"),
    ("POST", "/api/configuration/cameras"): sent("POST", "/api/configuration/cameras"),
    ("PUT", "/api/configuration/cameras/{camera}"): sent("PUT", "/api/configuration/cameras/gate"),
    ("DELETE", "/api/configuration/cameras/{camera}"): sent("DELETE", "/api/configuration/cameras/nobody"),
    ("POST", "/api/logout"): sent("POST", "/api/logout"),
    ("POST", "/api/login"): sent("POST", "/api/login", {"user": "ada", "password": "no"}),
}

SHOW_PICTURES = (
    ("GET", "/api/live"),
    ("GET", "/api/cameras/{camera}/picture.jpg"),
    ("GET", "/api/cameras/{camera}/live.mjpg"),
    ("GET", "/api/cameras/{camera}/live.mp4"),
    ("GET", "/api/alerts/{alert_id}/snapshot.jpg"),
    ("GET", "/api/alerts/{alert_id}/clip.mp4"),
    ("POST", "/api/configuration/try"),
)


def test_every_address_has_been_thought_about() -> None:
    assert VISITS.keys() == ACCESS.keys()


@contextmanager
def served(folder: Path, video: Path, privacy: dict[str, Any], processes: int) -> Iterator[Service]:
    """The service as anybody runs it, with every way out that it has."""
    hook, port = Hook(), free_port()
    threading.Thread(target=hook.serve_forever, args=(0.05,), daemon=True).start()
    camera = {
        "url": str(video),
        "pace": "realtime",
        "loop": True,
        "decode": "always",
        "zones": ZONES,
        "rules": [RULE],
        "trouble": {"frozen_after_s": None},
        "clips": {"before_s": 2, "after_s": 2},
        **({"privacy": privacy} if privacy else {"record": {"segment_s": 2}}),
    }
    try:
        with RedisServer(folder) as server:
            config = one_camera(folder, server.url, **camera)
            settings = yaml.safe_load(config.read_text())
            settings["web"] = {"port": port, "tokens": {"proof": {"role": "admin", "token": TOKEN}}}
            settings["webhooks"] = {"hook": {"url": hook.url, "secret": "sixteen letters."}}
            settings["jsonl"] = {"path": str(folder / "data" / "alerts.jsonl")}
            settings["capture"] = {"processes": processes}
            config.write_text(yaml.safe_dump(settings, sort_keys=False))
            with running(config):
                wait_until_served(f"http://127.0.0.1:{port}")
                yield Service(port, folder, server.url, hook, camera)
    finally:
        hook.shutdown()
        hook.server_close()


def has_clip(change: Mapping[str, Any]) -> bool:
    return bool(change.get("clip"))


def everything_told(service: Service, *, clips: bool) -> dict[str, list[tuple[int, bytes]]]:
    """Where it was → what was there: all bytes that left the service until an alert was over."""
    changes = follow(
        service.redis_url,
        lambda seen: any((has_clip(each) if clips else each["change"] == "closed") for each in seen),
        within_s=150,
    )
    service.alert = next(each["id"] for each in changes if (has_clip(each) or not clips) and each["snapshot"])
    eventually(lambda: service.ask("GET", f"/api/alerts/{service.alert}")[0] == 200)
    service.ask("GET", "/api/cameras/gate/picture.jpg?width=1920")  # from now on full-size pictures are kept
    told: dict[str, list[tuple[int, bytes]]] = {}
    for (method, path), visit in VISITS.items():
        if (method, path) in SHOW_PICTURES:
            eventually(lambda: somebody_is_there(service))
        told[f"{method} {path}"] = [visit(service)]
    for width in (320, 640, 1920):
        eventually(lambda: somebody_is_there(service))
        told["GET /api/cameras/{camera}/picture.jpg"].append(
            service.ask("GET", f"/api/cameras/gate/picture.jpg?width={width}")
        )
    told["webhooks"] = [(200, body) for _, body in service.hook.got]
    with redis.Redis.from_url(service.redis_url) as client:
        for key in client.scan_iter():
            told[f"redis {key.decode()}"] = [(200, content) for content in of_key(client, key)]
    return told


def somebody_is_there(service: Service) -> bool:
    """In the newest picture, as the service itself says."""
    with redis.Redis.from_url(service.redis_url, decode_responses=True) as client:
        [(_, newest)] = client.xrevrange("streamer:detections:gate", count=1)
    return any(each["label"] == "person" and each["score"] > 0.4 for each in json.loads(newest["data"])["objects"])


def of_key(client: Any, key: bytes) -> list[bytes]:
    match client.type(key):
        case b"string":
            return [client.get(key)]
        case b"hash":
            return [*client.hgetall(key).values()]
        case b"stream":
            return [value for _, fields in client.xrange(key) for value in fields.values()]
        case b"zset":
            return [*client.zrange(key, 0, -1)]
        case b"set":
            return [*client.smembers(key)]
        case b"list":
            return [*client.lrange(key, 0, -1)]
    raise AssertionError(f"{key!r} is a {client.type(key)}: look into it, too")


def files_of(folder: Path) -> dict[str, list[tuple[int, bytes]]]:
    """Every file, by its first folder; only what a service writes."""
    found: dict[str, list[tuple[int, bytes]]] = {}
    for path in sorted((folder / "data").rglob("*")):
        if path.is_file():
            found.setdefault(f"file {path.relative_to(folder / 'data').parts[0]}", []).append((200, path.read_bytes()))
    return found


def seen(told: Mapping[str, list[tuple[int, bytes]]]) -> dict[str, dict[str, float]]:
    """Where there are pictures → how sure the search is of each pattern in any of them."""
    found: dict[str, dict[str, float]] = {}
    judged: dict[tuple[tuple[int, ...], bytes], dict[str, float]] = {}  # many a picture lies in several places
    for where, contents in told.items():
        for _, content in contents:
            for picture in pictures_in(content, most=12):
                key = picture.shape, picture.tobytes()
                if key not in judged:
                    judged[key] = {secret.name: secret.seen_in(picture) for secret in (UNDER_MASK, ON_HEADS)}
                best = found.setdefault(where, {})
                for name, sure in judged[key].items():
                    best[name] = max(best.get(name, -1.0), sure)
    return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("processes", [0, 1], ids=["read in the service", "read by the crew"])
def test_what_is_private_is_nowhere(tmp_path: Path, secret_street: Path, processes: int) -> None:
    clips = "none" if processes else "redacted"
    privacy = {"masks": [MASK], "redact": "heads", "clips": clips}
    with served(tmp_path, secret_street, privacy, processes) as service:
        told = everything_told(service, clips=clips == "redacted")
        assert all(status < 500 for contents in told.values() for status, _ in contents)
        assert told["GET /api/cameras/{camera}/video"][0][0] in (403, 503)
        assert told["GET /api/cameras/{camera}/live.mp4"][0][0] in (403, 503)
    found = seen(told | files_of(tmp_path))
    for where, best in found.items():
        assert max(best.values()) < HIDDEN, (where, best)
    shown = {f"{m} {path}" for m, path in SHOW_PICTURES} - {"GET /api/cameras/{camera}/live.mp4"}
    assert shown - ({"GET /api/alerts/{alert_id}/clip.mp4"} if clips == "none" else set()) <= found.keys()
    assert ("file clips" in found) == (clips == "redacted")
    assert "file snapshots" in found
    if clips == "none":
        reasons = [json.loads(body)["reason"] for body in bodies(told["webhooks"])]
        assert all("privacy" in reason["no_clip"] for reason in reasons)


def bodies(contents: list[tuple[int, bytes]]) -> list[bytes]:
    return [content for _, content in contents if json.loads(content).get("schema") == "streamer.alert/1"]


@pytest.mark.timeout(600)
def test_the_same_search_finds_it_everywhere_where_nothing_is_private(tmp_path: Path, secret_street: Path) -> None:
    with served(tmp_path, secret_street, {}, 0) as service:
        told = everything_told(service, clips=True)
    found = seen(told | files_of(tmp_path))
    for where in (*(f"{m} {path}" for m, path in SHOW_PICTURES), "file snapshots", "file clips", "file recordings"):
        assert min(found[where].values()) > SEEN, (where, found.get(where))
    assert b"moof" in told["GET /api/cameras/{camera}/video"][0][1]


@pytest.mark.parametrize("privacy", [{"masks": [MASK], "redact": "heads"}, {}], ids=["private", "open"])
def test_a_drawn_replay_shows_what_the_service_would(
    tmp_path: Path, secret_street: Path, privacy: dict[str, Any]
) -> None:
    config = one_camera(
        tmp_path, "redis://127.0.0.1:1", url=str(secret_street), zones=ZONES, rules=[RULE], privacy=privacy
    )
    replayed(secret_street, config, tmp_path / "out.jsonl", "--render", str(tmp_path / "drawn.mp4"))
    [best] = seen({"drawn": [(200, (tmp_path / "drawn.mp4").read_bytes())]}).values()
    if privacy:
        assert max(best.values()) < HIDDEN
    else:
        assert min(best.values()) > SEEN


def test_a_picture_is_found_in_whatever_it_is_wrapped() -> None:
    """The search sees through base64, through what stands before, and through a database."""
    rgb = np.full((*WH[::-1], 3), 90, np.uint8)
    UNDER_MASK.draw(rgb, 780, 40, 80)
    jpeg = cv2.imencode(".jpg", rgb)[1].tobytes()
    for content in (jpeg, b"\0" * 77 + jpeg, b'{"jpeg": "' + base64.b64encode(jpeg) + b'"}'):
        assert max(UNDER_MASK.seen_in(picture) for picture in pictures_in(content)) > SEEN
