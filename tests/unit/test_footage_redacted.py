"""Clips of a camera with privacy show what happened, and never what is hidden."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from streamer.capture.convert import DecodedPicture
from streamer.footage.camera_footage import CameraFootage, ClipLimits
from streamer.footage.redacted_file import RedactedFiles
from streamer.privacy.areas import NO_ID, NOWHERE, Areas
from streamer.privacy.veil import Veil
from streamer.privacy.veils import Veils
from streamer.types import Clip
from tests.footage import EPOCH, alert, show

FPS, WH = 10, (320, 240)
MASK = ((0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5))
HEAD = (0.6, 0.5, 0.9, 0.9)
LIMITS = ClipLimits(before_s=2.0, after_s=1.0, most_s=60.0)


def pattern() -> np.ndarray:
    """Blocks of four pixels in random colours: what no codec loses and any eye finds."""
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (WH[1] // 4, WH[0] // 4, 3), np.uint8).repeat(4, 0).repeat(4, 1)


@pytest.fixture(scope="module", params=[0, 2], ids=["in order", "with B-frames"])
def street(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of the pattern."""
    path = tmp_path_factory.mktemp("street") / "street.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"bf": str(request.param), "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = *WH, "yuv420p"
        stream.codec_context.gop_size, stream.codec_context.thread_count = FPS, 1
        for _ in range(12 * FPS):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pattern(), format="rgb24")))
        container.mux(stream.encode(None))
    return path


def alike(one: np.ndarray, other: np.ndarray) -> float:
    a, b = (each.astype(np.float64) - each.mean() for each in (one, other))
    return float((a * b).sum() / max(1e-9, np.sqrt((a * a).sum() * (b * b).sum())))


def part(rgb: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    (x0, y0), (x1, y1) = (box[0] * WH[0], box[1] * WH[1]), (box[2] * WH[0], box[3] * WH[1])
    return rgb[round(y0) : round(y1), round(x0) : round(x1)]


def clip_of(folder: Path, video: Path, looks: dict[float, Veil], *, every_s: float = 0.5, lag_s: float = 0.4) -> Clip:
    """The clip of an alert from 5 to 7 s. looks: at which stream times somebody looked, known lag_s later."""
    veils, left, told = Veils(keep_s=120.0), sorted(looks.items()), []
    camera = CameraFootage("gate", folder, clips=LIMITS, open_file=RedactedFiles(veils, DecodedPicture))
    acts = [(5.0, lambda: camera.begin(alert("a1", 5.0), told.append)), (7.0, lambda: camera.end("a1", EPOCH + 7.0))]
    next_s = 0.0

    def at(stream_s: float) -> None:
        nonlocal next_s
        while left and left[0][0] + lag_s <= stream_s:
            look_s, veil = left.pop(0)
            veils.add(EPOCH + look_s, veil)
        while acts and acts[0][0] <= stream_s:
            acts.pop(0)[1]()
        if stream_s >= next_s:
            next_s = stream_s + every_s
            camera.write()

    show(camera, video, at=at)
    camera.finish()
    assert len(told) == 1
    return told[0]


def shown(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        return [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def veil(*boxes: tuple[float, float, float, float]) -> Veil:
    areas = Areas(np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), NO_ID)) if boxes else NOWHERE
    return Veil((MASK,), areas, "strong", True)


def test_a_clip_shows_everything_but_what_is_hidden(tmp_path: Path, street: Path) -> None:
    looks = {n / 5: veil(HEAD) for n in range(60)}
    clip = clip_of(tmp_path, street, looks)
    assert clip.codec == "h264"
    found = shown(tmp_path / clip.path)
    assert clip.to_at - clip.from_at == pytest.approx(found[-1][0] + 0.1, abs=0.02)
    assert 4.4 < found[-1][0] <= 5.1
    for _, rgb in found:
        assert part(rgb, (0, 0, 0.5, 0.5)).mean() < 4
        assert abs(alike(part(rgb, HEAD), part(pattern(), HEAD))) < 0.3
        rest = (0.55, 0.05, 0.95, 0.35)
        assert alike(part(rgb, rest), part(pattern(), rest)) > 0.9
    with av.open(str(tmp_path / clip.path)) as container:
        assert container.metadata["camera"] == "gate"


def test_pictures_that_nobody_looked_at_are_hidden_as_a_whole(tmp_path: Path, street: Path) -> None:
    """The camera slept until 5 s: whoever came before that is in no veil."""
    looks = {n / 5: veil() for n in range(25, 60)}
    clip = clip_of(tmp_path, street, looks)
    rest = (0.55, 0.05, 0.95, 0.95)
    for at_s, rgb in shown(tmp_path / clip.path):
        seen = alike(part(rgb, rest), part(pattern(), rest))
        assert (seen > 0.9) if clip.from_at + at_s >= EPOCH + 5.0 else (abs(seen) < 0.3)


def test_what_comes_after_the_last_look_is_left_out(tmp_path: Path, street: Path) -> None:
    looks = {n / 5: veil() for n in range(32)}  # until 6.2 s
    clip = clip_of(tmp_path, street, looks)
    assert clip.to_at == pytest.approx(EPOCH + 6.3, abs=0.15)


def test_without_a_single_look_there_is_no_clip_and_nothing_on_disk(tmp_path: Path, street: Path) -> None:
    assert clip_of(tmp_path, street, {}) is None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_picture_as_the_camera_sent_it_is_never_on_disk(tmp_path: Path, street: Path) -> None:
    """Not even in the file that is being written."""
    sent = [bytes(packet) for packet in packets(street)]
    clip = clip_of(tmp_path, street, {n / 5: veil(HEAD) for n in range(60)})
    stored = (tmp_path / clip.path).read_bytes()
    assert not [each for each in sent if len(each) > 64 and each in stored]


def packets(video: Path):
    with av.open(str(video)) as container:
        yield from (packet for packet in container.demux(video=0) if packet.size)
