"""The temporal models of all cameras together: who remembers what, for how long, and what never gets in."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from datetime import UTC
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from streamer.behaviour.calibration_store import Calibration
from streamer.behaviour.features import TrackFeatures
from streamer.behaviour.life import hour_of
from streamer.behaviour.model import BehaviourHeads
from streamer.behaviour.motion import MOTION
from streamer.behaviour.normal import CameraNormal
from streamer.behaviour.scene_head import SPELL_S
from streamer.behaviour.surprise import surprise
from streamer.errors import ConfigError
from streamer.fit import InputFit
from streamer.types import Detections, Frame, PictureFeatures, Tracks
from tests.behaviour_heads import LABELS, STATE, Brightness, TinyNet, tiny_scene_session, tiny_session
from tests.fakes import a_frame

KINDS = ("person", "car")
DETECTOR = "d" * 64
FIT = InputFit((64, 48)).of((64, 48))


class CountingSession:
    """A StepSession that remembers how many rows each of its runs had."""

    def __init__(self, session):
        self.manifest, self._session = session.manifest, session
        self.rows = []

    def step(self, features, state):
        self.rows.append(len(features))
        assert np.isfinite(features).all()
        assert np.isfinite(state).all()
        return self._session.step(features, state)


class Walkers:
    """People of one camera who wander about, drawn from a seed: boxes by frame, and who has left."""

    def __init__(self, seed, n=4, frames=40):
        rng = np.random.default_rng(seed)
        self.first = rng.integers(0, frames // 3, n)
        self.last = self.first + rng.integers(8, frames // 2, n)
        self.start = rng.uniform(50, 400, (n, 2))
        self.pace = rng.uniform(-40, 40, (n, 2))
        self.size = np.array([20.0, 50.0]) * rng.uniform(0.8, 1.2, (n, 1))
        self.wobble = rng.normal(0, 1, (frames, n, 2))

    def tracks(self, index, fps=10.0):
        there = np.flatnonzero((self.first <= index) & (index <= self.last))
        middle = self.start[there] + self.pace[there] * index / fps + self.wobble[index, there]
        half = self.size[there] / 2
        boxes = np.concatenate([middle - half, middle + half], axis=1).astype(np.float32)
        return some_tracks(there + 1, boxes, ended=np.flatnonzero(self.last == index - 1) + 1)


def some_tracks(ids, boxes, ended=(), kinds=None):
    m = len(ids)
    floats, ints = np.ones(m, np.float32), np.zeros(m, np.int64)
    kinds = ints if kinds is None else np.array(kinds, np.int64)
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    motion = np.zeros((m, 2), np.float32)
    ended = tuple(int(each) for each in ended)
    return Tracks(np.asarray(ids, np.int64), boxes, motion, floats, floats, kinds, ints, KINDS, ended)


def one_walker(index, fps=10.0, track=1, ended=()):
    at = index / fps
    x = 60 + 40 * at + 15 * math.sin(9 * at)
    return some_tracks([track], [[x, 100, x + 20, 150]], ended)


def nothing():
    return Detections.none(KINDS)


def the_heads(tmp_path, session=None, **options):
    session = session or tiny_session(tmp_path / "head")
    return BehaviourHeads(session, detector=DETECTOR, timezone=UTC, **options)


def a_calibration(manifest, peaks, seconds=7 * 86_400.0, **changes):
    values = {
        "camera": "gate", "head": manifest.sha256, "scene_head": None, "detector": DETECTOR, "timezone": "UTC",
        "learned_at": 0.0, "seconds": seconds, "tracks": {"unknown": list(map(float, peaks))}, "scene": {}, "usual": {},
    }  # fmt: skip
    return Calibration(**(values | changes))


def equal(a, b):
    np.testing.assert_allclose(a.probs, b.probs, atol=1e-5)
    np.testing.assert_allclose(a.anomaly, b.anomaly, atol=1e-6)
    np.testing.assert_allclose(a.attention, b.attention, atol=1e-5)
    assert a.unusual == b.unusual


def reference(walkers, net, frames):
    """Every track on its own, in plain numpy: (frame index, track) → probabilities after so many steps, and peaks."""
    features, states, steps = TrackFeatures(), {}, defaultdict(int)
    expected, last, told, recent, peaks = {}, {}, {}, defaultdict(list), {}
    for index in range(frames):
        tracks = walkers.tracks(index)
        for due in features.update(index / 10, tracks.ids, tracks.boxes_xyxy, None, tracks.ended):
            for track, row, fresh in zip(due.ids.tolist(), due.features, due.fresh, strict=True):
                assert fresh == (track not in states)
                if not fresh:
                    foretold, spread = told[track]
                    recent[track].append(surprise(row[None, : len(MOTION)], foretold, spread)[0])
                    if len(recent[track]) >= 5:
                        peaks[track] = max(peaks.get(track, -math.inf), np.mean(recent[track][-5:]))
                outputs = net.step(row[None], states.get(track, np.zeros((1, STATE), np.float32)))
                states[track], steps[track] = outputs["next_state"], steps[track] + 1
                told[track] = outputs["prediction"], outputs["spread"]
                last[track] = outputs["probs"][0] if steps[track] >= 3 else np.full(len(LABELS), np.nan)
        for track in tracks.ids.tolist():
            expected[index, track] = last.get(track, np.full(len(LABELS), np.nan))
    return expected, peaks


def test_tracks_of_many_cameras_in_one_run_say_what_each_says_alone(tmp_path):
    net, frames = TinyNet(seed=2), 40
    session = CountingSession(tiny_session(tmp_path / "head", net))
    lives = []
    heads = the_heads(tmp_path, session, on_life=lives.append)
    world = {f"cam{n}": Walkers(n, n=2 + n) for n in range(4)}
    found = defaultdict(dict)
    for index in range(frames):
        # A camera that was late is not in every batch.
        batch = [name for n, name in enumerate(world) if (index + n) % 7]
        seen = [(a_frame(name, index), nothing(), world[name].tracks(index)) for name in batch]
        runs_before = len(session.rows)
        for name, (_, _, tracks), score in zip(batch, seen, heads.score(seen), strict=True):
            for row, track in enumerate(tracks.ids.tolist()):
                found[name][index, track] = score.probs[row]
        assert len(session.rows) - runs_before <= 2  # steps that one frame of any camera made due, not cameras × tracks
    assert max(session.rows) > 6
    for n, (name, walkers) in enumerate(world.items()):
        absent = [index for index in range(frames) if (index + n) % 7 == 0]
        alone = Skipping(walkers, absent)
        expected, peaks = reference(alone, net, frames)
        assert len(found[name]) == len([1 for index, _ in expected if index not in absent])
        for key, probs in found[name].items():
            np.testing.assert_allclose(probs, expected[key], atol=1e-5, err_msg=f"{name} {key}")
        heads.finish(name)
        told = sorted(life.peak for life in lives if life.camera == name)
        np.testing.assert_allclose(told, sorted(peaks.values()), atol=1e-4)


class Skipping:
    """The same people, in frames that did not come: nobody is seen, and who left then is told of next time."""

    def __init__(self, walkers, absent):
        self._walkers, self._absent = walkers, set(absent)

    def tracks(self, index):
        return some_tracks([], []) if index in self._absent else self._walkers.tracks(index)


def test_a_frame_without_a_step_repeats_what_was_known(tmp_path):
    heads = the_heads(tmp_path)
    scores = [heads.score([(a_frame(index=i, media_s=i / 25), nothing(), one_walker(i, 25.0))])[0] for i in range(60)]
    changed = [not np.array_equal(a.probs, b.probs, equal_nan=True) for a, b in itertools.pairwise(scores)]
    assert 0 < sum(changed) <= 60 / 5
    assert not np.isnan(scores[-1].probs).any()
    np.testing.assert_allclose(scores[-1].probs.sum(axis=1), 1, atol=1e-5)


def test_young_tracks_are_not_judged(tmp_path):
    heads = the_heads(tmp_path)
    known_at = next(
        i for i in range(60)
        if not np.isnan(heads.score([(a_frame(index=i), nothing(), one_walker(i))])[0].probs).any()
    )  # fmt: skip
    assert known_at == 4  # the third step, 0.4 s after the first


@pytest.mark.parametrize("how", ["ended", "session", "time", "swap", "finish"])
def test_a_track_id_that_comes_again_begins_without_a_past(tmp_path, how):
    fresh = the_heads(tmp_path, tiny_session(tmp_path / "fresh"))
    heads = the_heads(tmp_path)
    for index in range(30):
        heads.score([(a_frame(index=index), nothing(), one_walker(index))])
    first, session = 30, "s1"
    if how == "ended":
        heads.score([(a_frame(index=30), nothing(), some_tracks([], [], ended=[1]))])
        first = 31
    elif how == "session":
        session = "s2"
    elif how == "time":
        first = 3
    elif how == "swap":
        heads.swap(tiny_session(tmp_path / "other"))
    else:
        heads.finish("gate")
    for index in range(first, first + 20):
        seen = [(a_frame(index=index, session=session), nothing(), one_walker(index))]
        equal(heads.score(seen)[0], fresh.score(seen)[0])


def test_a_head_of_another_shape_can_be_swapped_in(tmp_path):
    heads = the_heads(tmp_path)
    for index in range(10):
        heads.score([(a_frame(index=index), nothing(), one_walker(index))])
    other = tiny_session(tmp_path / "other", TinyNet(seed=9, probs=5), labels=("a", "b", "c", "d", "e"))
    heads.swap(other)
    for index in range(10, 30):
        [score] = heads.score([(a_frame(index=index), nothing(), one_walker(index))])
        assert score.probs.shape == (1, 5)
    assert not np.isnan(score.probs).any()
    heads.swap(None)
    [score] = heads.score([(a_frame(index=30), nothing(), one_walker(30))])
    assert score.probs.shape == (1, 0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e30])
def test_a_box_that_makes_no_sense_changes_nothing(tmp_path, bad):
    session = CountingSession(tiny_session(tmp_path / "head"))  # which looks at all that goes in
    heads, other = the_heads(tmp_path, session), the_heads(tmp_path, tiny_session(tmp_path / "same"))
    for index in range(30):
        frame, tracks = a_frame(index=index), one_walker(index)
        if index in (7, 8, 20):
            broken = some_tracks([1, 2], [[bad, 100, bad, 150], [0, 0, bad, 10]])
            heads.score([(frame, nothing(), broken)])
            other.score([(frame, nothing(), some_tracks([], []))])
        else:
            equal(heads.score([(frame, nothing(), tracks)])[0], other.score([(frame, nothing(), tracks)])[0])
    assert heads.refused >= 6


class Poisoned:
    """A net that goes out of its mind about one row in one of its runs."""

    def __init__(self, session, at_run):
        self.manifest, self._session, self._at_run, self._run = session.manifest, session, at_run, 0

    def step(self, features, state):
        assert np.isfinite(state).all()
        outputs = {name: tensor.copy() for name, tensor in self._session.step(features, state).items()}
        if self._run == self._at_run:
            outputs["next_state"][0, -1] = math.nan
        self._run += 1
        return outputs


def test_a_memory_that_is_no_number_is_given_up_and_counted_and_its_neighbour_lives_on(tmp_path):
    poisoned = the_heads(tmp_path, Poisoned(tiny_session(tmp_path / "head"), at_run=8))
    sound = the_heads(tmp_path, tiny_session(tmp_path / "same"))

    def two(index):
        return some_tracks([1, 2], [one_walker(index).boxes_xyxy[0], one_walker(index).boxes_xyxy[0] + 200])

    for index in range(40):
        seen = [(a_frame(index=index), nothing(), two(index))]
        [bad], [good] = poisoned.score(seen), sound.score(seen)
        np.testing.assert_allclose(bad.probs[1], good.probs[1], atol=1e-5)
        assert np.isnan(bad.probs[0]).all() == (index < 4 or 16 <= index < 22)
    assert poisoned.lost == 1
    assert sound.lost == 0


def test_only_people_are_judged(tmp_path):
    heads = the_heads(tmp_path)
    for index in range(20):
        box = one_walker(index).boxes_xyxy[0]
        tracks = some_tracks([1, 2], [box, box + 100], kinds=[1, 0])
        [score] = heads.score([(a_frame(index=index), nothing(), tracks)])
    assert np.isnan(score.probs[0]).all()
    assert not np.isnan(score.probs[1]).any()


@pytest.mark.parametrize(("known", "differs"), [((DETECTOR,), True), ((), False), (("e" * 64,), False)])
def test_embeddings_count_only_where_the_head_knows_their_detector(tmp_path, known, differs):
    heads = the_heads(tmp_path, tiny_session(tmp_path / "head", embedding_of=known))
    blind = the_heads(tmp_path, tiny_session(tmp_path / "blind", embedding_of=known))
    features = PictureFeatures(np.ones(160, np.float32), np.ones((64, 12, 16), np.float32), FIT)
    none = np.zeros((0, 4), np.float32)
    seeing = Detections(none, np.zeros(0, np.float32), np.zeros(0, np.int64), KINDS, features)
    for index in range(10):
        frame, tracks = a_frame(index=index), one_walker(index)
        [with_them], [without] = heads.score([(frame, seeing, tracks)]), blind.score([(frame, nothing(), tracks)])
    assert (np.abs(with_them.probs - without.probs).max() > 1e-6) == differs


def test_no_tracks_and_no_frames_are_nothing_special(tmp_path):
    heads = the_heads(tmp_path)
    assert heads.score([]) == []
    [score] = heads.score([(a_frame(), nothing(), some_tracks([], []))])
    assert score.probs.shape == (0, len(LABELS))
    assert score.unusual == ()


# --- what is normal


def test_a_camera_that_was_never_calibrated_is_learning(tmp_path):
    heads = the_heads(tmp_path)
    for index in range(40):
        [score] = heads.score([(a_frame(index=index), nothing(), one_walker(index))])
        assert np.isnan(score.anomaly).all()
        assert score.tracks_per_day is None


def test_anomaly_is_the_share_of_normal_lives_that_stayed_calmer(tmp_path):
    session = tiny_session(tmp_path / "head")
    lives = []
    heads = the_heads(tmp_path, session, on_life=lives.append)
    for index in range(60):
        heads.score([(a_frame(index=index), nothing(), one_walker(index))])
    heads.finish("gate")
    peak = lives[0].peak
    peaks = np.array([peak - 1] * 90 + [peak + 1] * 9)
    normal = CameraNormal(a_calibration(session.manifest, peaks), session.manifest.features, false_alerts_per_day=2)
    judged = the_heads(tmp_path, session, normal={"gate": normal})
    anomalies = []
    for index in range(60):
        [score] = judged.score([(a_frame(index=index), nothing(), one_walker(index))])
        anomalies.append(float(score.anomaly[0]))
        assert score.tracks_per_day == pytest.approx(99 / 7)
    assert np.nanmax(anomalies) == pytest.approx(1 - 10 / 100)
    assert np.isnan(anomalies[:9]).all()  # too young for a whole second of surprise


def test_a_calibration_too_short_for_the_budget_is_refused_with_what_is_missing(tmp_path):
    manifest = tiny_session(tmp_path / "head").manifest
    short = a_calibration(manifest, [1.0, 2.0], seconds=3600.0)
    with pytest.raises(
        ConfigError, match=r"camera 'gate': 1 h of footage.*for 2 a day 12 h are needed: 11 h are missing"
    ):
        CameraNormal(short, manifest.features, false_alerts_per_day=2)


def test_lives_of_another_kind_are_told_as_drift(tmp_path):
    session = tiny_session(tmp_path / "head")
    calm = a_calibration(session.manifest, np.linspace(-50, -40, 200))
    normal = CameraNormal(calm, session.manifest.features, false_alerts_per_day=20)
    heads = the_heads(tmp_path, session, normal={"gate": normal})
    index = 0
    for track in range(1, 60):
        for _ in range(14):
            heads.score([(a_frame(index=index), nothing(), one_walker(index, track=track))])
            index += 1
        heads.score([(a_frame(index=index), nothing(), some_tracks([], [], ended=[track]))])
        index += 1
    [score] = heads.score([(a_frame(index=index), nothing(), some_tracks([], []))])
    assert heads.drift == {"gate": (1.0, score.drift)}
    assert "calibrate" in str(score.drift)
    [elsewhere] = heads.score([(a_frame("yard", index=index), nothing(), some_tracks([], []))])
    assert elsewhere.drift is None


def test_hours_are_those_of_the_camera_and_unknown_where_nobody_knows():
    at = 1_700_000_000.0  # 22:13:20 UTC
    assert hour_of(at, UTC) == 22
    assert hour_of(at, ZoneInfo("Europe/Berlin")) == 23
    assert hour_of(12.0, UTC) is None


# --- the whole picture


def scene_frame(camera, index, level):
    return a_frame(camera, index, image=np.full((48, 64, 3), level, np.uint8))


def scenes(tmp_path, name="scene", **options):
    session = options.pop("session", None) or tiny_scene_session(tmp_path / name)
    return BehaviourHeads(None, session, detector=DETECTOR, timezone=UTC, make_picture_steps=Brightness, **options)


def test_pictures_of_many_cameras_in_one_run_say_what_each_says_alone(tmp_path):
    levels = {name: np.random.default_rng(n).integers(0, 255, 30) for n, name in enumerate("abc")}
    session = CountingSession(tiny_scene_session(tmp_path / "scene"))
    together = scenes(tmp_path, session=session)
    alone = {name: scenes(tmp_path, f"alone-{name}") for name in levels}
    for index in range(30):
        seen = [(scene_frame(name, index, levels[name][index]), nothing(), some_tracks([], [])) for name in levels]
        for name, each, score in zip(levels, seen, together.score(seen), strict=True):
            [expected] = alone[name].score([each])
            assert score.scene.fight == pytest.approx(expected.scene.fight, abs=1e-5, nan_ok=True)
            assert math.isnan(score.scene.anomaly)
    assert set(session.rows) == {3}
    assert 0 < score.scene.fight < 1


def test_spells_of_the_picture_are_told_and_held_against_normal_ones(tmp_path):
    lives = []
    heads = scenes(tmp_path, on_life=lives.append)
    for index in range(320):
        heads.score([(scene_frame("gate", index, 100 + index % 2), nothing(), some_tracks([], []))])
    assert [life.of for life in lives] == ["scene"] * int(32 // SPELL_S)
    session = tiny_scene_session(tmp_path / "judged")
    peaks = {"unknown": [life.peak for life in lives] * 5}
    calibration = a_calibration(session.manifest, [], scene=peaks)
    normal = CameraNormal(calibration, session.manifest.features, false_alerts_per_day=2)
    judged = scenes(tmp_path, session=session, normal={"gate": normal})
    for index in range(60):
        level = 100 + index % 2 if index < 40 else 255 * (index // 2 % 2)
        [score] = judged.score([(scene_frame("gate", index, level), nothing(), some_tracks([], []))])
        if index == 39:
            assert score.scene.anomaly < 0.5
    assert score.scene.anomaly == pytest.approx(1 - 1 / 16)
    assert score.tracks_per_day is None


def test_a_scene_head_of_another_detector_rests_and_says_so(tmp_path, caplog):
    heads = scenes(tmp_path, session=tiny_scene_session(tmp_path / "other", embedding_of=("e" * 64,)))
    [score] = heads.score([(a_frame(), nothing(), some_tracks([], []))])
    assert score.scene is None
    assert heads.scene_hash is None
    assert "scene head 'tiny-scene' rests" in caplog.text


def test_both_heads_answer_together(tmp_path):
    heads = BehaviourHeads(
        tiny_session(tmp_path / "head"),
        tiny_scene_session(tmp_path / "scene"),
        detector=DETECTOR,
        timezone=UTC,
        make_picture_steps=Brightness,
    )
    for index in range(20):
        frame: Frame = a_frame(index=index)
        [score] = heads.score([(frame, nothing(), one_walker(index))])
    assert not np.isnan(score.probs).any()
    assert 0 < score.scene.fight < 1
