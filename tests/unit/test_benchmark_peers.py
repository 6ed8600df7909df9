"""The peers of the `peers` benchmark find what the house finds: else their speed would prove nothing."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from streamer.capture.convert import DecodedPicture
from streamer.detect import load_detector
from streamer.track import TrackerSettings
from streamer.types import Frame
from tests.benchmarks import opencv_threads
from tests.benchmarks.footage import YOLOX, detector_folder, street_with_people
from tests.benchmarks.peers import breakdown
from tests.benchmarks.peers_yolox import Tally, Yolox
from tests.clips import write_clip


@pytest.mark.needs("shared")
def test_on_the_same_small_picture_a_peer_finds_the_very_boxes_of_the_house(tmp_path: Path) -> None:
    detector = load_detector(detector_folder(tmp_path), least_score=TrackerSettings().low_score)
    peer = Yolox(YOLOX, threads=1)
    capture = cv2.VideoCapture(str(street_with_people()))
    there, picture = capture.read()
    capture.release()
    assert there
    h, w = picture.shape[:2]
    content = cv2.resize(picture, detector.input_fit.of((w, h)).content_wh, interpolation=cv2.INTER_LINEAR)
    rgb = np.ascontiguousarray(content[:, :, ::-1])
    [ours] = detector.detect([Frame("gate", "1", 0, rgb, (w, h), 0.0, 0.0, 0.0, DecodedPicture(av.VideoFrame(w, h)))])
    boxes, scores, class_ids = peer.detect(picture)
    best = np.argsort(-scores, kind="stable")
    assert len(ours.scores) > 5
    np.testing.assert_allclose(scores[best], ours.scores, atol=1e-5)
    np.testing.assert_array_equal(class_ids[best], ours.class_ids)
    inside = np.clip(boxes[best], 0, [w, h, w, h])
    np.testing.assert_allclose(inside, ours.boxes_xyxy, atol=0.1)


@pytest.mark.needs("shared")
@pytest.mark.parametrize(("tuned", "grab"), [(False, False), (True, False), (True, True)])
def test_a_peer_decodes_every_picture_and_analyses_every_fifth_of_every_camera(
    tmp_path: Path, tuned: bool, grab: bool
) -> None:
    clips = [write_clip(tmp_path / "a.mp4", frames=23), write_clip(tmp_path / "b.mp4", frames=10)]
    seen, cpu_s, wall_s = opencv_threads.watch(clips, YOLOX, 5, tuned, grab)
    assert (seen.decoded, seen.analysed) == (33, 7)
    assert min(cpu_s, wall_s) > 0


def test_a_clip_that_cannot_be_played_is_no_fast_peer(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"nothing\.mp4: OpenCV could not play it"):
        opencv_threads.played(tmp_path / "nothing.mp4", Tally())


def test_the_parts_of_a_frame_add_up_to_its_whole_cost() -> None:
    threads = {"capture": 4.0, "infer": 5.0, "analyse": 0.5, "publish": 0.25, "profiler": 0.25}
    run = {"analysed": 500, "cpu_s": 10.0, "parts": {"decode": 3.0, "convert": 0.5, "run": 4.5, "threads": threads}}
    told = breakdown(run)
    assert told["total"] == pytest.approx(19.5)
    assert told["total"] == pytest.approx(told["decode"] + told["convert"] + told["run"] + told["rest"])
    parts_of_rest = told["capture_rest"] + told["infer_rest"] + told["analyse"] + told["publish"] + told["elsewhere"]
    assert told["rest"] == pytest.approx(parts_of_rest)
