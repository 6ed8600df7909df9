"""People and cars that walk through drawn scenes, and whether each keeps its id."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from streamer.track import KalmanTracker, TrackerSettings
from streamer.types import Detections, Tracks

LABELS = ("person", "car", "truck")
Seen = tuple[float, float, float, float, float, str]  # centre x, centre y, width, height, score, label


def detections(*seen: Seen) -> Detections:
    rows = sorted(seen, key=lambda s: -s[4])
    boxes = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for x, y, w, h, _, _ in rows]
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array([s for *_, s, _ in rows], np.float32),
        np.array([LABELS.index(label) for *_, label in rows], np.int64),
        LABELS,
    )


def person(x: float, y: float = 200.0, score: float = 0.9, h: float = 120.0) -> Seen:
    return (x, y, 0.4 * h, h, score, "person")


def watch(
    scene: Callable[[float], list[Seen]], times_s: Iterable[float], tracker: KalmanTracker | None = None
) -> list[Tracks]:
    tracker = tracker or KalmanTracker(LABELS)
    return [tracker.update(detections(*scene(t)), t) for t in times_s]


def ids_at(tracks: Tracks, x: float, within: float = 25.0) -> list[int]:
    centres = tracks.boxes_xyxy[:, [0, 2]].mean(axis=1)
    return [int(i) for i, c in zip(tracks.ids, centres, strict=True) if abs(c - x) < within]


def every(step_s: float, until_s: float) -> list[float]:
    return [i * step_s for i in range(round(until_s / step_s) + 1)]


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_a_person_keeps_the_id_behind_an_occluder_of_0_8_s(fps: int) -> None:
    told = watch(lambda t: [] if 1.2 < t < 2.0 else [person(100 + 90 * t)], every(1 / fps, 4))
    assert told[-1].ids.tolist() == [1]
    assert {int(i) for tracks in told for i in tracks.ids} == {1}
    hidden = [tracks for tracks, t in zip(told, every(1 / fps, 4), strict=True) if 1.2 < t < 2.0]
    assert hidden
    assert all(len(tracks) == 0 for tracks in hidden), "what is not seen is not reported"


@pytest.mark.parametrize("kept", ["every other", "at random"])
def test_dropped_frames_cost_no_id(kept: str) -> None:
    random = np.random.default_rng(8)
    times_s = every(0.04, 6)
    times_s = times_s[::2] if kept == "every other" else [t for t in times_s if random.random() < 0.3]
    walkers = [(100.0, 80.0, 120.0), (800.0, -60.0, 330.0), (300.0, 15.0, 520.0)]
    told = watch(lambda t: [person(x + v * t, y) for x, v, y in walkers], times_s)
    assert [len(tracks) for tracks in told[-20:]] == [3] * 20
    assert {int(i) for tracks in told for i in tracks.ids} == {1, 2, 3}


def test_times_between_frames_may_be_anything() -> None:
    random = np.random.default_rng(9)
    times_s = np.cumsum(random.choice([0.005, 0.04, 0.1, 0.5], 60)).tolist()
    told = watch(lambda t: [person(100 + 60 * t), person(900 - 50 * t, 420)], times_s)
    assert {int(i) for tracks in told for i in tracks.ids} == {1, 2}
    assert told[-1].velocity_xy[:, 0] == pytest.approx([60, -50], abs=12)


@pytest.mark.parametrize("fps", [10, 25])
def test_two_people_who_cross_do_not_swap(fps: int) -> None:
    noise = np.random.default_rng(10)

    def scene(t: float) -> list[Seen]:
        jitter = noise.normal(0, 1.5, 2)
        left, right = person(100 + 120 * t + jitter[0], 200), person(700 - 120 * t + jitter[1], 206, 0.85)
        return [left] if abs(left[0] - right[0]) < 20 else [left, right]  # the farther one is hidden for a moment

    told = watch(scene, every(1 / fps, 5))
    before, after = told[fps], told[-1]
    assert ids_at(before, 220) == ids_at(after, 700)
    assert ids_at(before, 580) == ids_at(after, 100)


def test_ids_rise_from_1_are_never_reused_and_start_again_after_reset() -> None:
    tracker = KalmanTracker(LABELS)
    told = watch(lambda t: [person(100 + 200 * (t // 3))] if t % 3 < 1.5 else [], every(0.1, 13), tracker)
    met = [int(i) for tracks in told for i in tracks.ids]
    assert sorted(set(met)) == [1, 2, 3, 4, 5]
    assert met == sorted(met)
    tracker.reset()
    assert watch(lambda t: [person(100)], every(0.1, 1), tracker)[-1].ids.tolist() == [1]


def test_the_same_calls_give_the_same_answers() -> None:
    def run() -> list[tuple[bytes, ...]]:
        random = np.random.default_rng(11)
        told = watch(
            lambda t: [
                person(random.uniform(0, 900), random.uniform(0, 500), random.uniform(0.05, 1)) for _ in range(12)
            ],
            every(0.1, 4),
        )
        return [(t.ids.tobytes(), t.boxes_xyxy.tobytes(), t.detection_rows.tobytes()) for t in told]

    assert run() == run()


def test_a_frame_without_objects_is_no_trouble() -> None:
    told = watch(lambda t: [], every(0.1, 2))
    assert all(len(tracks) == 0 and tracks.ended == () for tracks in told)


def test_a_lost_track_is_ended_once_after_its_time() -> None:
    tracker = KalmanTracker(LABELS, lost_after_s=1.0)
    told = watch(lambda t: [person(100)] if t < 1 else [], every(0.1, 4), tracker)
    ended = [(t, tracks.ended) for t, tracks in zip(every(0.1, 4), told, strict=True) if tracks.ended]
    [(at_s, ids)] = ended
    assert ids == (1,)
    assert 1.9 <= at_s <= 2.05


def test_after_a_gap_longer_than_lost_after_nothing_is_continued() -> None:
    tracker = KalmanTracker(LABELS)
    watch(lambda t: [person(100), person(400)], every(0.1, 2), tracker)
    back = tracker.update(detections(person(100), person(400)), 60.0)
    assert back.ended == (1, 2)
    assert len(back) == 0
    assert tracker.update(detections(person(100), person(400)), 60.1).ids.tolist() == [3, 4]


def test_a_camera_analysed_every_two_seconds_still_has_tracks() -> None:
    told = watch(lambda t: [person(300 + t)], every(2.0, 20))
    assert told[-1].ids.tolist() == told[-3].ids.tolist() != []


def test_one_flash_of_a_box_is_no_object_unless_the_session_begins_with_it() -> None:
    flash = watch(lambda t: [person(100)] if 0.95 < t < 1.05 else [person(600)], every(0.1, 3))
    assert {x for tracks in flash for x in ids_at(tracks, 100)} == set()
    first = watch(lambda t: [person(100)], [0.0])
    assert first[0].ids.tolist() == [1], "a good score in the first frame counts at once"
    assert len(watch(lambda t: [person(100, score=0.7)], [0.0])[0]) == 0


def test_at_many_frames_a_second_being_confirmed_takes_time_not_two_frames() -> None:
    times_s = every(1 / 30, 1)
    told = watch(lambda t: [person(100, score=0.7)], times_s)
    first_s = next(t for t, tracks in zip(times_s, told, strict=True) if len(tracks))
    assert 0.075 <= first_s <= 0.11


def test_a_low_score_keeps_a_track_alive_but_begins_none() -> None:
    told = watch(lambda t: [person(100 + 40 * t, score=0.9 if t < 1 else 0.4), person(700, score=0.4)], every(0.1, 3))
    assert told[-1].ids.tolist() == [1]
    assert told[-1].scores[0] == pytest.approx(0.4)


def test_a_track_that_lives_on_doubtful_boxes_is_followed_but_not_reported() -> None:
    told = watch(lambda t: [person(100, score=0.2 if 1 < t < 2.5 else 0.9)], every(0.1, 4))
    shown = [len(tracks) for tracks in told]
    assert 0 in shown[12:25]
    assert told[-1].ids.tolist() == [1], "and is the same again when it is seen well"


def test_a_person_never_becomes_a_car() -> None:
    told = watch(lambda t: [(100, 200, 80, 100, 0.9, "person" if t < 1 else "car")], every(0.1, 3))
    assert told[8].class_ids.tolist() == [LABELS.index("person")]
    assert told[-1].class_ids.tolist() == [LABELS.index("car")]
    assert told[8].ids.tolist() != told[-1].ids.tolist()


def test_a_vehicle_whose_label_flickers_is_one_track_under_the_label_most_seen() -> None:
    def scene(t: float) -> list[Seen]:
        truck = round(t * 10) % 3 == 0  # surer, but seen half as often
        return [(100 + 150 * t, 200, 160, 90, 0.95 if truck else 0.85, "truck" if truck else "car")]

    told = watch(scene, every(0.1, 3))
    assert {int(i) for tracks in told for i in tracks.ids} == {1}
    assert told[-1].class_ids.tolist() == [LABELS.index("car")]


def test_a_person_in_front_of_a_car_is_a_track_of_its_own() -> None:
    def scene(t: float) -> list[Seen]:
        car: Seen = (400, 300, 300, 160, 0.95, "car")
        return [car, person(400, 300, 0.8, 100)] if t > 1 else [car]

    assert len(watch(scene, every(0.1, 3))[-1]) == 2


def test_two_boxes_on_one_person_are_one_track() -> None:
    told = watch(
        lambda t: [person(100 + 30 * t), person(104 + 30 * t, 215, 0.75, 90)] if t > 0.5 else [person(100 + 30 * t)],
        every(0.1, 3),
    )
    assert told[-1].ids.tolist() == [1]


def test_boxes_without_area_or_not_finite_are_passed_over() -> None:
    good = [100.0, 100.0, 150.0, 220.0]
    odd = [[5, 5, 5, 50], [9, 9, 3, 3], [np.nan, 0, 10, 10], [0, 0, np.inf, 10], [-np.inf, 0, 10, 10], [np.inf] * 4]
    tracker = KalmanTracker(LABELS)
    for t in every(0.1, 1):
        boxes = np.array([*odd[:3], good, *odd[3:]], np.float32)
        told = tracker.update(Detections(boxes, np.full(7, 0.9, np.float32), np.zeros(7, np.int64), LABELS), t)
    assert told.detection_rows.tolist() == [3]
    np.testing.assert_allclose(told.boxes_xyxy[0], good, atol=0.01)


def test_time_that_runs_backward_is_refused_with_both_times() -> None:
    tracker = KalmanTracker(LABELS)
    tracker.update(detections(person(100)), 5.0)
    with pytest.raises(ValueError, match=r"from 5\.000 back to 4\.000"):
        tracker.update(detections(person(100)), 4.0)


def test_settings_that_make_no_sense_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="low_score ≤ high_score"):
        TrackerSettings(low_score=0.7)
    with pytest.raises(ValueError, match=r"box_trust lies in 0 … 1; got 1\.5"):
        TrackerSettings(box_trust=1.5)
    with pytest.raises(ValueError, match="lost_after_s must be above 0"):
        KalmanTracker(LABELS, lost_after_s=0)
    with pytest.raises(ValueError, match="unknown setting"):
        KalmanTracker(LABELS, lost_after=1)
