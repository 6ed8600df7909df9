"""Runs at fixed addresses give what plain runs give; on the CPU here, on a GPU they are recorded too."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.sessions import OnnxSession
from streamer.sessions.bound_run import BoundRun
from streamer.zoo import bundled_model
from tests.onnx_models import brightness_graph


def pictures(n: int, seed: int, side=(32, 32)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *side, 3), np.uint8)


def bound(session: OnnxSession, outputs, feed) -> BoundRun:
    import onnxruntime

    return BoundRun(onnxruntime, session._session, outputs, feed, device="cpu", number=0, recording=1)


@pytest.mark.parametrize("n", [1, 3])
def test_a_bound_run_says_what_a_plain_run_says_picture_after_picture(n):
    session = OnnxSession(brightness_graph(), "tiny", "cpu", 1)
    run = bound(session, ["boxes", "scores"], {"images": pictures(n, 0)})
    for seed in range(4):
        feed = {"images": pictures(n, seed)}
        for ours, plain in zip(run.run(feed), session.run(["boxes", "scores"], feed), strict=True):
            np.testing.assert_array_equal(ours, plain)


def test_what_a_run_gave_is_not_written_over_by_the_next():
    session = OnnxSession(brightness_graph(), "tiny", "cpu", 1)
    run = bound(session, ["boxes"], {"images": pictures(1, 0)})
    [first] = run.run({"images": pictures(1, 1)})
    kept = first.copy()
    run.run({"images": pictures(1, 2)})
    np.testing.assert_array_equal(first, kept)


def test_the_feed_may_be_filled_anew_after_binding():
    session = OnnxSession(brightness_graph(), "tiny", "cpu", 1)
    batch = pictures(2, 0)
    run = bound(session, ["boxes"], {"images": batch})
    [before] = run.run({"images": batch})
    batch[...] = 0
    [after] = run.run({"images": batch})
    assert before.any()
    assert not after.any()


def test_a_batch_of_another_size_is_not_taken_for_this_one():
    session = OnnxSession(brightness_graph(), "tiny", "cpu", 1)
    run = bound(session, ["boxes"], {"images": pictures(2, 0)})
    with pytest.raises(Exception, match=r"(?i)size|shape|bytes"):
        run.run({"images": pictures(3, 0)})


def test_the_bundled_detector_runs_bound():
    session = OnnxSession((bundled_model() / "model.onnx").read_bytes(), "lookout", "cpu", 1)
    names = [each.name for each in session.outputs]
    feed = {"images": pictures(2, 5, (288, 384))}
    run = bound(session, names, {"images": pictures(2, 6, (288, 384))})
    for ours, plain in zip(run.run(feed), session.run(names, feed), strict=True):
        np.testing.assert_array_equal(ours, plain)
