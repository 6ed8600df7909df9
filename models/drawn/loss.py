"""Which cell answers for which object, and how wrong it is.

Task-aligned assignment (Feng et al., TOOD, ICCV 2021): near an object's middle, the cells whose score and box
already fit best answer for it. Scores learn how well the box fits (quality focal loss, Li et al., NeurIPS 2020),
boxes learn generalised IoU (Rezatofighi et al., CVPR 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from models.drawn.network import STRIDE_PX, cell_centres

_CELLS_PER_OBJECT = 7
_BOX_WEIGHT = 2.0


@dataclass(frozen=True)
class Targets:
    """The truth of a batch, padded to M objects per picture.

    boxes float32 (B, M, 4) xyxy canvas pixels; class_ids int64 (B, M); asked bool (B, M): must be found; ignored bool
    (B, M): is there, but too hidden or small to be asked for, so that cells on it are neither right nor wrong.
    """

    boxes: Tensor
    class_ids: Tensor
    asked: Tensor
    ignored: Tensor


def generalised_iou(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU of boxes (…, 4), broadcast against each other."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    both = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    iou = shared / both.clamp(min=1e-6)
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    return iou, iou - (hull - both) / hull.clamp(min=1e-6)


def detection_loss(boxes: Tensor, logits: Tensor, targets: Targets, canvas_wh: tuple[int, int]) -> Tensor:
    """One number for a batch: boxes (B, N, 4) and logits (B, N, K) as DrawnNet.cells gives them."""
    centres = cell_centres(canvas_wh[0], canvas_wh[1], boxes.device)
    with torch.no_grad():
        quality, owner = _assign(boxes, logits.sigmoid(), targets, centres)
        wanted = torch.zeros_like(logits)
        owner_class = targets.class_ids.gather(1, owner)
        wanted.scatter_(2, owner_class[..., None], quality[..., None])
        spared = _inside(centres, targets.boxes, 1.0, 0.0) & targets.ignored[..., None]
        counted = ~(spared.any(1) & (quality == 0))
    norm = quality.sum().clamp(min=1.0)
    surprise = (logits.sigmoid() - wanted).abs().square().detach()
    scores = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * surprise
    score_loss = (scores * counted[..., None]).sum() / norm
    answering = quality > 0
    truth = targets.boxes.gather(1, owner[..., None].expand(-1, -1, 4))
    _, giou = generalised_iou(boxes[answering], truth[answering])
    box_loss = ((1 - giou) * quality[answering]).sum() / norm
    return score_loss + _BOX_WEIGHT * box_loss


def _inside(centres: Tensor, boxes: Tensor, share: float, least_px: float) -> Tensor:
    """Bool (B, M, N): which cells lie in the middle share of which box, or at least this close to its centre."""
    middle, half = (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]) / 2
    reach = (half * share).clamp(min=least_px)
    return ((centres[None, None] - middle[:, :, None]).abs() < reach[:, :, None]).all(-1)


def _assign(boxes: Tensor, scores: Tensor, targets: Targets, centres: Tensor) -> tuple[Tensor, Tensor]:
    """How good each cell's answer should be, float (B, N), 0 where it answers for nothing; and for whom, int (B, N)."""
    objects = targets.class_ids.shape[1]
    if objects == 0:
        raise ValueError("targets are padded to at least one object per picture, unasked where there is none")
    iou, _ = generalised_iou(boxes[:, None], targets.boxes[:, :, None])
    of_class = scores.gather(2, targets.class_ids[:, None].expand(-1, scores.shape[1], -1)).transpose(1, 2)
    near = _inside(centres, targets.boxes, 0.6, 0.75 * STRIDE_PX) & targets.asked[..., None]
    # The small constant keeps an order among cells at the start, when no box fits anything yet.
    fit = (of_class.sqrt() * iou.pow(4) + 1e-7 * (1 + iou)) * near
    best = fit.topk(min(_CELLS_PER_OBJECT, fit.shape[-1]), -1)
    chosen = torch.zeros_like(fit).scatter_(2, best.indices, (best.values > 0).float()) * fit
    strongest, owner = chosen.max(1)
    mine = F.one_hot(owner, objects).transpose(1, 2).bool() & (chosen > 0)
    fit, iou = fit * mine, iou * mine
    # Rescale so that the best cell of an object is asked for its IoU; at least a little, so that training starts.
    peak = fit.amax(-1, keepdim=True).clamp(min=1e-12)
    top = iou.amax(-1, keepdim=True).clamp(min=0.1)
    quality = (fit / peak * top).amax(1)
    return torch.where(strongest > 0, quality, torch.zeros_like(quality)), owner
