"""Questions of several nodes become runs of one model: what goes together, what waits, who is told that it is late."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from streamer.apart.answer import Found, Late
from streamer.apart.gatherer import Asked, Gatherer, GathererClosed, GatherPolicy, Run
from streamer.apart.question import Question, question_of
from streamer.scheduling.costs import CostModel
from tests.apart import MODEL_HASH, ValueDetector, marked, value_of
from tests.fakes import LABELS, FakeClock

LINEAR = {1: 0.01, 8: 0.08}
CHEAPER_TOGETHER = {1: 0.01, 8: 0.02}


def a_gatherer(clock: FakeClock, seconds: dict[int, float], **policy: float) -> Gatherer:
    return Gatherer(GatherPolicy(**policy), CostModel(seconds), clock)  # type: ignore[arg-type]


def asks(node: str, *values: int, left_s: float = 1.0) -> Question:
    return question_of([marked(value) for value in values], node, MODEL_HASH, left_s, True)


def served(run: Run) -> list[str]:
    return [asked.question.asked_by for asked, _ in run.pictures]


def finish(gatherer: Gatherer, run: Run, seconds: float = 0.01) -> None:
    detector = ValueDetector()
    gatherer.done(run, [detector.detect([marked(int(a.images[n][0, 0, 0]))])[0] for a, n in run.pictures], seconds)


def said(asked: Asked) -> list[int]:
    answer = asked.wait(0)
    assert isinstance(answer, Found)
    sources = [size.source_wh for size in asked.question.sizes]
    return [value_of(each) for each in answer.detections(LABELS, ValueDetector.input_fit, sources)]


def test_pictures_of_several_nodes_go_through_the_model_together_and_each_gets_its_own_back() -> None:
    gatherer = a_gatherer(FakeClock(), CHEAPER_TOGETHER, max_wait_s=0)
    one, other = gatherer.put(asks("a", 11, 12, 13)), gatherer.put(asks("b", 21, 22))
    run = gatherer.take()
    assert run.nodes == {"a", "b"}
    finish(gatherer, run)
    assert (said(one), said(other)) == ([11, 12, 13], [21, 22])
    assert gatherer.books().shared_runs == 1


def test_a_question_with_more_pictures_than_a_run_may_have_is_answered_when_the_last_is_through() -> None:
    gatherer = a_gatherer(FakeClock(), CHEAPER_TOGETHER, max_batch=4, max_wait_s=0)
    asked = gatherer.put(asks("a", *range(1, 11)))
    for pictures in (4, 4, 2):
        assert asked.wait(0) is None
        run = gatherer.take()
        assert len(run.pictures) == pictures
        finish(gatherer, run)
    assert said(asked) == list(range(1, 11))


def test_who_has_the_least_time_left_goes_first_whenever_it_came() -> None:
    gatherer = a_gatherer(FakeClock(), LINEAR, max_batch=1, max_wait_s=0)
    for node, left_s in (("patient", inf), ("later", 0.9), ("soon", 0.3)):
        gatherer.put(asks(node, 1, left_s=left_s))
    order = []
    for _ in range(3):
        run = gatherer.take()
        order += served(run)
        finish(gatherer, run)
    assert order == ["soon", "later", "patient"]


def test_company_is_waited_for_where_it_saves_something_and_not_longer_than_promised() -> None:
    clock = FakeClock()
    gatherer = a_gatherer(clock, CHEAPER_TOGETHER, max_wait_s=0.01)
    gatherer.put(asks("a", 1))
    assert gatherer._run_or_pause_s() == pytest.approx(0.01)
    clock.tick(0.004)
    gatherer.put(asks("b", 2))
    assert gatherer._run_or_pause_s() == pytest.approx(0.006)  # since the oldest came: nobody's coming begins it anew
    clock.tick(0.0061)
    assert len(gatherer.take().pictures) == 2


def test_where_company_saves_nothing_nobody_waits_for_it() -> None:
    gatherer = a_gatherer(FakeClock(), LINEAR, max_wait_s=0.01)
    gatherer.put(asks("a", 1))
    assert isinstance(gatherer._run_or_pause_s(), Run)


def test_what_cannot_be_in_time_any_more_is_answered_before_it_costs_anything() -> None:
    clock = FakeClock()
    gatherer = a_gatherer(clock, LINEAR, max_batch=8, max_wait_s=0)
    first = gatherer.put(asks("a", *range(8), left_s=0.12))  # 8 pictures take 0.1 s as planned: in time
    second = gatherer.put(asks("b", *range(8), left_s=0.12))  # not behind the first
    assert sum(isinstance(asked.wait(0), Late) for asked in (first, second)) == 1
    run = gatherer.take()
    assert len(run.nodes) == 1
    clock.tick(0.2)
    third = gatherer.put(asks("a", 1, left_s=0.0))
    clock.tick(0.01)
    gatherer.put(asks("b", 2, left_s=1.0))
    assert third.wait(0) == Late()


def test_a_node_that_floods_takes_no_time_from_one_that_does_not() -> None:
    clock = FakeClock()
    gatherer = a_gatherer(clock, LINEAR, max_batch=4, max_wait_s=0)
    small: list[Asked] = []
    flood: list[Asked] = []
    for step in range(200):  # the model does 100 pictures a second; one asks for 50, the other for 500
        flood += [gatherer.put(asks("flood", 1, left_s=0.2)) for _ in range(5)]
        if step % 2 == 0:
            small.append(gatherer.put(asks("small", 2, left_s=0.2)))
        finish(gatherer, gatherer.take(), 0.01)
        clock.tick(0.01)
    settled = [asked for asked in small if asked.due_s < clock.monotonic()]
    assert sum(isinstance(asked.wait(0), Found) for asked in settled) >= 0.95 * len(settled)
    assert sum(isinstance(asked.wait(0), Late) for asked in flood) > len(flood) / 2
    assert sum(isinstance(asked.wait(0), Found) for asked in flood) > 50


def test_pictures_that_wait_are_bounded_and_who_has_most_of_them_gives_way() -> None:
    gatherer = a_gatherer(FakeClock(), LINEAR, most_waiting=16, max_wait_s=0)
    flood = [gatherer.put(asks("flood", 1, 2, left_s=inf)) for _ in range(10)]
    refused = [asked for asked in flood if asked.wait(0) == Late(full=True)]
    assert len(refused) == 2
    small = [gatherer.put(asks("small", 3, left_s=inf)) for _ in range(4)]
    assert all(asked.wait(0) is None for asked in small)
    assert [asked.wait(0) for asked in flood[6:8]] == [Late(full=True)] * 2  # the newest of the one that has most
    assert gatherer.books().waiting == 16


def test_a_question_larger_than_all_there_is_may_have_it_for_itself() -> None:
    gatherer = a_gatherer(FakeClock(), CHEAPER_TOGETHER, most_waiting=4, max_wait_s=0)
    asked = gatherer.put(asks("tiles", *range(6)))
    finish(gatherer, gatherer.take())
    assert said(asked) == list(range(6))


def test_who_waits_when_it_closes_is_told_that_there_will_be_no_answer() -> None:
    gatherer = a_gatherer(FakeClock(), LINEAR, max_batch=1, max_wait_s=0)
    running, waiting = gatherer.put(asks("a", 1)), gatherer.put(asks("b", 2))
    gatherer.take()
    gatherer.close()
    assert running.wait(0) is waiting.wait(0) is gatherer.put(asks("a", 3)).wait(0) is None
    with pytest.raises(GathererClosed):
        gatherer.take()


def test_features_travel_only_where_they_are_asked_for() -> None:
    detector = ValueDetector(features=True)
    for wanted in (True, False):
        gatherer = a_gatherer(FakeClock(), LINEAR, max_wait_s=0)
        question = question_of([marked(5), marked(9)], "a", MODEL_HASH, 1.0, wanted)
        asked, run = gatherer.put(question), gatherer.take()
        gatherer.done(run, [detector.detect([marked(value)])[0] for value in (5, 9)], 0.01)
        answer = asked.wait(0)
        assert isinstance(answer, Found)
        found = answer.detections(LABELS, detector.input_fit, [(64, 48)] * 2)
        if wanted:
            assert [each.features.embedding[0] for each in found if each.features] == [5, 9]
            assert all(each.features is not None and each.features.fit.source_wh == (64, 48) for each in found)
        else:
            assert [each.features for each in found] == [None, None]


def test_pixels_come_out_as_they_went_in() -> None:
    rng = np.random.default_rng(0)
    frames = [marked(0, index=n) for n in range(3)]
    for frame in frames:
        frame.image[:] = rng.integers(0, 256, frame.image.shape, np.uint8)
    question = question_of(frames, "a", MODEL_HASH, 1.0, True)
    again = question.without_pixels().with_pixels(question.pixels)
    assert all(np.array_equal(one, frame.image) for one, frame in zip(again.pictures(), frames, strict=True))
    assert question.problem(MODEL_HASH, ValueDetector.input_fit) is None
    assert "pixels" in str(question.without_pixels().problem(MODEL_HASH, ValueDetector.input_fit))
    assert "the same model" in str(question.problem("cd" * 32, ValueDetector.input_fit))
