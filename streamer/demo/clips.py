"""The drawn cameras as H.264 clips: drawn and encoded once, then kept under a name that changes with what is drawn."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import queue
import signal
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.demo.errors import DemoError
from streamer.demo.street import Street, Truth
from streamer.demo.truth import Play
from streamer.demo.views import PERIOD_S, SEED, VIEWS

FPS = 10
_QUALITY = 23  # x264's constant rate factor: clean enough for a screenshot, about 1.5 Mbit/s with the drawn noise
_DRAWN_BY = (
    "perspective", "figures", "people", "cars", "script", "brush", "standing", "backdrop", "street",
    "truth", "views", "clips",
)  # fmt: skip


def encode(frames: Iterable[NDArray[np.uint8]], path: Path, fps: int = FPS) -> None:
    """Write RGB frames, uint8 (H, W, 3), as an mp4 such as cameras send: H.264, no B-frames, a key frame every 2 s."""
    with av.open(str(path), "w", format="mp4") as container:
        stream: Any = None
        for image in frames:
            if stream is None:
                stream = container.add_stream("libx264", rate=fps)
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.time_base = Fraction(1, fps)
                stream.codec_context.gop_size = 2 * fps
                stream.codec_context.max_b_frames = 0
                stream.codec_context.thread_count = 1
                stream.options = {"preset": "superfast", "crf": str(_QUALITY)}
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        if stream is not None:
            container.mux(stream.encode(None))


@dataclass(frozen=True)
class Clip:
    """One camera's file, and beside it what happens in it."""

    video: Path

    @property
    def truth(self) -> Path:
        """A file for Play.load."""
        return self.video.with_suffix(".npz")

    def exists(self) -> bool:
        """Both files are there, whole."""
        return self.video.exists() and self.truth.exists()


def prepare_clips(
    cache: Path,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Clip] | None:
    """One clip of one whole period per camera of the demo, from the cache where it is there; camera → clip.

    Cameras that are missing are drawn side by side in processes of their own. progress is told frames done and
    wanted. Clips that an older version drew are removed. None if it was cancelled. Raises DemoError.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(
            f"no clips can be kept in {cache}: {error.strerror}; name another folder with --cache"
        ) from error
    key = _fingerprint()
    clips = {camera: Clip(cache / f"{camera}-{key}.mp4") for camera in VIEWS}
    missing = [camera for camera, clip in clips.items() if not clip.exists()]
    total = len(missing) * round(PERIOD_S * FPS)
    if not missing:
        return clips
    for old in (path for camera in VIEWS for path in cache.glob(f"{camera}-*.*") if key not in path.name):
        old.unlink(missing_ok=True)
    # "spawn", because the caller may have threads by now, and a fork would copy their locks.
    context = multiprocessing.get_context("spawn")
    ticks = context.Queue()
    workers = [context.Process(target=_draw_quietly, args=(each, clips[each], ticks), daemon=True) for each in missing]
    try:
        for worker in workers:
            worker.start()
        done = 0
        while any(worker.is_alive() for worker in workers):
            if cancelled():
                return None
            try:
                done += ticks.get(timeout=0.2)
            except queue.Empty:
                continue
            progress(done, total)
        for camera, worker in zip(missing, workers, strict=True):
            if worker.exitcode != 0:
                raise DemoError(f"drawing the clip of camera '{camera}' failed with exit code {worker.exitcode}")
    finally:
        started = [worker for worker in workers if worker.pid]
        for worker in started:  # all are told before one is waited for, or the others would draw on meanwhile
            worker.terminate()
        for worker in started:
            worker.join()
    progress(total, total)
    return clips


def _draw_quietly(camera: str, clip: Clip, ticks: Any) -> None:
    # Ctrl-C reaches the whole foreground group: the demo decides what ends, not the terminal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asked: list[int] = []
    # Told, not raised: an exception that a signal raises inside somebody's __del__ is swallowed.
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    draw_clip(camera, clip, ticks, cancelled=lambda: bool(asked))


def draw_clip(camera: str, clip: Clip, ticks: Any = None, cancelled: Callable[[], bool] = lambda: False) -> None:
    """Draw and encode one camera's period; its files appear when they are whole. ticks is a queue of frames done.

    Where it is cancelled nothing is left, and SystemExit is raised.
    """
    cv2.setNumThreads(1)
    street = Street(VIEWS[camera], SEED, PERIOD_S)

    truths: list[Truth] = []

    def frames() -> Iterable[NDArray[np.uint8]]:
        for i in range(round(PERIOD_S * FPS)):
            if cancelled():
                raise SystemExit(1)
            image, truth = street.frame_and_truth(i / FPS)
            truths.append(truth)
            yield image
            if ticks is not None and i % FPS == FPS - 1:
                ticks.put(FPS)

    with tempfile.TemporaryDirectory(dir=clip.video.parent) as building:
        video, truth = Path(building) / clip.video.name, Path(building) / clip.truth.name
        encode(frames(), video)
        Play.of(truths, FPS, street.view.picture_wh).save(truth)
        os.replace(truth, clip.truth)
        os.replace(video, clip.video)


def _fingerprint() -> str:
    # The drawing code is what the clips depend on: hash it, so that a new version never shows an old street.
    digest = hashlib.sha256(f"{FPS} {SEED} {PERIOD_S} {_QUALITY}".encode())
    for module in _DRAWN_BY:
        digest.update(resources.files("streamer.demo").joinpath(f"{module}.py").read_bytes())
    return digest.hexdigest()[:12]
