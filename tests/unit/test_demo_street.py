"""The drawn street: the same every time, never still, and its truth is what is really drawn."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.demo.cars import Body, car
from streamer.demo.figures import Figure
from streamer.demo.people import Look, person
from streamer.demo.perspective import Viewpoint, clip_to_picture
from streamer.demo.script import Ground, on_circle, write_play
from streamer.demo.street import LABELS, Street
from streamer.demo.views import GATE, PERIOD_S, SEED, VIEWS
from streamer.demo.watch import posts

VIEW = Viewpoint(x=0.0, z=-12.0, height_m=5.0, yaw_rad=0.0, focal_px=500, horizon_px=60)


@pytest.fixture(scope="module")
def gate() -> Street:
    return Street(GATE, SEED, PERIOD_S)


def test_seed_and_time_give_the_same_picture_twice(gate: Street) -> None:
    again = Street(GATE, SEED, PERIOD_S)
    assert np.array_equal(gate.frame(12.3), again.frame(12.3))


def test_another_seed_is_another_play(gate: Street) -> None:
    other = Street(GATE, SEED + 1, PERIOD_S)
    assert not np.array_equal(gate.truth(12.3).boxes_xyxy, other.truth(12.3).boxes_xyxy)


def test_the_picture_is_never_frozen_even_where_nothing_moves(gate: Street) -> None:
    first, second = gate.frame(5.0).astype(int), gate.frame(5.1).astype(int)
    sky = (slice(0, 40), slice(540, 640))
    assert np.abs(first[sky] - second[sky]).mean() > 0.5


def test_the_play_starts_again_without_a_seam(gate: Street) -> None:
    for t_s in (0.0, 17.2, 55.9):
        assert np.allclose(gate.truth(t_s).boxes_xyxy, gate.truth(t_s + PERIOD_S).boxes_xyxy, atol=1e-2)


def _painted_box(figure: Figure) -> tuple[float, float, float, float]:
    image = np.zeros((360, 640, 3), np.uint8)
    white = tuple((polygon, (255, 255, 255)) for polygon, _ in figure.shapes)
    replace(figure, shapes=white).paint(image)
    ys, xs = np.nonzero(image[..., 0] > 100)
    return xs.min(), ys.min(), xs.max() + 1, ys.max() + 1


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(-3, 3), st.floats(-2, 8), st.floats(-math.pi, math.pi), st.floats(0, 3))
def test_a_persons_box_is_the_box_of_its_pixels(seed: int, x: float, z: float, heading: float, walked: float) -> None:
    figure = person(Look.drawn_by(random.Random(seed)), 0, VIEW, (x, z), heading, walked, 1.0)
    assert np.allclose(figure.box_xyxy, _painted_box(figure), atol=2.0)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(-3, 3), st.floats(0, 8), st.floats(-math.pi, math.pi))
def test_a_cars_box_is_the_box_of_its_pixels(seed: int, x: float, z: float, heading: float) -> None:
    figure = car(Body.drawn_by(random.Random(seed)), 0, VIEW, (x, z), heading, braking=False)
    assert figure is not None
    assert np.allclose(figure.box_xyxy, _painted_box(figure), atol=2.0)


def test_a_person_stands_on_its_place_and_is_as_tall_as_it_is() -> None:
    look = Look.drawn_by(random.Random(3))
    figure = person(look, 0, VIEW, (1.0, 3.0), 0.0, 0.0, 0.0)
    x, y = VIEW.pixel(1.0, 0.0, 3.0)
    x1, y1, x2, y2 = figure.box_xyxy
    assert x1 < x < x2
    assert y2 == pytest.approx(y, abs=2.0)
    assert y2 - y1 == pytest.approx(look.height_m * VIEW.px_per_m(1.0, 3.0), rel=0.08)


def test_what_is_hidden_is_not_asked_for(gate: Street) -> None:
    hidden = 0
    for t_s in np.arange(0.0, PERIOD_S, 1.0):
        truth = gate.truth(float(t_s))
        for row in np.flatnonzero(truth.visible < 0.05):
            hidden += 1
            assert not truth.clear[row]
    assert hidden, "nobody ever walked behind anything"


def test_everybody_in_the_truth_has_pixels_of_its_own() -> None:
    # The frame with everybody against the empty street under the same light: boxes that are asked for hold a change.
    street = Street(GATE, 5, PERIOD_S)
    image, truth = street.frame_and_truth(20.0)
    sunny, cloudy = street.backdrop.sunny.astype(int), street.backdrop.cloudy.astype(int)
    low, high = np.minimum(sunny, cloudy) - 30, np.maximum(sunny, cloudy) + 30
    strange = ((image < low) | (image > high)).any(2)
    assert truth.clear.any()
    for x1, y1, x2, y2 in truth.boxes_xyxy[truth.clear].astype(int):
        assert strange[y1:y2, x1:x2].mean() > 0.15


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 100_000))
def test_no_car_drives_into_another_or_into_somebody_crossing(seed: int) -> None:
    actors = write_play(seed, PERIOD_S, Ground())
    for t_s in np.arange(0.0, PERIOD_S, 0.5):
        poses = [(actor, pose) for actor in actors if (pose := on_circle(actor.way, float(t_s), PERIOD_S)) is not None]
        cars = [pose for actor, pose in poses if isinstance(actor.look, Body)]
        for i, one in enumerate(cars):
            assert all(abs(one.x - other.x) > 5.0 or abs(one.z - other.z) > 2.2 for other in cars[:i])
        for actor, pose in poses:
            if isinstance(actor.look, Look):
                assert all(abs(pose.x - c.x) > 2.5 or abs(pose.z - c.z) > 1.3 for c in cars)


def test_a_play_that_is_too_short_for_its_people_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        write_play(1, 20.0, Ground())


@settings(deadline=None, max_examples=50)
@given(st.floats(-3, 3), st.floats(-20, 20), st.floats(0, 3), st.floats(-20, 20))
def test_the_pinhole_agrees_with_a_projection_matrix(yaw: float, x: float, y: float, z: float) -> None:
    view = Viewpoint(1.0, -2.0, 4.0, yaw, 480, 70)
    if view.depth(x, z) < 0.5:
        return
    turned = np.array([[math.cos(yaw), 0, -math.sin(yaw)], [0, 1, 0], [math.sin(yaw), 0, math.cos(yaw)]])
    camera = np.array([[480, 0, 320], [0, -480, 70], [0, 0, 1]])
    u, v, w = camera @ turned @ np.array([x - 1.0, y - 4.0, z + 2.0])
    assert view.pixel(x, y, z) == pytest.approx((u / w, v / w), rel=1e-6, abs=1e-4)


def test_ground_behind_the_camera_is_cut_away() -> None:
    corners = [(-30.0, -30.0), (30.0, -30.0), (30.0, 30.0), (-30.0, 30.0)]
    seen = clip_to_picture(VIEW.ground(corners), VIEW.picture_wh)
    area = cv2.contourArea(np.array(seen, np.float32))
    far_edge = VIEW.pixel(0.0, 0.0, 30.0)[1]
    assert area == pytest.approx(640 * (360 - far_edge), rel=0.02)
    assert VIEW.ground([(-1.0, -20.0), (1.0, -20.0), (0.0, -25.0)]) == []


def test_every_zone_of_the_demo_lies_in_its_picture_and_is_worth_watching() -> None:
    watched = posts(Ground())
    assert set(watched) == set(VIEWS)
    for post in watched.values():
        for zone in post.zones.values():
            corners = np.array(zone, np.float32)
            assert ((corners >= 0) & (corners <= 1)).all()
            assert cv2.contourArea(corners) > 0.01
        for rule in post.rules:
            assert rule.get("zone", rule.get("line")) in {**post.zones, **post.lines}
            assert set(rule["labels"]) <= set(LABELS)
