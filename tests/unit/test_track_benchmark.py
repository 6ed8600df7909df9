"""The benchmark's own arithmetic: columns, frames, scores, ratios. The rivals and TrackEval are not needed for that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks import tracking


def sequence(folder: Path, det: str, gt: str) -> tracking.Sequence:
    (folder / "det.txt").write_text(det)
    (folder / "gt.txt").write_text(gt)
    return tracking.read(folder)


def test_frames_are_counted_from_the_first_with_truth_and_boxes_become_corners(tmp_path: Path) -> None:
    det = "10,-1,5,5,10,20,0.5\n11,-1,10,20,30,40,67.5\n14,-1,1,1,2,2,-0.3\n99,-1,1,1,2,2,1\n"
    read = sequence(tmp_path, det, "11,3,1,2,3,4,1\n12,4,1,2,3,4,0\n14,3,1,2,3,4,1\n")
    assert read.boxes.tolist() == [[0, 10, 20, 40, 60, 67.5], [3, 1, 1, 3, 3, -0.3]]
    assert read.truth.tolist() == [[0, 3, 1, 2, 4, 6], [3, 3, 1, 2, 4, 6]]
    assert read.times_s == pytest.approx([0, 1 / 30, 2 / 30, 3 / 30]), "30 frames a second where no video says better"


def test_scores_in_0_to_1_are_taken_as_they_are_and_others_read_as_ranks(tmp_path: Path) -> None:
    gt = "1,1,1,2,3,4,1\n"
    [(how, kept)] = tracking.readings_of(sequence(tmp_path, "1,-1,1,1,2,2,0.25\n1,-1,1,1,2,2,1\n", gt)).items()
    assert (how, kept.boxes[:, 5].tolist()) == ("as given", [0.25, 1])
    odd = tracking.readings_of(
        sequence(tmp_path, "1,-1,1,1,2,2,-3\n1,-1,1,1,2,2,50\n1,-1,1,1,2,2,50\n1,-1,1,1,2,2,7\n", gt)
    )
    assert next(iter(odd)) == "rank"
    assert odd["rank"].boxes[:, 5].tolist() == [0.25, 1, 1, 0.5]
    assert odd["percent"].boxes[:, 5].tolist() == [0, 0.5, 0.5, 0.07]
    assert odd["cut"].boxes[:, 5].tolist() == [0, 1, 1, 1]


def test_a_ratio_is_ours_over_the_better_rival_and_means_the_same_where_none_is_above_0() -> None:
    def told(ours: float, first: float, second: float) -> dict[str, float]:
        values = {"ours": ours, "ByteTrack": first, "OC-SORT": second}
        return tracking.ratios({who: dict.fromkeys(tracking.MEASURES, v) for who, v in values.items()})

    assert told(30, 20, 25) == {"hota_ratio": 1.2, "idf1_ratio": 1.2, "mota_ratio": 1.2}
    assert told(-5, -10, -20)["mota_ratio"] > 1 > told(-30, -10, -20)["mota_ratio"]


def test_variations_keep_boxes_and_truth_of_the_same_moments_together(tmp_path: Path) -> None:
    rows = "".join(f"{f},7,{f},0,10,10,1\n" for f in range(1, 13))
    for changed in tracking.variations(sequence(tmp_path, rows, rows)):
        assert len(changed.times_s) == 1 + int(changed.truth[:, 0].max())
        left_of = {frame: x for frame, _, x, *_ in changed.truth.tolist()}
        assert [left_of[f] - 1 for f in sorted(left_of)] == pytest.approx(np.round(changed.times_s * 30).tolist())
        if changed.name.startswith(("every", "40 %", "20 %")):
            assert all(left_of[frame] == x for frame, x, *_ in changed.boxes.tolist())
