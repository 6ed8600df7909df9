"""A peer: a thread per camera, each with OpenCV's VideoCapture and a session of its own.

This is what most people write first. With `tuned`, one thread each for the session, the capture's decoder and OpenCV
itself; else everything as it comes: decoder, resizing and session each take a thread a core, and the session's spin.
With `grab`, pictures that are not analysed are decoded but not converted to BGR, which `read` does with all of them.
Imports nothing of the house.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import cv2

from tests.benchmarks.peers_yolox import Tally, Yolox


def watch(clips: Sequence[Path], model: Path, every: int, tuned: bool, grab: bool) -> tuple[Tally, float, float]:
    """Play all clips to their ends, as fast as this machine can: what was seen, CPU seconds, wall seconds.

    The clock starts when every session has run once. Raises RuntimeError for a clip that cannot be played.
    """
    if tuned:
        cv2.setNumThreads(1)
    nets = [Yolox(model, 1 if tuned else None) for _ in clips]
    tallies = [Tally() for _ in clips]
    threads = [
        threading.Thread(target=_camera, args=(clip, net, every, tuned, grab, tally))
        for clip, net, tally in zip(clips, nets, tallies, strict=True)
    ]
    began_cpu_s, began_s = time.process_time(), time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cpu_s, wall_s = time.process_time() - began_cpu_s, time.monotonic() - began_s
    total = Tally()
    for clip, tally in zip(clips, tallies, strict=True):
        total = total.plus(played(clip, tally))
    return total, cpu_s, wall_s


def played(clip: Path, tally: Tally) -> Tally:
    """The same tally. Raises RuntimeError where nothing was seen: OpenCV says nothing of a file that it cannot open."""
    if not tally.decoded:
        raise RuntimeError(f"{clip}: OpenCV could not play it")
    return tally


def _camera(clip: Path, net: Yolox, every: int, tuned: bool, grab: bool, tally: Tally) -> None:
    capture = cv2.VideoCapture(str(clip), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1] if tuned else [])
    try:
        while True:
            wanted = tally.decoded % every == 0
            if grab:
                there = capture.grab()
                picture = capture.retrieve()[1] if there and wanted else None
            else:
                there, picture = capture.read()
            if not there:
                return
            tally.decoded += 1
            if wanted:
                tally.saw(net.detect(picture)[1])
    finally:
        capture.release()
