"""What the scene head learns from: views of clips, and ordinary footage, drawn here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.behaviour.scene_footage import PIECE_S, ordinary_footage
from models.behaviour.scene_views import AS_IT_IS, View, middle_of_motion, views_of


def square_at(x: int, y: int) -> np.ndarray:
    image = np.full((90, 160, 3), 60, np.uint8)
    image[y : y + 12, x : x + 12] = 220
    return image


CROSSING = [square_at(100 + 2 * n, 10) for n in range(12)]


def test_the_first_view_is_the_clip_as_it_is():
    [first, *others] = views_of(CROSSING, False, 8, np.random.default_rng(0))
    assert first == AS_IT_IS
    np.testing.assert_array_equal(first.of(CROSSING[0], np.random.default_rng(0)), CROSSING[0])
    assert len({*others}) == 7


def test_the_middle_is_where_it_moves_and_else_that_of_the_picture():
    x, y = middle_of_motion(CROSSING)
    assert (x, y) == (pytest.approx(0.74, abs=0.08), pytest.approx(0.18, abs=0.08))
    assert middle_of_motion([CROSSING[0]] * 9) == middle_of_motion(CROSSING[:1]) == (0.5, 0.5)


@pytest.mark.parametrize("middle", [(-0.5, 0.2), (0.5, 0.5), (1.4, 2.0)])
def test_a_near_view_is_a_part_of_the_picture_wherever_its_middle_lies(middle):
    image = np.random.default_rng(1).integers(0, 255, (90, 160, 3), np.uint8)
    shown = View(zoom=2.0, middle_xy=middle).of(image, np.random.default_rng(0))
    assert shown.shape == (45, 80, 3)
    places = np.lib.stride_tricks.sliding_window_view(image, shown.shape)[:, :, 0]
    assert (places == shown).all(axis=(2, 3, 4)).any()


def test_noise_is_as_strong_as_it_says():
    grey = np.full((200, 200, 3), 128, np.uint8)
    noisy = View(noise=5.0).of(grey, np.random.default_rng(2)).astype(float) - 128
    assert noisy.std() == pytest.approx(5.0, rel=0.05)


def test_only_peaceful_clips_are_played_at_twice_their_pace():
    random = np.random.default_rng(3)
    fast = {fights: max(view.speed for view in views_of(CROSSING, fights, 60, random)) for fights in (True, False)}
    assert fast[True] <= 2**0.5
    assert fast[False] > 1.5


def test_footage_is_cut_into_pieces_of_train_clips_only(tmp_path: Path):
    caviar = tmp_path / "caviar"
    caviar.mkdir()
    (caviar / "split.json").write_text(json.dumps({"train": ["Walk2", "Fight_OneManDown"], "val": ["Walk3"]}))
    (caviar / "clips.csv").write_text(
        "sequence,split,file,first_frame,last_frame,frames\n"
        "Walk2,train,long.mp4,0,499,500\nWalk2,train,short.mp4,0,9,10\n"
        "Fight_OneManDown,train,down.mp4,0,99,100\nWalk3,val,other.mp4,0,99,100\n"
    )
    pieces = ordinary_footage(tmp_path)
    assert {each.video.name for each in pieces} == {"long.mp4", "down.mp4"}
    assert {each.fights for each in pieces if each.video.name == "down.mp4"} == {True}
    assert not any(each.fights for each in pieces if each.video.name == "long.mp4")
    assert all(each.ends_s - each.begins_s == pytest.approx(PIECE_S) for each in pieces)
    assert max(each.ends_s for each in pieces if each.video.name == "long.mp4") <= 500 / 25


def test_without_more_footage_there_is_none(tmp_path: Path):
    assert ordinary_footage(tmp_path) == []
