"""Who answers for whom, what is neither right nor wrong, and what the teacher adds."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

with contextlib.suppress(ImportError):  # the marker says so
    import torch

    from models.detector.loss import (
        CELLS_PER_OBJECT,
        Targets,
        _assign,
        _distribution_focal,
        detection_loss,
        generalised_iou,
    )
    from models.detector.network import BINS, LABELS, Cells, cell_grid

pytestmark = pytest.mark.needs("torch")

CANVAS_WH = (64, 64)
N = 64 + 16 + 4
K = len(LABELS)


def targets(*rows: tuple[int, tuple[float, ...], int], pictures: int = 1, **changes: object) -> Targets:
    """Rows of (picture, box, class id)."""
    r = len(rows)
    made = Targets(
        torch.tensor([row[0] for row in rows], dtype=torch.int64),
        torch.tensor([row[1] for row in rows], dtype=torch.float32).reshape(-1, 4),
        torch.tensor([row[2] for row in rows], dtype=torch.int64),
        torch.ones(r),
        torch.zeros(r, dtype=torch.bool),
        torch.zeros(r, dtype=torch.bool),
        torch.zeros(pictures, N, K, dtype=torch.bool),
        torch.zeros(pictures, N, K),
        torch.zeros(pictures, N, 4),
        torch.zeros(pictures, N, dtype=torch.bool),
    )
    return replace(made, **changes)


def answers(logit: float = -4.0, pictures: int = 1) -> Cells:
    """Every cell says the same: a box of three strides around it, all classes at this logit."""
    grid = cell_grid(CANVAS_WH, torch.device("cpu"))
    half = grid[:, 2:] * 1.5
    boxes = torch.cat([grid[:, :2] - half, grid[:, :2] + half], 1).expand(pictures, -1, -1).clone()
    sides = torch.zeros(pictures, N, 4, BINS)
    return Cells(boxes, sides, torch.full((pictures, N, K), logit))


def assigned(cells: Cells, what: Targets) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    grid = cell_grid(CANVAS_WH, torch.device("cpu"))
    return _assign(cells.boxes.flatten(0, 1), cells.logits.sigmoid().flatten(0, 1), what, grid)


def test_an_object_is_answered_for_by_the_cells_whose_boxes_fit_it() -> None:
    cell, owner, quality = assigned(answers(), targets((0, (8.0, 8.0, 32.0, 32.0), 0)))
    # 24 px is what a cell of stride 8 says: one of them lies in its very middle.
    best = int(cell[quality.argmax()])
    grid = cell_grid(CANVAS_WH, torch.device("cpu"))
    assert grid[best].tolist() == [20.0, 20.0, 8.0]
    assert quality.max() == pytest.approx(1.0)
    assert 1 <= len(cell) <= CELLS_PER_OBJECT
    assert set(owner.tolist()) == {0}


def test_objects_of_other_pictures_have_their_own_cells() -> None:
    box = (8.0, 8.0, 32.0, 32.0)
    cell, owner, _ = assigned(answers(pictures=3), targets((2, box, 0), (0, box, 1), pictures=3))
    assert {(int(c) // N, int(o)) for c, o in zip(cell, owner, strict=True)} == {(2, 0), (0, 1)}


def test_a_cell_answers_for_one_object_only() -> None:
    cell, owner, _ = assigned(
        answers(), targets((0, (8, 8, 32, 32), 0), (0, (8, 8, 30, 32), 0), (0, (8, 8, 32, 32), 0))
    )
    assert len(set(cell.tolist())) == len(cell)
    assert 0 in owner.tolist() or 2 in owner.tolist()


def test_a_tiny_object_is_still_somebodys() -> None:
    cell, _, quality = assigned(answers(), targets((0, (13.0, 13.0, 15.0, 16.0), 0)))
    assert len(cell) >= 1
    assert (quality >= 0.1 - 1e-6).any()


def score_gradient(what: Targets) -> torch.Tensor:
    """How each score (B, N, K) would be moved."""
    cells = answers()
    logits = cells.logits.clone().requires_grad_()
    detection_loss(cells._replace(logits=logits), what, CANVAS_WH).total.backward()
    assert logits.grad is not None
    return logits.grad


def test_ignored_zones_move_their_own_class_only() -> None:
    grid = cell_grid(CANVAS_WH, torch.device("cpu"))
    on_it = ((grid[:, :2] > 16) & (grid[:, :2] < 48)).all(1)
    gradient = score_gradient(targets((0, (16, 16, 48, 48), 2), ignored=torch.tensor([True])))[0]
    assert (gradient[on_it, 2] == 0).all()
    assert (gradient[on_it, 0] > 0).all()  # still background for all others
    assert (gradient[~on_it] > 0).all()


def test_a_zone_of_any_class_moves_none() -> None:
    what = targets((0, (16, 16, 48, 48), 0), ignored=torch.tensor([True]), any_class=torch.tensor([True]))
    grid = cell_grid(CANVAS_WH, torch.device("cpu"))
    on_it = ((grid[:, :2] > 16) & (grid[:, :2] < 48)).all(1)
    assert (score_gradient(what)[0, on_it] == 0).all()


def test_what_nobody_labelled_is_not_background() -> None:
    unknown = torch.zeros(1, N, K, dtype=torch.bool)
    unknown[..., 1] = True
    what = targets((0, (8, 8, 32, 32), 0), unknown=unknown)
    answering, _, _ = assigned(answers(), what)
    gradient = score_gradient(what)[0]
    elsewhere = torch.ones(N, dtype=torch.bool)
    elsewhere[answering] = False
    assert (gradient[elsewhere, 1] == 0).all()
    assert (gradient[elsewhere, 3] > 0).all()
    # Whoever answers for a person has said that it is no bicycle.
    assert (gradient[answering, 1] > 0).all()


def test_the_teacher_moves_scores_only_where_it_is_listened_to() -> None:
    teacher = torch.zeros(1, N, K)
    teacher[0, 5, 0] = teacher[0, 6, 0] = 0.8
    taught = torch.zeros(1, N, dtype=torch.bool)
    taught[0, 5] = True
    unknown = torch.ones(1, N, K, dtype=torch.bool)  # so that nothing but the teacher speaks
    gradient = score_gradient(targets((0, (40, 40, 60, 60), 2), unknown=unknown, teacher=teacher, taught=taught))[0]
    assert gradient[5, 0] < 0
    assert gradient[6, 0] == 0


def test_the_teachers_boxes_are_followed_where_it_sees_something() -> None:
    teacher, teacher_boxes = torch.zeros(1, N, K), torch.zeros(1, N, 4)
    teacher[0, 5, 0], teacher[0, 6, 0], teacher[0, 7, 0] = 0.8, 0.05, 0.8
    teacher_boxes[0, 5:8] = torch.tensor([30.0, 0.0, 60.0, 40.0])
    taught = torch.zeros(1, N, dtype=torch.bool)
    taught[0, 5:7] = True
    cells = answers()
    boxes = cells.boxes.clone().requires_grad_()
    what = targets(teacher=teacher, teacher_boxes=teacher_boxes, taught=taught)
    detection_loss(cells._replace(boxes=boxes), what, CANVAS_WH).total.backward()
    assert boxes.grad is not None
    moved = boxes.grad[0].abs().sum(-1)
    assert moved[5] > 0  # seen; cell 6 is not, and of cell 7 it knows nothing
    assert moved[torch.arange(N) != 5].sum() == 0


def test_a_doubtful_label_weighs_less() -> None:
    sure = score_gradient(targets((0, (8, 8, 32, 32), 0), (0, (40, 40, 60, 60), 0)))
    doubtful = score_gradient(
        targets((0, (8, 8, 32, 32), 0), (0, (40, 40, 60, 60), 0), weights=torch.tensor([1.0, 0.4]))
    )
    near = 64 * 0 + 8 * 6 + 6  # the fine cell in the middle of the second box
    assert abs(doubtful[0, near, 0]) < abs(sure[0, near, 0])


def test_a_batch_without_objects_has_a_loss_too() -> None:
    loss = detection_loss(answers(), targets(pictures=1), CANVAS_WH)
    assert float(loss.score) > 0
    assert float(loss.box) == float(loss.distribution) == 0.0


def test_the_distribution_is_asked_for_the_two_bins_around_the_truth() -> None:
    # Sides 2.25 strides to the left, 1 up, 3.5 right, 0 down, from a cell of stride 8 at (40, 40).
    truth = torch.tensor([[40 - 18.0, 40 - 8.0, 40 + 28.0, 40.0]])
    cell = torch.tensor([[40.0, 40.0, 8.0]])
    sure = torch.full((1, 4, BINS), -30.0)
    for side, low, share in ((0, 2, 0.25), (1, 1, 0.0), (2, 3, 0.5), (3, 0, 0.0)):
        sure[0, side, low] = torch.log(torch.tensor(1 - share))
        if share:
            sure[0, side, low + 1] = torch.log(torch.tensor(share))
    entropy = (-(0.25 * torch.tensor(0.25).log() + 0.75 * torch.tensor(0.75).log()) - torch.tensor(0.5).log()) / 4
    assert float(_distribution_focal(sure, truth, cell)) == pytest.approx(float(entropy), abs=1e-4)


def test_generalised_iou_of_boxes_by_hand() -> None:
    a = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 1.0, 1.0]])
    b = torch.tensor([[1.0, 1.0, 3.0, 3.0], [2.0, 0.0, 3.0, 1.0]])
    iou, giou = generalised_iou(a, b)
    assert iou.tolist() == pytest.approx([1 / 7, 0.0])
    assert giou.tolist() == pytest.approx([1 / 7 - 2 / 9, -1 / 3])
