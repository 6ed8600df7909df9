"""How far a model may move when it loses bits, and why that far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may differ. All of it is recorded, whatever the limits.

    differences: largest absolute difference per output; relative: for outputs that are not among those.
    partner_share: of the shown boxes, how many need a partner: one whose IoU is at least partner_iou, or no edge of
    which is further than edge_px away (IoU asks more of a small box than a pixel can hold), and whose score is at most
    score_slack lower; mean_iou: of all shown boxes with their partners; score_difference: the mean of theirs.
    ap50_drop: of the mean over classes; class_ap50_drop: of any one class.
    """

    differences: Mapping[str, float] = field(default_factory=dict)
    relative: float = 0.05
    partner_iou: float = 0.99
    edge_px: float = 0.0
    partner_share: float = 1.0
    score_slack: float = 0.02
    mean_iou: float = 0.99
    score_difference: float = 0.01
    ap50_drop: float = 0.002
    class_ap50_drop: float = 0.02


FP16 = Limits(edge_px=0.25)
"""Half precision rounds at the eleventh bit: nothing that a person or a tracker could see may change."""

INT8 = Limits(
    relative=0.25,
    partner_iou=0.9,
    edge_px=1.0,
    partner_share=0.98,
    score_slack=0.15,
    mean_iou=0.95,
    score_difference=0.03,
    ap50_drop=0.015,
    class_ap50_drop=0.05,
)
"""Eight bits move edges by a pixel or two: IoU 0.9 is 2 px per edge for a person of 40 × 80 px, far above the 0.5 at
which boxes are judged and the 0.3 at which tracks are joined, far below what a wrong scale or a lost sign would leave.
One box in fifty may be without such a partner: those that the net itself is unsure of. Scores move by 0.03 in the mean
at most, the width of one step in a table of operating points. Raw outputs are mostly what is never shown (the boxes of
empty cells): their limit only catches a broken graph."""
