"""No sink is shown more than may be seen, and no encoder takes what was not screened."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from streamer.errors import PrivacyError
from streamer.privacy.jpeg import jpeg
from streamer.privacy.policy import OPEN, CameraPrivacy
from streamer.privacy.publishable import Publishable, publishable, small_publishable, veil_of
from streamer.privacy.screen import Screen, Screened
from streamer.privacy.source import private
from streamer.privacy.veil import Veil
from streamer.privacy.veils import LONGEST_STEP_S, Veils
from streamer.types import Detections, FrameResult, Tracks
from tests.alert_lives import change
from tests.screened import screened
from tests.walks import Drawn, frame_at

LABELS = ("person", "car")
LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (360, 640, 3), np.uint8)


def found(
    media_s: float, *objects: tuple[str, float, tuple[float, float, float, float]], policy: CameraPrivacy | None = None
) -> FrameResult:
    """A frame of noise in which the detector saw these: label, score, box in pixels. Nothing is tracked."""
    frame = replace(frame_at(media_s, image=noise(), source_wh=(640, 360)), picture=Drawn(noise()))
    frame = private(frame, policy) if policy else frame
    detections = Detections(
        np.array([box for *_, box in objects], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in objects], np.float32),
        np.array([LABELS.index(label) for label, *_ in objects], np.int64),
        LABELS,
    )
    return FrameResult(frame, detections, Tracks.none(LABELS))


def changed(result: FrameResult) -> np.ndarray:
    """Where the picture is another than the frame's own."""
    return (result.frame.picture.rgb() != noise()).any(2)


class Kept:
    """A sink that keeps what it was shown."""

    def __init__(self) -> None:
        self.results, self.changes = [], []

    def publish(self, result) -> None:
        self.results.append(result)

    def announce(self, changes) -> None:
        self.changes += changes

    def close(self) -> None:
        self.closed = True


def test_a_camera_that_hides_nothing_is_shown_as_it_is_without_a_copy():
    result = found(0.0, ("person", 0.9, (10, 10, 60, 200)))
    shown = screened(result)
    assert shown.frame.image is result.frame.image
    assert (publishable(shown.frame.picture).rgb == noise()).all()


def test_masks_are_black_in_the_small_and_in_the_full_picture():
    shown = screened(found(0.0), CameraPrivacy(masks=(LEFT_HALF,)))
    for picture in (publishable(shown.frame.picture), small_publishable(shown.frame)):
        assert (picture.rgb[:, :320] == 0).all()
        assert (picture.rgb[:, 324:] == noise()[:, 324:]).all()


def test_what_the_tracker_would_hardly_take_is_hidden_already():
    screen, policy = Screen(), CameraPrivacy(redact="boxes")
    sure, weak, none, car = (100, 50, 150, 200), (300, 50, 350, 200), (500, 50, 550, 200), (10, 300, 90, 350)
    objects = [("person", 0.9, sure), ("person", 0.11, weak), ("person", 0.05, none), ("car", 0.9, car)]
    different = changed(screen.screened(found(0.0, *objects, policy=policy)))
    assert different[50:200, 100:150].mean() > 0.95
    assert different[50:200, 300:350].mean() > 0.95
    assert not different[50:200, 500:550].any()
    assert not different[300:350, 10:90].any()


def test_of_a_person_the_head_is_hidden_and_of_anything_else_all():
    screen, policy = Screen(), CameraPrivacy(redact="heads", labels=frozenset(LABELS))
    objects = [("person", 0.9, (100, 50, 150, 200)), ("car", 0.9, (300, 50, 400, 200))]
    different = changed(screen.screened(found(0.0, *objects, policy=policy)))
    assert different[50:90, 100:150].mean() > 0.95
    assert not different[150:200, 100:150].any()
    assert different[50:200, 300:400].mean() > 0.95


def test_a_head_stays_hidden_while_the_detector_blinks():
    screen, policy = Screen(), CameraPrivacy(redact="heads")
    screen.screened(found(0.0, ("person", 0.9, (100, 50, 150, 200)), policy=policy))
    assert changed(screen.screened(found(0.8, policy=policy)))[50:90, 100:150].mean() > 0.95
    assert not changed(screen.screened(found(2.0, policy=policy))).any()


def test_a_camera_of_which_nothing_is_known_shows_nothing():
    shown = Screen().screened(found(0.0))
    assert changed(shown).mean() > 0.99
    assert veil_of(shown.frame).redacts


def test_what_is_private_may_change_while_cameras_run():
    """Each frame is shown by the settings under which it was taken, whatever comes between."""
    screen, masked = Screen(), CameraPrivacy(masks=(LEFT_HALF,))
    for policy, hidden in ((OPEN, False), (masked, True), (OPEN, False)):
        assert (screen.screened(found(0.0, policy=policy)).frame.image[:, :320] == 0).all() == hidden


def test_small_pictures_of_what_led_to_an_alert_are_left_out_where_they_may_show_somebody():
    strip = ((0.0, noise()),)
    result = replace(found(0.0), changes=(replace(change("a"), strip=strip),))
    for policy, kept in (
        (OPEN, True),
        (CameraPrivacy(masks=(LEFT_HALF,)), True),  # of masked frames already
        (CameraPrivacy(masks=(LEFT_HALF,), masks_model=False), False),
        (CameraPrivacy(redact="heads"), False),
    ):
        sink = Kept()
        Screened(sink, Screen()).publish(replace(result, frame=private(result.frame, policy)))
        assert bool(sink.results[0].changes[0].strip) is kept
    sink = Kept()
    Screened(sink, Screen()).publish(result)
    assert [each.id for each in sink.results[0].changes] == ["a"]
    assert not sink.results[0].changes[0].strip


def test_pictures_that_nobody_screened_are_refused():
    result = found(0.0)
    with pytest.raises(PrivacyError, match="did not pass"):
        publishable(result.frame.picture)
    shown = screened(result)
    with pytest.raises(PrivacyError, match="not the one that was screened"):
        small_publishable(replace(shown.frame, image=noise(1)))
    with pytest.raises(PrivacyError, match=r"made by streamer\.privacy only"):
        Publishable(noise(), object())


def test_what_is_drawn_over_a_picture_does_not_change_it():
    picture = publishable(screened(found(0.0)).frame.picture)

    def draw(rgb):
        rgb[:] = 255

    assert (picture.drawn(draw).rgb == 255).all()
    assert (picture.rgb == noise()).all()
    decoded = cv2.imdecode(np.frombuffer(jpeg(picture.drawn(draw), 90), np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (360, 640, 3)


def test_between_frames_that_were_looked_at_everybody_on_the_way_is_hidden():
    screen, veils, policy = Screen(), Veils(), CameraPrivacy(redact="boxes")
    for at_s, left in ((0.0, 100), (0.2, 300)):
        result = found(at_s, ("person", 0.9, (left, 50, left + 50, 200)), policy=policy)
        veils.add(at_s, veil_of(screen.screened(result).frame))
    covered = veils.at(0.1).over(noise()) != noise()
    for left in (100, 300):
        assert covered[50:200, left : left + 50].any(2).mean() > 0.95


def test_a_frame_far_from_any_that_was_looked_at_is_hidden_as_a_whole():
    nobody = Veil(redacts=True)
    veils = Veils()
    assert (veils.at(0.0).over(noise()) != noise()).any(2).mean() > 0.99  # nothing is known
    veils.add(0.0, nobody)
    veils.add(LONGEST_STEP_S + 0.1, nobody)
    assert not veils.at(0.0)
    for at_s in (-0.1, 0.5, 5.0):
        assert (veils.at(at_s).over(noise()) != noise()).any(2).mean() > 0.99
    open_ones = Veils()
    open_ones.add(0.0, Veil((LEFT_HALF,)))
    assert (open_ones.at(9.0).over(noise())[:, 330:] == noise()[:, 330:]).all()  # masks need nobody who looks


def test_old_veils_are_forgotten():
    veils = Veils(keep_s=10.0)
    for at_s in range(30):
        veils.add(float(at_s), Veil(redacts=True))
    assert veils.known_until_s == 29.0
    assert veils.at(5.0)
    assert not veils.at(25.0)
