"""Operators in place of torchvision's: they say what the definitions say, and stay away where they are not needed."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT

try:
    import torch

    from export.torchvision.operators import import_torchvision, plain_nms, plain_roi_align
except ImportError:  # the marker says so
    pass

pytestmark = pytest.mark.needs("torch", "torchvision")


def boxes_of(chance: np.random.Generator, n: int) -> np.ndarray:
    corners = chance.uniform(0, 60, (n, 2))
    return np.concatenate([corners, corners + chance.uniform(0, 30, (n, 2))], axis=1).astype(np.float32)


def iou(a, b) -> float:
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(w, 0) * max(h, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


@pytest.mark.parametrize("n", [0, 1, 2, 40, 300])
def test_suppression_keeps_the_best_of_those_that_overlap(n):
    chance = np.random.default_rng(n)
    boxes, scores = boxes_of(chance, n), chance.permutation(n).astype(np.float32)
    stays: list[int] = []
    for row in np.argsort(-scores):
        if all(iou(boxes[row], boxes[other]) <= 0.5 for other in stays):
            stays.append(int(row))
    assert plain_nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.5).tolist() == stays


def bilinear(plane: np.ndarray, y: float, x: float) -> float:
    """One value between pixels; 0 more than a pixel outside."""
    h, w = plane.shape
    if not (-1 <= y <= h and -1 <= x <= w):
        return 0.0
    y, x = min(max(y, 0.0), h - 1.0), min(max(x, 0.0), w - 1.0)
    top, left = math.floor(y), math.floor(x)
    bottom, right = min(top + 1, h - 1), min(left + 1, w - 1)
    dy, dx = y - top, x - left
    upper = plane[top, left] * (1 - dx) + plane[top, right] * dx
    lower = plane[bottom, left] * (1 - dx) + plane[bottom, right] * dx
    return float(upper * (1 - dy) + lower * dy)


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("size", [(9, 13), (1, 6)])
def test_a_roi_is_pooled_from_means_of_samples_between_pixels(aligned, size):
    chance = np.random.default_rng(4)
    features = chance.normal(size=(2, 2, *size)).astype(np.float32)
    corners = chance.uniform(-30, 100, (6, 2))
    rois = np.concatenate([chance.integers(0, 2, (6, 1)), corners, corners + chance.uniform(0, 70, (6, 2))], axis=1)
    expected = np.zeros((6, 2, 3, 2))
    for r, (picture, *box) in enumerate(rois):
        x1, y1, x2, y2 = (value / 8 - (0.5 if aligned else 0) for value in box)
        w, h = (x2 - x1, y2 - y1) if aligned else (max(x2 - x1, 1), max(y2 - y1, 1))
        for c, i, j in np.ndindex(2, 3, 2):
            samples = [
                bilinear(features[int(picture), c], y1 + h * (i + (a + 0.5) / 2) / 3, x1 + w * (j + (b + 0.5) / 2) / 2)
                for a in range(2)
                for b in range(2)
            ]
            expected[r, c, i, j] = np.mean(samples)
    given = torch.from_numpy(features), torch.from_numpy(rois.astype(np.float32))
    np.testing.assert_allclose(plain_roi_align(*given, 1 / 8, 3, 2, 2, aligned).numpy(), expected, atol=1e-4)


def test_no_rois_are_pooled_to_nothing_and_a_free_sampling_ratio_is_refused():
    features, none = torch.zeros(1, 3, 4, 4), torch.zeros(0, 5)
    assert plain_roi_align(features, none, 1.0, 7, 7, 2, False).shape == (0, 3, 7, 7)
    with pytest.raises(ValueError, match="got -1"):
        plain_roi_align(features, none, 1.0, 7, 7, -1, False)


def test_torchvisions_own_functions_run_whatever_was_installed():
    package = import_torchvision()
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
    assert package.ops.nms(boxes, torch.tensor([0.5, 0.9, 0.3]), 0.5).tolist() == [1, 2]
    rois = torch.tensor([[0.0, 0, 0, 8, 8]])
    assert package.ops.roi_align(torch.ones(1, 1, 8, 8), rois, 2, sampling_ratio=2).tolist() == [[[[1, 1], [1, 1]]]]


IMPORTS = """
import sys, torch
from export.torchvision.operators import import_torchvision
from streamer.errors import ConfigError
for place in sys.argv[1:]:
    sys.path.insert(0, place)
    try:
        print(import_torchvision().__version__, hasattr(torch.ops.torchvision, "nms"))
    except (ConfigError, ModuleNotFoundError) as error:
        print(error)
    sys.modules.pop("torchvision", None)
"""


def test_a_torchvision_that_imports_is_left_alone_and_an_unfit_one_is_named(tmp_path):
    for name, code in {
        "good": "__version__ = '0.99'",
        "unfit": "raise RuntimeError('operator torchvision::warp does not exist')",
        "broken": "import a_library_that_nobody_has",
    }.items():
        (tmp_path / name / "torchvision").mkdir(parents=True)
        (tmp_path / name / "torchvision" / "__init__.py").write_text(code)
    places = [str(tmp_path / name) for name in ("good", "unfit", "broken")]
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, *places], capture_output=True, text=True, cwd=ROOT, check=False
    )
    good, unfit, broken = done.stdout.splitlines()
    assert good == "0.99 False"
    assert "does not work beside torch" in unfit
    assert "(operator torchvision::warp does not exist)" in unfit
    assert broken == "No module named 'a_library_that_nobody_has'"
