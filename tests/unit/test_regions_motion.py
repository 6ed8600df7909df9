"""Motion crops: what moves is seen larger than the whole picture shows it, what stands is kept, nothing is run idle."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.detect.regions import MergeLimits, MotionCrops, RegionDetector
from streamer.detect.regions.packing import largest_scale, packed
from tests.drawn_squares import LABELS, SquareFinder, drawn, seen

WH = (384, 288)  # four times the input
CAMERA = "gate"
CANVAS = (96, 72)


def watching(whole_every_s=10.0, cameras=(CAMERA,)):
    finder = SquareFinder(CANVAS, smallest_px=8)
    looks = {c: MotionCrops(LABELS, finder.input_fit, whole_every_s, MergeLimits(), least_px=4) for c in cameras}
    return finder, RegionDetector(finder, looks)


def run(detector, pictures, every_s=0.2):
    return [
        detector.detect([seen(picture, detector.input_fit, media_s=i * every_s)])[0]
        for i, picture in enumerate(pictures)
    ]


def as_rows(found):
    return sorted((LABELS[i], *box) for i, box in zip(found.class_ids, found.boxes_xyxy.tolist(), strict=True))


def test_nothing_moves_nothing_is_run_until_the_next_whole_look():
    finder, detector = watching(whole_every_s=1.0)
    found = run(detector, [drawn(WH, [("red", 100, 100, 160, 160)])] * 11)
    assert finder.calls == [[(CAMERA, WH)]] * 3  # at 0, 1 and 2 s
    assert [len(each) for each in found] == [1] * 11


def test_what_moves_is_found_though_the_whole_look_misses_it_and_the_rest_is_kept():
    finder, detector = watching()
    standing, still_small = ("green", 280, 200, 340, 260), ("green", 20, 250, 36, 266)
    pictures = [drawn(WH, [standing, still_small, ("red", 60 + 20 * i, 60, 86 + 20 * i, 86)]) for i in range(5)]
    found = run(detector, pictures)
    # 26 source pixels are 6.5 in the whole look, below the finder's 8. What is small and stands is never seen.
    assert [[row[0] for row in as_rows(each)] for each in found] == [["green"], *[["green", "red"]] * 4]
    for i, each in enumerate(found[1:], 1):
        rows = as_rows(each)
        np.testing.assert_allclose(rows[0][1:], standing[1:], atol=4)
        np.testing.assert_allclose(rows[1][1:], (60 + 20 * i, 60, 86 + 20 * i, 86), atol=3)
    assert finder.calls[1:] == [[(CAMERA, CANVAS)]] * 4


def test_two_things_far_apart_share_one_input():
    finder, detector = watching()
    pictures = [drawn(WH, [("red", 20, 20 + d, 56, 56 + d), ("green", 320, 230 - d, 356, 266 - d)]) for d in (0, 12)]
    found = run(detector, pictures)
    green, red = as_rows(found[1])
    np.testing.assert_allclose(green[1:], (320, 218, 356, 254), atol=4)
    np.testing.assert_allclose(red[1:], (20, 32, 56, 68), atol=4)
    assert [len(call) for call in finder.calls] == [1, 1]


def test_what_is_gone_is_gone_and_a_known_thing_is_cut_out_whole():
    _, detector = watching()
    standing = ("red", 100, 100, 150, 150)
    pictures = [
        drawn(WH, [standing]),
        drawn(WH, [standing, ("green", 120, 120, 136, 136)]),  # something moves before it
        drawn(WH, []),
    ]
    found = run(detector, pictures)
    assert [len([row for row in as_rows(each) if row[0] == "red"]) for each in found] == [1, 1, 0]
    red = next(row for row in as_rows(found[1]) if row[0] == "red")
    np.testing.assert_allclose(red[1:], standing[1:], atol=4)


def test_where_everything_changes_the_whole_picture_is_looked_at():
    finder, detector = watching()
    run(detector, [drawn(WH, []), 255 - drawn(WH, [])])
    assert finder.calls == [[(CAMERA, WH)], [(CAMERA, WH)]]


def test_a_new_session_begins_with_a_whole_look():
    finder, detector = watching()
    picture = drawn(WH, [("red", 100, 100, 160, 160)])
    detector.detect([seen(picture, detector.input_fit, media_s=5.0)])
    detector.detect([seen(picture, detector.input_fit, media_s=5.2, session="s2")])
    detector.detect([seen(picture, detector.input_fit, media_s=0.2, session="s2")])
    assert finder.calls == [[(CAMERA, WH)]] * 3


def test_other_cameras_of_a_batch_change_nothing():
    pictures = [drawn(WH, [("red", 60 + 20 * i, 60, 86 + 20 * i, 86)]) for i in range(4)]
    others = [drawn(WH, [("green", 200, 40 + 30 * i, 230, 70 + 30 * i)]) for i in range(4)]
    _, alone = watching()
    expected = run(alone, pictures)
    finder, together = watching(cameras=(CAMERA, "yard"))
    for i, want in enumerate(expected):
        frames = [
            seen(others[i], CANVAS_FIT, "yard", i * 0.2),
            seen(pictures[i], CANVAS_FIT, CAMERA, i * 0.2),
            seen(others[i], CANVAS_FIT, "plain", i * 0.2),
        ]
        np.testing.assert_array_equal(together.detect(frames)[1].boxes_xyxy, want.boxes_xyxy)
    assert [len(call) for call in finder.calls] == [3] * 4


CANVAS_FIT = SquareFinder(CANVAS).input_fit


@pytest.mark.parametrize("seed", range(20))
def test_packed_rectangles_lie_on_the_sheet_with_a_gap_between_any_two(seed):
    random = np.random.default_rng(seed)
    sizes = [tuple(map(int, random.integers(1, 40, 2))) for _ in range(random.integers(1, 12))]
    places = packed(sizes, (100, 80), 3)
    if places is None:
        assert sum((w + 3) * (h + 3) for w, h in sizes) > 100 * 80 / 4  # shelves waste, but not that much
        return
    taken = np.zeros((80 + 3, 100 + 3), int)
    for (x, y), (w, h) in zip(places, sizes, strict=True):
        assert x + w <= 100
        assert y + h <= 80
        taken[y : y + h + 3, x : x + w + 3] += 1
    assert taken.max() == 1


def test_what_does_not_fit_is_scaled_down_and_then_refused():
    assert largest_scale([(100, 50), (100, 50)], (60, 60), 4, (1.0, 0.6, 0.5)) == 0.5
    assert largest_scale([(1000, 50)], (60, 60), 4, (1.0, 0.5)) is None
