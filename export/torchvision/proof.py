"""Proof that an exported detector finds what torchvision's own code finds (see export.parity for the tiers).

The graph ends behind the net's own suppression, and how many objects come out depends on the picture. So values are
compared between partners: what one side shows needs a partner of the same class on the other, both ways round. Which of
two near-equal boxes suppression keeps is decided by a hair: torchvision moves the boxes of every class far apart before
it compares them, which rounds them to hundredths of a pixel. One in fifty may therefore lack a partner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from export.limits import Limits
from export.parity import Meaning, Parity, ParityError, Tensors
from export.torchvision.drawings import Picture
from export.torchvision.graph import INPUT, OUTPUTS, picker, with_min_score
from export.torchvision.operators import import_torchvision
from models.average_precision import iou
from streamer.detect.layouts import Candidates
from streamer.sessions import OnnxSession

torchvision = import_torchvision()

LIMITS = Limits(
    differences={"labels": 0.0, "scores": 0.005},
    relative=0.001,
    partner_iou=0.99,
    edge_px=0.1,
    partner_share=0.98,
    score_slack=0.005,
    score_difference=0.0005,
)
_SHOWN_PER_PICTURE = 20
_SMALLEST_PX = 1.0


def prove(
    net: nn.Module, graph: bytes, min_score: float, shown: Sequence[Picture], tell: Callable[[str], None]
) -> tuple[Parity, float]:
    """Hold the graph to the net as torchvision built it. Raises ParityError; tell hears how it goes.

    Returns what was measured, and the score from which objects were compared: min_score, or less where that leaves
    fewer than twenty of a picture.
    """
    truth = []
    for i, picture in enumerate(shown):
        tell(f"torchvision looks at picture {i + 1} of {len(shown)}")
        truth.append(torchvisions(net, picture))
    seen = [_visible(_candidates(each)).scores for each in truth]
    if not all(map(len, seen)):
        raise ParityError("the net finds nothing on a drawn picture, not even of score 0: there is nothing to compare")
    from_score = float(min(min_score, *(np.sort(scores)[::-1][:_SHOWN_PER_PICTURE].min() for scores in seen)))
    # A little lower in the graph: what lies at the limit itself may fall on either side.
    session = OnnxSession(with_min_score(graph, from_score * 0.99), "the exported graph", "cpu", threads=1)
    names = [output.name for output in session.outputs]
    tensors, meaning, backwards = Tensors(LIMITS), Meaning(LIMITS), Meaning(LIMITS)
    for i, (picture, expected) in enumerate(zip(shown, truth, strict=True)):
        tell(f"the graph looks at picture {i + 1} of {len(shown)}")
        found = dict(zip(names, session.run(names, {INPUT: picture[None]}), strict=True))
        tensors.compare(*_partners(expected, found))
        here, there = _candidates(expected), _candidates(found)
        at_least = max(from_score, _just_above(float(here.scores.min())))
        meaning.compare(_visible(here, at_least), there)
        backwards.compare(_visible(there, at_least), here)
    if not meaning.ious:
        raise ParityError("the net gives the same score to whatever it finds: there is nothing to compare")
    tensors.judge()
    meaning.judge()
    backwards.judge()
    against = f"torchvision {torchvision.__version__}, torch {torch.__version__} fp32"
    return Parity.of(against, len(shown), tensors, meaning), from_score


def torchvisions(net: nn.Module, picture: Picture, min_score: float = 0.0) -> dict[str, NDArray[np.generic]]:
    """What torchvision's own code finds on a picture of the canvas's size, uint8 (H, W, 3): boxes, labels, scores."""
    part = picker(net)
    before, part.score_thresh = part.score_thresh, min_score
    try:
        with torch.no_grad():
            [found] = net([torch.from_numpy(picture).permute(2, 0, 1).float() / 255])
    finally:
        part.score_thresh = before
    return {name: found[name].numpy() for name in OUTPUTS}


def _partners(
    expected: dict[str, NDArray[np.generic]], found: dict[str, NDArray[np.generic]]
) -> tuple[dict[str, NDArray[np.generic]], dict[str, NDArray[np.generic]]]:
    """Rows of both that belong together, in the same order; names and types as they are."""
    if list(found) != list(OUTPUTS):
        raise ParityError(f"outputs: expected {list(OUTPUTS)}, the graph has {list(found)}")
    here, there = _candidates(expected), _candidates(found)
    overlap = np.where(here.class_ids[:, None] == there.class_ids[None], iou(here.boxes_xyxy, there.boxes_xyxy), 0.0)
    if not len(there.scores):
        return {name: each[:0] for name, each in expected.items()}, found
    best = overlap.argmax(axis=1)
    rows = np.flatnonzero(overlap[np.arange(len(best)), best] >= LIMITS.partner_iou)
    return (
        {name: each[rows] for name, each in expected.items()},
        {name: each[best[rows]] for name, each in found.items()},
    )


def _just_above(lowest: float) -> float:
    """Where objects no longer compete for the last places among those that the net gives at most.

    A little higher, and measured so that it stays below 1: a hundredth of a logit.
    """
    return lowest + 0.01 * lowest * (1 - lowest)


def _candidates(objects: dict[str, NDArray[np.generic]]) -> Candidates:
    return Candidates(
        objects["boxes"].astype(np.float32), objects["scores"].astype(np.float32), objects["labels"].astype(np.int64)
    )


def _visible(found: Candidates, at_least: float = 0.0) -> Candidates:
    """Those that score enough and are a pixel wide and high."""
    sides = found.boxes_xyxy[:, 2:] - found.boxes_xyxy[:, :2]
    rows = (found.scores >= at_least) & (sides >= _SMALLEST_PX).all(axis=1)
    return Candidates(found.boxes_xyxy[rows], found.scores[rows], found.class_ids[rows])
