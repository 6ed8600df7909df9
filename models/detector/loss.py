"""Which cell answers for which object, how wrong it is, and what the teacher would have said.

Task-aligned assignment (Feng et al., TOOD, ICCV 2021): near an object's middle, the cells whose score and box already
fit best answer for it. Scores learn how well the box fits (quality focal loss), sides learn generalised IoU
(Rezatofighi et al., CVPR 2019) and a distribution over distances (distribution focal loss; both focal losses: Li et
al., NeurIPS 2020). Where a teacher looked at the very same canvas, each cell is drawn to its score there as well, and
to its box where it sees something (Beyer et al., "A good teacher is patient and consistent", CVPR 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from models.detector.network import BINS, Cells, cell_grid

CELLS_PER_OBJECT = 9
BOX_WEIGHT = 2.5
DISTRIBUTION_WEIGHT = 0.5
TEACHER_WEIGHT = 1.5
TEACHER_BOX_WEIGHT = 1.0
_TEACHER_SEES = 0.2
"""From which score on a teacher's box is worth following."""
_NEAR_PX = 6.0
"""However small an object, the cells this close to its centre may answer for it."""


@dataclass(frozen=True)
class Targets:
    """The truth of a batch: one row per object of any picture, R in all, and what is not known per cell.

    picture int64 (R,): which picture of the batch; boxes float32 (R, 4) xyxy canvas pixels; class_ids int64 (R,);
    weights float32 (R,): below 1 for what a teacher was not sure of; ignored bool (R,): there may be one, so that cells
    on it are neither right nor wrong about its class; any_class bool (R,): nor about any other.
    unknown bool (B, N, K): cells on pictures where this class was not labelled.
    teacher float32 (B, N, K), teacher_boxes float32 (B, N, 4): the teacher's scores and boxes for the same canvas;
    taught bool (B, N): where to heed them.
    """

    picture: Tensor
    boxes: Tensor
    class_ids: Tensor
    weights: Tensor
    ignored: Tensor
    any_class: Tensor
    unknown: Tensor
    teacher: Tensor
    teacher_boxes: Tensor
    taught: Tensor


@dataclass(frozen=True)
class Loss:
    """The parts of one batch's loss, each already weighted."""

    score: Tensor
    box: Tensor
    distribution: Tensor
    teacher: Tensor

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        return self.score + self.box + self.distribution + self.teacher


def generalised_iou(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU of boxes (…, 4), broadcast against each other."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    both = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    iou = shared / both.clamp(min=1e-6)
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    return iou, iou - (hull - both) / hull.clamp(min=1e-6)


def detection_loss(cells: Cells, targets: Targets, canvas_wh: tuple[int, int]) -> Loss:
    """The loss of one batch on a canvas of this size."""
    boxes, sides, logits = (each.flatten(0, 1) for each in cells)
    grid = cell_grid(canvas_wh, boxes.device)
    with torch.no_grad():
        scores = logits.sigmoid()
        cell, owner, quality = _assign(boxes, scores, targets, grid)
        share = quality * targets.weights[owner]
        wanted = torch.zeros_like(logits)
        wanted[cell, targets.class_ids[owner]] = quality
        counted = _counted(targets, grid).flatten(0, 1)
        counted[cell] = targets.weights[owner][:, None]
        norm = share.sum().clamp(min=1.0)
    score_loss = (_quality_focal(logits, scores, wanted) * counted).sum() / norm
    truth = targets.boxes[owner]
    _, giou = generalised_iou(boxes[cell], truth)
    box_loss = ((1 - giou) * share).sum() / norm
    distribution_loss = (_distribution_focal(sides[cell], truth, grid[cell % len(grid)]) * share).sum() / norm
    return Loss(
        score_loss,
        BOX_WEIGHT * box_loss,
        DISTRIBUTION_WEIGHT * distribution_loss,
        _teacher_loss(boxes, logits, scores, targets),
    )


def _teacher_loss(boxes: Tensor, logits: Tensor, scores: Tensor, targets: Targets) -> Tensor:
    """How far each cell is from what the teacher says there, weighted: float ()."""
    taught, teacher = targets.taught.flatten(), targets.teacher.flatten(0, 1)
    seen = teacher.amax(-1) * taught
    norm = seen.sum().clamp(min=1.0)
    score_loss = (_quality_focal(logits, scores, teacher) * taught[:, None]).sum()
    rows = (seen >= _TEACHER_SEES).nonzero()[:, 0]
    _, giou = generalised_iou(boxes[rows], targets.teacher_boxes.flatten(0, 1)[rows])
    box_loss = ((1 - giou) * seen[rows]).sum()
    return (TEACHER_WEIGHT * score_loss + TEACHER_BOX_WEIGHT * box_loss) / norm


def _quality_focal(logits: Tensor, scores: Tensor, wanted: Tensor) -> Tensor:
    surprise = (scores - wanted).square()
    return F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * surprise


def _distribution_focal(sides: Tensor, truth: Tensor, cell: Tensor) -> Tensor:
    """Cross-entropy against the two bins around each true distance, mean of four sides: float (A,)."""
    centre, stride = cell[:, :2], cell[:, 2:]
    strides_out = torch.cat([centre - truth[:, :2], truth[:, 2:] - centre], -1) / stride
    strides_out = strides_out.clamp(0, BINS - 1.01)
    low = strides_out.floor()
    upper_share = strides_out - low
    log_p = sides.log_softmax(-1)
    at_low = log_p.gather(-1, low.long()[..., None])[..., 0]
    at_high = log_p.gather(-1, low.long()[..., None] + 1)[..., 0]
    return -(at_low * (1 - upper_share) + at_high * upper_share).mean(-1)


def _inside(grid: Tensor, boxes: Tensor, share: float, least_px: float) -> Tensor:
    """Bool (R, N): which cells lie in the middle share of which box, or at least this close to its centre."""
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    reach = (half * share).clamp(min=least_px)
    across = (grid[:, 0] - middle[:, :1]).abs() < reach[:, :1]
    return across & ((grid[:, 1] - middle[:, 1:]).abs() < reach[:, 1:])


def _counted(targets: Targets, grid: Tensor) -> Tensor:
    """Float (B, N, K): 0 where a cell's score for a class is neither right nor wrong, 1 elsewhere."""
    spared = targets.unknown.transpose(1, 2).float()
    rows = targets.ignored.nonzero()[:, 0]
    on_it = _inside(grid, targets.boxes[rows], 1.0, 0.0).float()
    picture, every = targets.picture[rows], targets.any_class[rows]
    spared.index_put_((picture, targets.class_ids[rows]), on_it, accumulate=True)
    of_any = torch.zeros_like(spared[:, 0]).index_add_(0, picture[every], on_it[every])
    return ((spared + of_any[:, None]) == 0).float().transpose(1, 2)


def _assign(boxes: Tensor, scores: Tensor, targets: Targets, grid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The cells that answer for something: their number in the batch (picture · N + cell), int64 (A,); the row
    that they answer for, int64 (A,); how good the answer should be, float (A,).
    """
    per_picture = len(grid)
    rows = (~targets.ignored).nonzero()[:, 0]
    picture, true_boxes = targets.picture[rows], targets.boxes[rows]
    iou = _iou(boxes.view(-1, per_picture, 4)[picture], true_boxes[:, None])
    of_class = scores.view(-1, per_picture, scores.shape[-1])[picture, :, targets.class_ids[rows]]
    near = _inside(grid, true_boxes, 0.7, _NEAR_PX)
    # The small constant keeps an order among cells at the start, when no box fits anything yet.
    fit = (of_class.sqrt() * iou.pow(4) + 1e-7 * (1 + iou)) * near
    best, where = fit.topk(min(CELLS_PER_OBJECT, per_picture), -1)
    top_iou = iou.gather(-1, where)
    cell = picture[:, None] * per_picture + where
    # A cell that several objects want answers for the one that it fits best.
    strongest = torch.zeros(len(boxes), device=boxes.device).scatter_reduce(0, cell.flatten(), best.flatten(), "amax")
    mine = (best > 0) & (best == strongest[cell])
    numbers = torch.arange(len(rows), device=boxes.device)[:, None].expand_as(cell)
    owner = torch.full((len(boxes),), -1, device=boxes.device).scatter_(0, cell[mine], numbers[mine])
    mine &= owner[cell] == numbers
    best, top_iou = best * mine, top_iou * mine
    # Rescale so that the best cell of an object is asked for its IoU; at least a little, so that training starts.
    peak = best.amax(-1, keepdim=True).clamp(min=1e-12)
    quality = best / peak * top_iou.amax(-1, keepdim=True).clamp(min=0.1)
    return cell[mine], rows[numbers[mine]], quality[mine]


def _iou(a: Tensor, b: Tensor) -> Tensor:
    shared = (torch.minimum(a[..., 2], b[..., 2]) - torch.maximum(a[..., 0], b[..., 0])).clamp(min=0)
    shared = shared * (torch.minimum(a[..., 3], b[..., 3]) - torch.maximum(a[..., 1], b[..., 1])).clamp(min=0)
    area_a = (a[..., 2] - a[..., 0]) * (a[..., 3] - a[..., 1])
    area_b = (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])
    return shared / (area_a + area_b - shared).clamp(min=1e-6)
