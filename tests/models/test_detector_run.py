"""A whole run, small: from pictures to a folder that the service opens, stopped in between."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.detect import load_detector

with contextlib.suppress(ImportError):  # the marker says so
    import torch

    from models.detector import album as albums
    from models.detector import batches
    from models.detector.album import Album, make_album
    from models.detector.drawings import drawn_shots
    from models.detector.permitted import PERMITTED
    from models.detector.plan import Plan, Stage
    from models.detector.train import CHECKPOINT, LOG, Trainer, train

pytestmark = pytest.mark.needs("torch")


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Album:
    """Drawn streets alone: no teacher is needed."""
    torch.set_num_threads(1)
    [drawn] = [each for each in PERMITTED if each.name == "drawn streets"]
    few = (replace(drawn, shots=lambda _: drawn_shots(range(100, 102), 3), held_out=lambda n, _: n == 2),)
    monkeypatch.setattr(albums, "PERMITTED", few)
    monkeypatch.setattr(batches, "PERMITTED", few)
    return make_album(tmp_path, tmp_path / "no-teacher-needed.onnx", tmp_path / "album", processes=0)


def test_a_run_that_was_stopped_ends_where_the_unbroken_one_does(album: Album, tmp_path: Path) -> None:
    plan = Plan(
        steps=4, batch=2, warm_up=2, taught_share=0.0, half_precision=False, stages=(Stage(0.0, (64, 64), 1.0),)
    )

    def run(work: Path, until: int) -> Trainer:
        trainer = Trainer(plan, torch.device("cpu"))
        if (work / CHECKPOINT).exists():
            trainer.resume(work / CHECKPOINT)
        feed = iter(batches.Batches(tmp_path / "album", tmp_path / "none.onnx", plan, trainer.step))
        while trainer.step < until:
            batch = batches.as_batch(next(feed))
            trainer.learn(batch.images, batch.targets)
        trainer.save(work / CHECKPOINT)
        return trainer

    unbroken = run(tmp_path / "unbroken", 4)
    run(tmp_path / "stopped", 2)
    resumed = run(tmp_path / "stopped", 4)
    for mine, theirs in zip(resumed.averaged.parameters(), unbroken.averaged.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_at_its_end_there_are_a_checkpoint_a_log_curves_and_a_model_to_try(album: Album, tmp_path: Path) -> None:
    plan = Plan(steps=2, batch=2, warm_up=1, taught_share=0.0, stages=(Stage(0.0, (64, 64), 1.0),))
    trainer = Trainer(plan, torch.device("cpu"))
    work = tmp_path / "work"
    train(trainer, album, tmp_path / "album", tmp_path / "none.onnx", work, loaders=0)
    assert trainer.step == 2
    assert (work / CHECKPOINT).exists()
    assert (work / LOG).read_text(encoding="utf-8").splitlines()[-1].startswith("2,")
    assert (work / "curves.png").read_bytes().startswith(b"\x89PNG")
    load_detector(work / "draft").warm_up()
