"""What the tracker may be told: scores in [0, 1], times in seconds, lengths in box sizes."""

from __future__ import annotations

from dataclasses import dataclass

VEHICLES = ("car", "bus", "truck", "van", "vehicle")
TWO_WHEELERS = ("bicycle", "motorcycle", "motorbike", "scooter")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerSettings:
    """One set of defaults for every camera and frame rate; docs/adr/0003-tracking.md says how it was measured.

    high_score          boxes of this score and more are associated first (ByteTrack's first stage)
    low_score           boxes below are ignored; those between keep a known track alive, and never begin one
    new_score           an unmatched box of this score and more may begin a track; left out: high_score + 0.05
    confirm_after_s     a new track counts once it was seen twice, first this long ago,
    confirm_score       and its scores add up to this much
    instant_score       in the first frame of a session that has boxes, a box of this score counts at once
    lost_after_s        a track unseen for longer is given up (at very low frame rates: after two usual steps)
    report_score        a track that lately lives on worse scores than this is followed, but not reported
    score_memory_s      how long "lately" is
    high_overlap        least affinity in the first stage (grown overlap less the costs below)
    low_overlap         the same for boxes of low score
    surprise_cost       what the greatest allowed surprise takes off the affinity (surprise: see association.py)
    surprise_limit      squared Mahalanobis distance, four dimensions, beyond which nothing is matched
    score_cost          affinity lost per unit of change in score
    same_overlap        no track begins where a matched box of the same kind covers this share of the smaller one
    box_trust           share of the filter's box in the box that is told; the rest is the detection's
    alike               labels that detectors confuse: a track may change between them, and only between them
    """

    high_score: float = 0.55
    low_score: float = 0.1
    new_score: float | None = None
    confirm_after_s: float = 0.075
    confirm_score: float = 1.2
    instant_score: float = 0.8
    lost_after_s: float = 1.2
    report_score: float = 0.35
    score_memory_s: float = 0.25
    high_overlap: float = 0.1
    low_overlap: float = 0.2
    surprise_cost: float = 0.5
    surprise_limit: float = 40.0
    score_cost: float = 0.15
    same_overlap: float = 0.5
    box_trust: float = 0.5
    alike: tuple[tuple[str, ...], ...] = (VEHICLES, TWO_WHEELERS)

    def __post_init__(self) -> None:
        shares = ("high_score", "low_score", "birth_score", "report_score", "same_overlap", "box_trust")
        for name in shares:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"tracker: {name} lies in 0 … 1; got {getattr(self, name)}")
        for name in ("lost_after_s", "score_memory_s", "surprise_limit"):
            if not getattr(self, name) > 0:
                raise ValueError(f"tracker: {name} must be above 0; got {getattr(self, name)}")
        if not self.low_score <= self.high_score <= self.birth_score:
            raise ValueError(
                "tracker: low_score ≤ high_score ≤ new_score is needed; "
                f"got {self.low_score}, {self.high_score}, {self.birth_score}"
            )

    @property
    def birth_score(self) -> float:
        """new_score, or what stands for it."""
        return min(1.0, self.high_score + 0.05) if self.new_score is None else self.new_score
