"""Easy frames are spared, hard ones never; the same frames give the same answers, however they are batched."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from streamer.detect.easy import EasyFrames, EasyLimits
from tests.drawn_squares import SquareFinder, drawn, seen

WH = (192, 144)
CAMERA = "gate"


def textured(rectangles):
    """Rectangles with a mark inside, as correlation needs something to hold on to."""
    image = drawn(WH, rectangles)
    for _, x1, y1, x2, y2 in rectangles:
        image[y1 + 4 : y1 + 10, x1 + 4 : x2 - 8] //= 2
        image[y2 - 8 : y2 - 4, x1 + 8 : x2 - 4] //= 3
    return image


def walk(step_px, n=12, size=40, extra=None):
    """n pictures, 0.1 s apart, of a square that moves to the right; extra(i): more rectangles."""
    for i in range(n):
        x = 10 + step_px * i
        yield textured([("red", x, 30, x + size, 30 + size), *(extra(i) if extra else ())])


def run(detector, pictures, every_s=0.1, **frame):
    return [
        detector.detect([seen(picture, detector.input_fit, media_s=i * every_s, **frame)])[0]
        for i, picture in enumerate(pictures)
    ]


def spared(**limits):
    finder = SquareFinder(WH, smallest_px=8)
    return finder, EasyFrames(finder, {CAMERA: EasyLimits(**limits)})


def test_what_stands_still_is_looked_at_once_in_a_while_only():
    finder, detector = spared(longest_s=0.5)
    found = run(detector, walk(0, n=20))
    # Two looks to be sure, then one whenever the last is 0.5 s old: at 0, 0.1, then 0.7, 1.3, 1.9.
    assert len(finder.calls) == 5
    for each in found:
        np.testing.assert_array_equal(each.boxes_xyxy, found[0].boxes_xyxy)
        np.testing.assert_array_equal(each.scores, found[0].scores)


def test_an_empty_picture_is_easy_at_once():
    finder, detector = spared(longest_s=10)
    run(detector, [drawn(WH, [])] * 5)
    assert len(finder.calls) == 1


def test_a_known_thing_that_moves_on_is_followed_to_where_it_really_is():
    finder, detector = spared(longest_s=0.5)
    pictures = list(walk(4, n=14))
    found = run(detector, pictures)
    assert len(finder.calls) <= 5
    for i, each in enumerate(found):
        np.testing.assert_allclose(each.boxes_xyxy, [[10 + 4 * i, 30, 50 + 4 * i, 70]], atol=1)


def test_without_following_every_move_is_a_look():
    finder, detector = spared(longest_s=10, follow=False)
    run(detector, walk(4, n=6))
    assert len(finder.calls) == 6


def test_somebody_new_is_looked_at_in_the_frame_in_which_he_appears():
    finder, detector = spared(longest_s=10)
    found = run(detector, walk(0, extra=lambda i: [("green", 120, 40, 150, 80)] if i >= 6 else []))
    assert [len(each) for each in found] == [1] * 6 + [2] * 6
    assert len(finder.calls) == 2 + 2  # the new one must be there twice as well


def test_a_thing_that_goes_away_is_not_kept():
    _, detector = spared(longest_s=10)
    pictures = [*walk(0, n=4), drawn(WH, []), drawn(WH, [])]
    assert [len(each) for each in run(detector, pictures)] == [1, 1, 1, 1, 0, 0]


def test_a_box_that_came_once_is_not_repeated():
    class Ghost(SquareFinder):
        def detect(self, frames, before_run):
            found = super().detect(frames, before_run)
            return found if len(self.calls) == 2 else [each.keep(np.zeros(len(each), bool)) for each in found]

    finder = Ghost(WH, smallest_px=8)
    found = run(EasyFrames(finder, {CAMERA: EasyLimits(longest_s=0.25)}), walk(0, n=5))
    # The empty first look is easy for 0.2 s; the ghost comes in the second look, and the third is at once.
    assert [len(each) for each in found] == [0, 0, 0, 1, 0]
    assert len(finder.calls) == 3


@pytest.mark.parametrize("what", ["session", "size", "time"])
def test_nothing_is_carried_into_another_session_picture_size_or_past(what):
    finder, detector = spared(longest_s=10)
    run(detector, walk(0, n=4))
    looks = len(finder.calls)
    [picture] = walk(0, n=1)
    if what == "size":
        picture = np.repeat(np.repeat(picture, 2, axis=0), 2, axis=1)
    frame = seen(
        picture,
        detector.input_fit,
        media_s=0.2 if what == "time" else 0.5,
        session="s2" if what == "session" else "s1",
    )
    detector.detect([frame])
    assert len(finder.calls) == looks + 1


def test_cameras_without_limits_are_asked_about_every_frame_and_a_batch_is_one_call():
    finder, detector = spared(longest_s=10)
    [picture] = walk(0, n=1)
    for i in range(4):
        at = {"media_s": i / 10}
        detector.detect([seen(picture, detector.input_fit, camera, **at) for camera in ("yard", CAMERA, "hall")])
    assert [len(call) for call in finder.calls] == [3, 3, 2, 2]


def test_cameras_in_other_threads_change_nothing():
    pictures = list(walk(4, n=14))
    _, alone = spared(longest_s=0.4)
    expected = [each.boxes_xyxy for each in run(alone, pictures)]
    cameras = [f"camera-{i}" for i in range(4)]
    finder = SquareFinder(WH, smallest_px=8)
    together = EasyFrames(finder, dict.fromkeys(cameras, EasyLimits(longest_s=0.4)))
    told: dict[str, list[np.ndarray]] = {}

    def watch(camera):
        told[camera] = [each.boxes_xyxy for each in run(together, pictures, camera=camera)]

    threads = [threading.Thread(target=watch, args=(camera,)) for camera in cameras]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for camera in cameras:
        for mine, want in zip(told[camera], expected, strict=True):
            np.testing.assert_array_equal(mine, want)
