"""The drawn demo's net: it can learn, it learns the same twice, and its parts are what their papers say."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest

with contextlib.suppress(ImportError):  # the marker says so
    import torch

pytestmark = pytest.mark.needs("torch")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def small_batch(pictures: int = 4):
    from models.drawn.pictures import collate, draw_album

    album = draw_album(range(950, 952), pictures // 2)
    rows = [
        (album.images[i], album.boxes[i], album.class_ids[i], album.asked[i], album.ignored[i])
        for i in range(len(album))
    ]
    return collate(rows)


def test_it_learns_one_batch_by_heart() -> None:
    from models.average_precision import Picture, judge
    from models.drawn.loss import detection_loss
    from models.drawn.network import CANVAS_WH, DrawnNet

    torch.manual_seed(0)
    images, targets = small_batch(2)
    net = DrawnNet().train()
    optimiser = torch.optim.AdamW(net.parameters(), 3e-3)
    for _ in range(150):
        boxes, logits = net.cells(images)
        loss = detection_loss(boxes, logits, targets, CANVAS_WH)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        boxes, logits = net.cells(images)
    scores = logits.sigmoid().numpy()
    found = []
    for i in range(len(images)):
        people = (targets.class_ids[i] == 0).numpy()
        asked, ignored = targets.asked[i].numpy() & people, targets.ignored[i].numpy() & people
        rows = best_cells(boxes[i].numpy(), scores[i, :, 0])
        truth = targets.boxes[i].numpy()
        found.append(Picture(boxes[i].numpy()[rows], scores[i, rows, 0], truth[asked], truth[ignored]))
    assert judge(found).average_precision > 0.9


def best_cells(boxes: np.ndarray, scores: np.ndarray, least: float = 0.2) -> list[int]:
    """Greedy suppression, written out."""
    from models.average_precision import iou

    kept: list[int] = []
    for row in np.argsort(-scores):
        if scores[row] < least:
            break
        if not kept or iou(boxes[row : row + 1], boxes[kept]).max() < 0.6:
            kept.append(int(row))
    return kept


def test_two_steps_from_a_seed_are_the_same_two_steps() -> None:
    from models.drawn.plan import Plan
    from models.drawn.train import Trainer

    images, targets = small_batch()

    def losses() -> tuple[list[float], float]:
        trainer = Trainer(Plan(steps=4))
        said = [trainer.learn(images, targets) for _ in range(2)]
        return said, float(sum(parameter.detach().double().sum() for parameter in trainer.averaged.parameters()))

    first, second = losses(), losses()
    assert first == second
    assert first[0][0] != first[0][1]


def test_training_goes_on_from_a_checkpoint_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    from models.drawn.plan import Plan
    from models.drawn.train import Trainer

    images, targets = small_batch()
    unbroken = Trainer(Plan(steps=4))
    unbroken.learn(images, targets)
    unbroken.save(tmp_path / "checkpoint.pt")
    resumed = Trainer(Plan(steps=4))
    resumed.resume(tmp_path / "checkpoint.pt")
    assert resumed.step == 1
    assert resumed.learn(images, targets) == unbroken.learn(images, targets)


def test_every_asked_object_gets_a_cell_and_hidden_ones_get_none() -> None:
    from models.drawn.loss import _assign
    from models.drawn.network import CANVAS_WH, DrawnNet, cell_centres

    torch.manual_seed(1)
    images, targets = small_batch()
    net = DrawnNet().eval()
    with torch.no_grad():
        boxes, logits = net.cells(images)
    centres = cell_centres(*CANVAS_WH, boxes.device)
    quality, owner = _assign(boxes, logits.sigmoid(), targets, centres)
    for i in range(len(images)):
        answered = set(owner[i][quality[i] > 0].tolist())
        asked = set(torch.nonzero(targets.asked[i]).flatten().tolist())
        assert answered <= asked
        assert len(answered) >= 0.9 * len(asked)  # two people behind each other may share all their cells


def test_generalised_iou_of_boxes_by_hand() -> None:
    from models.drawn.loss import generalised_iou

    a = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 1.0, 1.0]])
    b = torch.tensor([[1.0, 1.0, 3.0, 3.0], [2.0, 0.0, 3.0, 1.0]])
    iou, giou = generalised_iou(a, b)
    assert iou.tolist() == pytest.approx([1 / 7, 0.0])
    assert giou.tolist() == pytest.approx([1 / 7 - 2 / 9, -1 / 3])


def test_a_moved_picture_keeps_its_boxes_on_its_objects() -> None:
    from models.drawn.network import CANVAS_WH
    from models.drawn.pictures import MOST_OBJECTS, Album, augment

    w, h = CANVAS_WH
    image = np.full((h, w, 3), 114, np.uint8)
    image[90:130, 180:220] = 255
    boxes = np.zeros((1, MOST_OBJECTS, 4), np.float32)
    boxes[0, 0] = (180, 90, 220, 130)
    asked = np.zeros((1, MOST_OBJECTS), bool)
    asked[0, 0] = True
    album = Album(image[None], boxes, np.zeros((1, MOST_OBJECTS), np.int64), asked, np.zeros_like(asked))
    checked = 0
    for seed in range(30):
        moved, moved_boxes, _, still_asked, _ = augment(album, 0, np.random.default_rng(seed))
        bright = moved.astype(int).min(2) > 185
        if not still_asked[0] or not bright.any():
            continue
        ys, xs = np.nonzero(bright)
        checked += 1
        assert np.allclose(moved_boxes[0], (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1), atol=2.0)
    assert checked > 10


def test_the_committed_artifact_sees_streets_it_never_saw() -> None:
    from models.average_precision import Picture, judge
    from models.drawn.evaluate import as_frame
    from models.drawn.pictures import random_street
    from streamer.detect import load_detector
    from streamer.zoo import zoo_folder

    detector = load_detector(zoo_folder() / "drawn-street")
    found: dict[str, list[Picture]] = {"person": [], "car": []}
    for seed in range(700, 708):
        street = random_street(seed)
        for i in range(4):
            image, truth = street.frame_and_truth(14.0 * i)
            [seen] = detector.detect([as_frame(image, detector)])
            for class_id, label in enumerate(found):
                mine, true = seen.class_ids == detector.labels.index(label), truth.class_ids == class_id
                asked, spared = true & truth.clear, true & ~truth.clear
                found[label].append(
                    Picture(seen.boxes_xyxy[mine], seen.scores[mine], truth.boxes_xyxy[asked], truth.boxes_xyxy[spared])
                )
    assert judge(found["person"]).average_precision > 0.85
    assert judge(found["car"]).average_precision > 0.9
