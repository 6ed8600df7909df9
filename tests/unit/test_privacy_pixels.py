"""What is hidden cannot be read from what is left."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.privacy.areas import NO_ID, NOWHERE, Areas, Lingering, heads_of, swept
from streamer.privacy.pixels import CELLS, black_out, fill_with_mean, pixelate
from streamer.privacy.veil import NO_VEIL, Veil

MASK = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))


def noise(seed: int = 0, height: int = 360, width: int = 640) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def alike(one: np.ndarray, other: np.ndarray) -> float:
    """Normalised correlation of two pictures of one size."""
    a, b = (each.astype(np.float64) - each.mean() for each in (one, other))
    return float((a * b).sum() / max(1e-9, np.sqrt((a * a).sum() * (b * b).sum())))


def test_nothing_of_what_is_under_a_mask_is_left_and_the_rest_is_as_it_was():
    one, other = noise(1), noise(1)
    other[100:260, 170:470] = noise(2)[100:260, 170:470]  # they differ under the mask only
    before = one.copy()
    for rgb in (one, other):
        black_out(rgb, [MASK])
    assert (one == other).all()
    assert (one[90:270, 160:480] == 0).all()
    outside = np.ones(one.shape[:2], bool)
    outside[86:275, 156:485] = False
    assert (one[outside] == before[outside]).all()


def test_the_mean_that_stands_under_a_mask_for_the_model_is_that_of_the_rest():
    one, other = noise(1), noise(1)
    other[90:270, 160:480] = 255
    for rgb in (one, other):
        fill_with_mean(rgb, [MASK])
    assert (one == other).all()
    rest = np.ones(one.shape[:2], bool)
    rest[86:275, 156:485] = False
    assert one[180, 320] == pytest.approx(one[rest].mean(0), abs=2)


@pytest.mark.parametrize("strength", ["mild", "strong", "solid"])
@pytest.mark.parametrize("size_px", [9, 40, 155, 300])
def test_a_hidden_place_holds_no_more_than_its_few_cells(strength, size_px):
    """However large it is: what is left has no more degrees of freedom than cells, by its singular values."""
    rgb = noise(3)
    box = (50 / 640, 30 / 360, (50 + size_px) / 640, (30 + size_px) / 360)
    pixelate(rgb, boxes(box), strength)
    place = rgb[30 : 30 + size_px, 50 : 50 + size_px]
    singular = np.linalg.svd(place.mean(2) - place.mean(), compute_uv=False)
    rounding = 2 * size_px**0.5
    strong = int((singular > max(0.02 * singular[0], rounding)).sum())
    assert strong <= max(CELLS[strength] + 2, 3)


def test_two_faces_that_differ_in_detail_only_become_the_same():
    """Detail finer than a cell is gone, not merely dimmed as it were by a blur."""
    rows, columns = np.mgrid[:128, :128]
    stripes = ((rows // 2 + columns // 2) % 2 * 80 + 80).astype(np.uint8)
    one, other = (np.repeat(each[..., None], 3, 2) for each in (stripes, 240 - stripes))
    assert alike(one, other) < -0.99
    for rgb in (one, other):
        pixelate(rgb, boxes((0, 0, 1, 1)), "strong")
    assert (one == other).all()


def test_a_box_that_jitters_shows_the_same_face_the_same_way():
    """Else hundreds of frames would be hundreds of samples, which add up to a picture."""
    rng, seen = np.random.default_rng(7), set()
    for _ in range(200):
        left, top, right, bottom = np.array([203, 105, 258, 161]) + rng.normal(0, 1.5, 4)
        rgb = noise(5)
        pixelate(rgb, boxes((left / 640, top / 360, right / 640, bottom / 360)), "strong")
        seen.add(rgb[120:144, 216:248].tobytes())
    assert len(seen) <= 8


def test_boxes_over_the_edge_and_empty_ones_are_harmless():
    rgb = noise(1)
    pixelate(rgb, boxes((-0.2, -0.2, 0.1, 0.1), (0.9, 0.9, 1.4, 1.4), (1.2, 0, 1.3, 1), (0.5, 0.5, 0.5, 0.5)), "strong")
    assert rgb.shape == (360, 640, 3)


def test_a_head_is_in_what_is_hidden_of_a_box():
    """Standing: the upper part. Lying, bent, or cut by the edge: all of it."""
    standing, lying = heads_of(boxes((100, 100, 140, 220), (100, 100, 260, 160)))
    assert standing[1] < 100
    assert 100 + 120 / 7 < standing[3] < 160
    assert standing[0] < 100
    assert standing[2] > 140
    assert lying[3] >= 160


def test_cells_beside_a_mask_hold_nothing_of_what_is_under_it():
    one, other = noise(1), noise(1)
    other[100:260, 170:470] = 255
    veil = Veil((MASK,), Areas(boxes((0.2, 0.2, 0.3, 0.5)), np.full(1, NO_ID)))
    assert (veil.over(one) == veil.over(other)).all()
    assert (one == noise(1)).all()  # the frame's own pixels are left alone
    assert NO_VEIL.over(one) is one


def test_a_place_stays_hidden_for_a_while_after_the_last_box_there():
    lingering = Lingering(1.0)
    somebody = Areas(boxes((0.1, 0.1, 0.2, 0.2)), np.array([7]))
    assert len(lingering.with_(somebody, "s", 0.0)) == 1
    assert len(lingering.with_(NOWHERE, "s", 0.9)) == 1
    assert len(lingering.with_(NOWHERE, "s", 1.2)) == 0
    lingering.with_(somebody, "s", 2.0)
    assert len(lingering.with_(NOWHERE, "another session", 2.1)) == 0


def test_whoever_walks_is_hidden_all_the_way():
    before = Areas(boxes((0.1, 0.1, 0.2, 0.2)), np.array([7]))
    after = Areas(boxes((0.6, 0.3, 0.7, 0.4)), np.array([7]))
    hull = (0.1, 0.1, 0.7, 0.4)
    assert any(row == pytest.approx(hull) for row in swept(before, after).boxes.tolist())
    unknown = Areas(after.boxes, np.array([NO_ID]))
    assert len(swept(Areas(before.boxes, np.array([NO_ID])), unknown)) == 2
