"""Live video at the console's door: who gets it, who does not and why, over real sockets."""

from __future__ import annotations

import http.client
import io
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from streamer.clock import SystemClock
from streamer.footage.watched import WatchedTap
from streamer.live_video import LiveVideo
from streamer.web import video_door
from streamer.web.access import Role
from tests.alert_lives import result
from tests.clips import read_number, write_clip
from tests.console_server import TOKENS, Served, served
from tests.fakes import a_frame
from tests.screened import screened

FPS = 25.0


class Playing:
    """A camera that plays a clip again and again, each time in a new connection, as fast as it is told to."""

    def __init__(self, video: LiveVideo, clip: Path, zero_at: float, speed: float) -> None:
        self.tap, self._clip, self._zero_at = WatchedTap("gate", video), clip, zero_at
        self._pause_s, self._over = 1 / FPS / speed, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            with av.open(str(self._clip)) as container:
                stream = container.streams.video[0]
                self.tap.opened(stream)
                for packet in container.demux(stream):
                    if not packet.size or self._over.wait(self._pause_s):
                        break
                    self.tap.packet(packet, float(packet.pts * packet.time_base))
                    self.tap.timed(self._zero_at)
                self.tap.closed()

    def close(self) -> None:
        self._over.set()
        self._thread.join()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("video") / "clip.mp4", frames=200, gop=25, strict_gop=True)


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as running:
        running.videos["gate"] = LiveVideo(SystemClock().monotonic)
        yield running


@contextmanager
def playing(console: Served, clip: Path, speed: float = 4.0) -> Iterator[Playing]:
    camera = Playing(console.videos["gate"], clip, console.clock.now(), speed)
    try:
        yield camera
    finally:
        camera.close()


def opened(console: Served, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", console.port, timeout=30)
    connection.request("GET", path, headers={"Authorization": f"Bearer {TOKENS[Role.VIEWER]}"})
    return connection.getresponse()


def messages(answer: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    while len(head := answer.read(5)) == 5:
        content = answer.read(int.from_bytes(head[1:]))
        yield chr(head[0]), content if head[:1] == b"v" else json.loads(content)


def nobody_watches(console: Served) -> bool:
    """Waits until it is so."""
    tick = threading.Event()
    for _ in range(600):
        if not console.videos["gate"].viewers:
            return True
        tick.wait(0.05)
    return False


def test_a_player_gets_an_mp4_that_does_not_end(console: Served, clip: Path) -> None:
    with playing(console, clip):
        answer = opened(console, "/api/cameras/gate/live.mp4")
        assert (answer.status, answer.getheader("content-type")) == (200, "video/mp4")
        with av.open(io.BytesIO(answer.read(30_000))) as container:
            seen = [read_number(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
        answer.close()
        assert seen[0] % 25 == 0
        assert seen == list(range(seen[0], seen[0] + len(seen)))
        assert nobody_watches(console)  # whoever went away costs nothing any more


def test_what_was_found_comes_with_the_video_time_of_its_picture(console: Served, clip: Path) -> None:
    with playing(console, clip):
        answer = opened(console, "/api/cameras/gate/video")
        stream = messages(answer)
        kind, head = next(stream)
        assert (kind, head["codec"], head["size"]) == ("h", "avc1.64000d", [320, 240])
        kind, init = next(stream)
        assert (kind, len(init)) == ("v", head["init"])
        video, times, found = init, [], []
        captured_at = console.clock.now() + 3.2  # the picture with the number 80
        frame = replace(a_frame("gate", 80), captured_at=captured_at, session="s1")
        for kind, content in stream:
            if kind == "v":
                video += content
            if kind == "t":
                times.append(content)
            if kind == "s":
                found.append(content)
                break
            if times:  # from now on it is known when pictures were captured
                console.room.seen(screened(replace(result(camera="gate", index=80), frame=frame)))
        answer.close()
        assert times[0]["edge_s"] > 10.0
        assert (found[0]["index"], len(found[0]["objects"])) == (80, 3)
        with av.open(io.BytesIO(video)) as container:
            times_s = {read_number(each.to_ndarray(format="rgb24")): each.time for each in container.decode(video=0)}
        number, time_s = next(iter(times_s.items()))
        assert found[0]["at_s"] == pytest.approx(time_s + (80 - number) / FPS, abs=0.002)


def test_a_connection_that_ends_ends_the_answer_and_one_that_comes_again_gets_the_next(
    console: Served, clip: Path
) -> None:
    with playing(console, clip):
        for _ in range(2):
            answer = opened(console, "/api/cameras/gate/video")
            kinds = [kind for kind, _ in messages(answer)]  # to its end
            assert kinds[:2] == ["h", "v"]
            assert kinds.count("h") == 1


def test_many_viewers_share_one_video(console: Served, clip: Path) -> None:
    with playing(console, clip):
        answers = [opened(console, "/api/cameras/gate/live.mp4") for _ in range(8)]
        assert console.videos["gate"].viewers == 8
        contents = [answer.read(10_000) for answer in answers]
        for answer in answers:
            answer.close()
        assert all(content[4:8] == b"ftyp" for content in contents)
        assert nobody_watches(console)


def test_a_viewer_that_does_not_read_is_let_go_and_the_others_see_everything(console: Served, tmp_path: Path) -> None:
    rich = write_clip(tmp_path / "rich.mp4", frames=400, gop=25, noise=200, strict_gop=True)
    with playing(console, rich, speed=1.0), socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # little room for what nobody reads
        slow.connect(("127.0.0.1", console.port))
        token = f"Authorization: Bearer {TOKENS[Role.VIEWER]}"
        slow.sendall(f"GET /api/cameras/gate/live.mp4 HTTP/1.1\r\nHost: 127.0.0.1\r\n{token}\r\n\r\n".encode())
        quick = opened(console, "/api/cameras/gate/live.mp4")
        video = console.videos["gate"]
        content = b""
        while not video.let_go:
            piece = quick.read(20_000)
            assert piece, "the camera came to its end before the slow one was let go"
            content += piece
        assert video.viewers == 1
        quick.close()
    with av.open(io.BytesIO(content)) as container:
        seen = [packet.dts for packet in container.demux(video=0) if packet.size]
    steps = {b - a for a, b in pairwise(seen)}
    assert max(steps) - min(steps) <= 2  # ticks of 90 kHz


def test_a_camera_whose_pictures_are_redacted_is_never_shown_as_it_came(console: Served, clip: Path) -> None:
    console.redacted.add("gate")
    with playing(console, clip):
        for path in ("live.mp4", "video"):
            answer = console.get(f"/api/cameras/gate/{path}")
            assert answer.status == 403
            assert "redacted" in answer.json["detail"]
            assert console.get(f"/api/cameras/gate/{path}", Role.ADMIN).status == 403
        assert console.videos["gate"].viewers == 0


def test_why_there_is_no_video_is_said_in_a_sentence(
    console: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_door, "BEGINS_WITHIN_S", 0.2)
    answer = console.get("/api/cameras/gate/video")
    assert (answer.status, answer.json["detail"]) == (503, "camera 'gate' sends no video at the moment")
    assert answer.headers["retry-after"] == "2"
    assert nobody_watches(console)
    console.videos["gate"].refuse("camera 'gate' sends Motion JPEG, which browsers do not play as video")
    answer = console.get("/api/cameras/gate/video")
    assert (answer.status, "Motion JPEG" in answer.json["detail"]) == (415, True)
    assert console.get("/api/cameras/yard%202/video").status == 415
    assert console.get("/api/cameras/none/video").status == 404
    assert console.ask("GET", "/api/cameras/gate/video").status == 401


def test_no_more_than_sixteen_are_let_in(console: Served, clip: Path) -> None:
    with playing(console, clip):
        answers = [opened(console, "/api/cameras/gate/live.mp4") for _ in range(video_door.MOST_VIEWERS)]
        refused = console.get("/api/cameras/gate/live.mp4")
        assert (refused.status, "16 videos" in refused.json["detail"]) == (503, True)
        assert int(refused.headers["retry-after"]) > 0
        for answer in answers:
            answer.close()
        assert nobody_watches(console)
        assert opened(console, "/api/cameras/gate/live.mp4").status == 200


def test_the_end_of_the_console_ends_every_video(tmp_path: Path, clip: Path) -> None:
    with served(tmp_path) as console:
        console.videos["gate"] = LiveVideo(SystemClock().monotonic)
        with playing(console, clip):
            answer = opened(console, "/api/cameras/gate/video")
            assert next(messages(answer))[0] == "h"
            console.server.close()
            assert [kind for kind, _ in messages(answer)]  # it came to its end
