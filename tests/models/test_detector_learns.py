"""The bundled detector's training: it can learn, it learns the same twice, and it goes on as if it had not stopped."""

from __future__ import annotations

import contextlib
from pathlib import Path

import cv2
import numpy as np
import pytest

with contextlib.suppress(ImportError):  # the marker says so
    import torch

    from models.average_precision import Picture, judge
    from models.detector.loss import Loss, Targets
    from models.detector.network import LABELS, DetectorNet
    from models.detector.plan import Plan
    from models.detector.train import Trainer
    from models.detector.weights import load_weights, save_weights

pytestmark = pytest.mark.needs("torch")

CANVAS_WH = (128, 96)
RECORDED = ([0.60625, 1.33053, 0.95734, 0.0], [0.7377, 1.20891, 0.94642, 0.0])
"""Score, box, distribution and teacher loss of the first two steps; torch 2.13, float32."""
CELLS = sum((128 // stride) * (96 // stride) for stride in (8, 16, 32))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def coloured_boxes(pictures: int) -> tuple[torch.Tensor, Targets]:
    """Two boxes a picture on noise; a class is a colour."""
    rng = np.random.default_rng(3)
    images = rng.integers(90, 130, (pictures, CANVAS_WH[1], CANVAS_WH[0], 3), np.uint8)
    rows = []
    for n in range(pictures):
        for left in (8, 72):
            x, y = left + int(rng.integers(0, 16)), int(rng.integers(4, 40))
            w, h = int(rng.integers(16, 36)), int(rng.integers(20, 50))
            class_id = int(rng.integers(0, 2)) * 2  # person or car
            cv2.rectangle(images[n], (x, y), (x + w - 1, y + h - 1), (220, 40, 40) if class_id else (40, 40, 220), -1)
            rows.append((n, (x, y, x + w, y + h), class_id))
    picture, boxes, class_ids = zip(*rows, strict=True)
    return torch.from_numpy(images), Targets(
        torch.tensor(picture),
        torch.tensor(boxes, dtype=torch.float32),
        torch.tensor(class_ids),
        torch.ones(len(rows)),
        torch.zeros(len(rows), dtype=torch.bool),
        torch.zeros(len(rows), dtype=torch.bool),
        torch.zeros(pictures, CELLS, len(LABELS), dtype=torch.bool),
        torch.zeros(pictures, CELLS, len(LABELS)),
        torch.zeros(pictures, CELLS, 4),
        torch.zeros(pictures, CELLS, dtype=torch.bool),
    )


def trainer(steps: int, peak_rate: float = 2e-3) -> Trainer:
    plan = Plan(20261121, steps=steps, warm_up=5, peak_rate=peak_rate, average=0.9, half_precision=False)
    return Trainer(plan, torch.device("cpu"))


def test_it_learns_one_batch_by_heart() -> None:
    images, targets = coloured_boxes(4)
    pupil = trainer(60, 4e-3)
    for _ in range(60):
        pupil.learn(images, targets)
    with torch.no_grad():
        boxes, scores, _, _ = pupil.net.train()(images)
    for class_id in (0, 2):
        found = []
        for n in range(len(images)):
            rows = scores[n, :, class_id].argsort(descending=True)
            kept = suppressed(boxes[n, rows].numpy(), scores[n, rows, class_id].numpy())
            mine = (targets.picture == n) & (targets.class_ids == class_id)
            nothing = np.zeros((0, 4), np.float32)
            found.append(Picture(*kept, targets.boxes[mine].numpy(), nothing))
        assert judge(found).average_precision > 0.95


def suppressed(boxes: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Greedy suppression, written out."""
    from models.average_precision import iou

    kept: list[int] = []
    for row in np.flatnonzero(scores > 0.1):
        if not kept or iou(boxes[row : row + 1], boxes[kept]).max() < 0.6:
            kept.append(int(row))
    return boxes[kept], scores[kept]


def parts(loss: Loss) -> list[float]:
    return [float(each.detach()) for each in (loss.score, loss.box, loss.distribution, loss.teacher)]


def test_two_steps_from_the_seed_give_the_recorded_losses() -> None:
    images, targets = coloured_boxes(4)
    pupil = trainer(10)
    first, second = (parts(pupil.learn(images, targets)) for _ in range(2))
    assert first == pytest.approx(RECORDED[0], rel=2e-3)
    assert second == pytest.approx(RECORDED[1], rel=2e-2)  # a step through batch statistics magnifies rounding


def test_training_goes_on_from_a_checkpoint_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    images, targets = coloured_boxes(2)
    unbroken = trainer(10)
    unbroken.learn(images, targets)
    unbroken.save(tmp_path / "checkpoint.pt")
    resumed = trainer(10)
    resumed.resume(tmp_path / "checkpoint.pt")
    assert resumed.step == 1
    assert parts(resumed.learn(images, targets)) == parts(unbroken.learn(images, targets))
    for mine, theirs in zip(resumed.averaged.parameters(), unbroken.averaged.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_what_is_exported_is_what_was_trained() -> None:
    torch.manual_seed(0)
    net = DetectorNet().eval()
    images = torch.randint(0, 256, (2, CANVAS_WH[1], CANVAS_WH[0], 3), dtype=torch.uint8)
    with torch.no_grad():
        cells = net.cells(images)
        boxes, scores, embedding, features = net(images)
    assert torch.allclose(cells.boxes, boxes, atol=1e-3)
    assert torch.allclose(cells.logits.sigmoid(), scores, atol=1e-6)
    assert embedding.shape == (2, 160)
    assert features.shape == (2, 64, CANVAS_WH[1] // 16, CANVAS_WH[0] // 16)


def test_training_can_begin_with_published_weights(tmp_path: Path) -> None:
    torch.manual_seed(4)
    net = DetectorNet()
    save_weights(net, tmp_path / "weights.pt")
    pupil = Trainer(Plan(steps=2), torch.device("cpu"), beginning=load_weights(tmp_path / "weights.pt"))
    for mine, theirs in zip(pupil.net.parameters(), net.parameters(), strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-3, atol=1e-4)
    (tmp_path / "other.pt").write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"other\.pt: holds no weights of this net"):
        load_weights(tmp_path / "other.pt")
