"""Tiles: small things are found, large ones once, and a batch of many cameras is one call."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from streamer.detect.regions import MergeLimits, RegionDetector, Tiles
from streamer.detect.regions.merging import merge_boxes
from streamer.detect.regions.tiles import grid
from streamer.types import Detections
from tests.drawn_squares import LABELS, SquareFinder, drawn, seen

WH = (384, 288)


def tiled(finder, rows=2, columns=2, overlap=0.25, cameras=("gate",)):
    tiles = Tiles(LABELS, finder.input_fit, rows, columns, overlap, MergeLimits())
    return RegionDetector(finder, dict.fromkeys(cameras, tiles))


def test_what_is_too_small_for_the_whole_picture_is_found_in_a_tile():
    finder = SquareFinder()
    small = ("red", 40, 40, 56, 56)  # 4 input pixels in the whole picture, 6.4 in a tile
    frame = seen(drawn(WH, [small]), finder.input_fit)
    assert len(finder.detect([frame])[0]) == 0
    [found] = tiled(finder).detect([frame])
    assert len(found) == 1
    np.testing.assert_allclose(found.boxes_xyxy[0], small[1:], atol=3)


@pytest.mark.parametrize(("rows", "columns"), [(1, 2), (2, 2), (2, 3)])
def test_things_on_borders_and_larger_than_a_tile_are_told_once(rows, columns):
    finder = SquareFinder()
    shown = [("red", 170, 120, 220, 170), ("green", 20, 20, 360, 100), ("red", 20, 180, 60, 220)]
    [found] = tiled(finder, rows, columns).detect([seen(drawn(WH, shown), finder.input_fit)])
    assert len(found) == 3
    order = np.lexsort((found.boxes_xyxy[:, 1], found.boxes_xyxy[:, 0]))
    expected = sorted((each[1:] for each in shown), key=lambda box: (box[0], box[1]))
    np.testing.assert_allclose(found.boxes_xyxy[order], sorted(expected), atol=5)


def test_a_batch_of_cameras_with_and_without_tiles_is_one_call():
    finder = SquareFinder()
    detector = tiled(finder, cameras=("tiled-1", "tiled-2"))
    pictures = {
        "plain": drawn(WH, [("red", 100, 100, 150, 150)]),
        "tiled-1": drawn(WH, [("green", 40, 40, 56, 56)]),
        "tiled-2": drawn((300, 200), []),
    }
    frames = [seen(picture, finder.input_fit, camera) for camera, picture in pictures.items()]
    found = detector.detect(frames)
    assert [len(call) for call in finder.calls] == [1 + 5 + 5]
    assert [len(each) for each in found] == [1, 1, 0]
    assert LABELS[found[1].class_ids[0]] == "green"


def test_no_frames_are_no_call():
    finder = SquareFinder()
    assert tiled(finder).detect([]) == []
    assert finder.calls == []


@pytest.mark.parametrize("wh", [(384, 288), (1920, 1080), (7, 5), (333, 1)])
@pytest.mark.parametrize(("rows", "columns", "overlap"), [(1, 1, 0.2), (2, 2, 0.2), (3, 4, 0.0), (2, 3, 0.5)])
def test_tiles_cover_the_picture_and_share_what_was_asked(wh, rows, columns, overlap):
    windows = grid(wh, rows, columns, overlap)
    assert len(windows) == rows * columns
    covered = np.zeros((wh[1], wh[0]), bool)
    for window in windows:
        part = window.of(covered)
        assert part.shape == (window.height, window.width)
        part[:] = True
    assert covered.all()
    assert len({window.wh for window in windows}) == 1
    xs = sorted({window.x for window in windows})
    for left, right in pairwise(xs):
        assert left + windows[0].width - right >= overlap * windows[0].width - 1


def detections(*rows):
    boxes, scores, class_ids = zip(*rows, strict=True)
    return Detections(np.array(boxes, np.float32), np.array(scores, np.float32), np.array(class_ids), LABELS)


def test_a_whole_box_wins_over_a_surer_part_and_takes_the_score_of_the_same_box():
    found = detections(((0, 0, 10, 40), 0.6, 0), ((0, 0, 10, 20), 0.8, 0), ((0, 1, 10, 40), 0.7, 0))
    merged = merge_boxes(found, np.array([False, True, True]), MergeLimits())
    assert merged.boxes_xyxy.tolist() == [[0, 0, 10, 40]]
    assert merged.scores == pytest.approx([0.7])


def test_a_small_thing_before_a_large_one_stays_and_so_does_another_class():
    found = detections(((0, 0, 40, 40), 0.9, 0), ((10, 10, 20, 20), 0.5, 0), ((0, 0, 40, 40), 0.4, 1))
    assert len(merge_boxes(found, np.array([False, False, True]), MergeLimits())) == 3
