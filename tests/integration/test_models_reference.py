"""The reference detectors on a real picture: what adapters, canvas and NMS make of it together."""

from __future__ import annotations

import av
import numpy as np
import pytest

from streamer.cli import main
from streamer.detect import load_detector
from streamer.detect.canvas import resize
from streamer.types import Frame
from tests.benchmarks.scoring import curve_of, read_mot
from tests.fakes import StillPicture

pytestmark = pytest.mark.needs("shared")


@pytest.fixture(scope="module")
def frames(request):
    """Every fourth of the 69 true frames of vtest: truth frame number → RGB."""
    from tests.conftest import SHARED

    found = {}
    with av.open(str(SHARED / "data" / "videos" / "vtest_480x360.mp4")) as video:
        for index, frame in enumerate(video.decode(video=0)):
            if index >= 69:
                break
            if index % 4 == 0:
                found[index + 1] = frame.to_ndarray(format="rgb24")
    return found


def people(detector, pictures, per_run):
    numbers = list(pictures)
    given = []
    for number in numbers:
        image = pictures[number]
        wh = (image.shape[1], image.shape[0])
        content = resize(image, detector.input_fit.of(wh).content_wh)
        given.append(Frame("vtest", "s", number, content, wh, 0.0, 0.0, 0.0, StillPicture(image)))
    answers = [d for at in range(0, len(given), per_run) for d in detector.detect(given[at : at + per_run])]
    person = detector.labels.index("person")
    return {
        n: (d.boxes_xyxy[d.class_ids == person], d.scores[d.class_ids == person])
        for n, d in zip(numbers, answers, strict=True)
    }


@pytest.mark.parametrize(
    ("file", "layout", "at_least"),
    [("yolox_nano/yolox_nano.onnx", "yolox", 0.82), ("fastestdet/FastestDet.onnx", "fastestdet", 0.66)],
)
def test_people_are_found_as_well_as_the_nets_are_known_for(tmp_path, shared, frames, file, layout, at_least):
    folder = tmp_path / "net"
    model = shared / "data" / "models" / file
    assert main(["models", "adopt", str(model), "--layout", layout, "--out", str(folder)]) == 0
    truth = read_mot(shared / "data" / "tracking" / "vtest_pets" / "gt_first69.txt", scale=0.625)
    found = people(load_detector(folder), frames, per_run=1)
    assert curve_of({n: truth[n] for n in found}, found).average_precision >= at_least


def test_a_free_batch_axis_gives_what_single_runs_give(tmp_path, shared, frames):
    folder = tmp_path / "net"
    model = shared / "data" / "models" / "yolox_nano" / "yolox_nano_dynbatch.onnx"
    assert main(["models", "adopt", str(model), "--layout", "yolox", "--out", str(folder)]) == 0
    detector = load_detector(folder)
    some = dict(list(frames.items())[:5])
    together, singly = people(detector, some, per_run=5), people(detector, some, per_run=1)
    assert detector.timings.runs == 6
    for number in some:
        np.testing.assert_allclose(together[number][1], singly[number][1], atol=1e-4)
        np.testing.assert_allclose(together[number][0], singly[number][0], atol=0.05)
