"""A camera moves to another machine: alerts go on or end, with words; counts and cooldowns go on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.alerts.book import CameraAlertBook, Moment
from streamer.alerts.inherited import Legacy
from streamer.alerts.policy import AlertPolicy
from streamer.assembly.moving import MovingCamera
from streamer.cluster.handover import Handover, decode_handover, encode_handover, pieced_together
from streamer.pipeline import CameraPipeline
from streamer.rules.geometry import Line
from streamer.rules.line_crossing import LineCrossingRule
from streamer.types import AlertChange, Evidence
from streamer.wire import decode_alert, encode_alert
from tests.alert_lives import change

MOVED = "the camera moved from node-a, which died, to node-b"
POLICY = AlertPolicy(open_after_s=0.0, clear_after_s=2.0, cooldown_s=30.0, update_every_s=5.0)


def book(*rules: str, policy: AlertPolicy = POLICY) -> CameraAlertBook:
    return CameraAlertBook("gate", dict.fromkeys(rules or ("stays",), policy), model_hash="m", config_hash="c")


def at(media_s: float, session: str = "b") -> Moment:
    return Moment(session, 1_700_000_000.0 + media_s, media_s, (1000, 1000))


def somebody(x: float, track: int = 7, *, label: str = "person", place: str = "yard") -> Evidence:
    """A person of 100 by 200 pixels whose left edge is at x."""
    return Evidence(
        subject=f"track:{track}",
        text="person in yard",
        track_ids=(track,),
        label=label,
        place=place,
        box_xyxy=(x, 400.0, x + 100.0, 600.0),
    )


def travelled(change: AlertChange) -> AlertChange:
    """As it comes out of Redis."""
    return decode_alert(encode_alert(change))


def opened(evidence: Evidence, settings: dict[str, float] | None = None) -> AlertChange:
    [one] = book().record_at("stays", "loitering", [evidence], at(5.0, "a"), settings=settings)
    return travelled(one)


def test_who_is_still_there_is_the_same_alert_under_its_id_with_the_next_seq() -> None:
    last, new = opened(somebody(100)), book()
    new.take_over(Legacy((last,)), MOVED)
    assert new.record_at("stays", "loitering", [], at(0.0)) == []
    assert new.open_alerts == (last,)
    [goes_on] = new.record_at("stays", "loitering", [somebody(180, track=1)], at(1.0))
    assert (goes_on.id, goes_on.seq, goes_on.type) == (last.id, 2, "updated")
    assert goes_on.started_at == last.started_at
    assert goes_on.session == "b"
    assert goes_on.track_ids == (1,)
    assert goes_on.reason["continued"] == MOVED
    [closed] = new.record_at("stays", "loitering", [], at(4.0))
    assert (closed.id, closed.seq, closed.type) == (last.id, 3, "closed")
    assert "continued" not in closed.reason


def test_who_is_gone_ends_with_the_reason_in_words() -> None:
    last, new = opened(somebody(100)), book()
    new.take_over(Legacy((last,)), MOVED)
    new.record_at("stays", "loitering", [], at(0.0))
    assert new.record_at("stays", "loitering", [], at(4.9)) == []
    [closed] = new.record_at("stays", "loitering", [], at(5.0))  # 3 s for the tracker, 2 s until it would clear
    assert (closed.id, closed.seq, closed.type) == (last.id, 2, "closed")
    assert closed.reason["closed_because"] == f"{MOVED}; what it was about was not seen here in 5.0 s"
    assert new.open_alerts == ()
    assert new.record_at("stays", "loitering", [somebody(100)], at(6.0)) == []  # its cooldown counts


@pytest.mark.parametrize(
    "other",
    [somebody(600), somebody(100, label="car"), somebody(100, place="street")],
    ids=["somewhere else", "something else", "another zone"],
)
def test_what_may_be_another_thing_is_another_alert(other: Evidence) -> None:
    last, new = opened(somebody(100)), book(policy=replace(POLICY, cooldown_s=0.0))
    new.take_over(Legacy((last,)), MOVED)
    [mine] = new.record_at("stays", "loitering", [other], at(1.0))
    assert (mine.type, mine.seq) == ("opened", 1)
    assert mine.id != last.id
    ends = new.record_at("stays", "loitering", [other], at(7.0))
    assert [(c.id, c.type) for c in ends if c.type == "closed"] == [(last.id, "closed")]


def test_a_rule_that_must_see_somebody_stay_is_given_the_time_for_it() -> None:
    last, new = opened(somebody(100), settings={"dwell_s": 10.0}), book()
    new.take_over(Legacy((last,)), MOVED)
    for second in range(12):
        assert new.record_at("stays", "loitering", [], at(float(second))) == []
    [goes_on] = new.record_at("stays", "loitering", [somebody(120, track=3)], at(12.0))
    assert (goes_on.id, goes_on.seq) == (last.id, 2)


def test_two_of_a_kind_are_told_apart_by_where_they_stood() -> None:
    both = book().record_at("stays", "loitering", [somebody(100, 1), somebody(400, 2)], at(5.0, "a"))
    left, right = both
    new = book()
    new.take_over(Legacy(tuple(both)), MOVED)
    changes = new.record_at("stays", "loitering", [somebody(390, 1), somebody(130, 2)], at(1.0))
    assert {(c.id, c.track_ids) for c in changes} == {(left.id, (2,)), (right.id, (1,))}


def test_a_full_zone_is_the_same_whoever_fills_it() -> None:
    def crowd(count: int, *tracks: int) -> Evidence:
        return Evidence(
            subject="zone:above", text="crowd", place="yard", measures={"count_above": (count, 2)}, track_ids=tracks
        )

    old = book("crowd")
    [last] = old.record_at("crowd", "occupancy", [crowd(3, 1, 2, 3)], at(5.0, "a"))
    new = book("crowd")
    new.take_over(Legacy((travelled(last),)), MOVED)
    few = Evidence(subject="zone:below", text="few", place="yard", measures={"count_below": (0.0, 1.0)})
    assert [c.type for c in new.record_at("crowd", "occupancy", [few], at(0.5))] == ["opened"]
    changes = new.record_at("crowd", "occupancy", [few, crowd(5, 7, 8)], at(1.0))
    assert [(c.id, c.seq) for c in changes if c.id == last.id] == [(last.id, 2)]


def test_an_alert_whose_rule_is_not_there_any_more_ends_at_once() -> None:
    [closed] = book("other").take_over(Legacy((opened(somebody(100)),)), MOVED)
    assert closed.type == "closed"
    assert closed.reason["closed_because"] == f"{MOVED}; its rule is not there any more"


def test_a_cooldown_goes_on() -> None:
    old = book()
    old.record_at("stays", "loitering", [somebody(100)], at(0.0, "a"))
    old.record_at("stays", "loitering", [], at(3.0, "a"))
    new = book()
    new.take_over(Legacy((), old.closed_at), MOVED)
    assert new.record_at("stays", "loitering", [somebody(100)], at(10.0)) == []
    assert dict(new.suppressed) == {("stays", "cooldown"): 1}
    assert [c.type for c in new.record_at("stays", "loitering", [somebody(100)], at(34.0))] == ["opened"]


class NoTracks:
    """stages.Tracker that is not asked."""

    def update(self, detections: object, at_s: float) -> None:
        raise AssertionError

    def reset(self) -> None:
        pass


def moving(book: CameraAlertBook, link: CameraAlertBook, *rules: LineCrossingRule) -> MovingCamera:
    pipeline = CameraPipeline(NoTracks(), rules, book)  # type: ignore[arg-type]
    return MovingCamera("gate", pipeline, (book, link))


def line_rule() -> LineCrossingRule:
    return LineCrossingRule(name="door", line=Line("door", np.array([[0.0, 0.5], [1.0, 0.5]])))


def test_who_leaves_closes_nothing_and_says_nothing_more() -> None:
    seen, link, rule = book(), book("camera.offline"), line_rule()
    rule.forward, rule.backward = 12, 5
    [last] = seen.record_at("stays", "loitering", [somebody(100)], at(5.0, "a"))
    leaving = moving(seen, link, rule)
    with pytest.raises(RuntimeError, match="camera 'gate' is watched still"):
        leaving.left(0.0, MOVED)
    leaving.will_leave()
    assert seen.end_session("the camera was removed") == []
    assert link.end_session("the camera was removed") == []
    assert seen.record_at("stays", "loitering", [somebody(500, 9)], at(6.0, "a")) == []
    left = decode_handover(encode_handover(leaving.left(1_700_000_009.5, MOVED)))
    assert left.open == (travelled(last),)
    assert left.counts == {"door": {"forward": 12, "backward": 5}}

    new_rule, new_seen, new_link = line_rule(), book(), book("camera.offline")
    assert moving(new_seen, new_link, new_rule).arrive(left) == []
    assert (new_rule.forward, new_rule.backward) == (12, 5)
    [goes_on] = new_seen.record_at("stays", "loitering", [somebody(100, 1)], at(1.0))
    assert (goes_on.id, goes_on.seq) == (last.id, 2)


def test_an_offline_camera_that_is_seen_by_its_next_owner_is_no_longer_offline() -> None:
    old = book("camera.offline")
    away = Evidence(subject="camera", text="no frames", measures={"offline_s": (20.0, 10.0)})
    [last] = old.record_at("camera.offline", "camera.offline", [away], at(20.0, "link-a"))
    left = Handover("gate", 0.0, MOVED, (travelled(last),))
    still, well = book("camera.offline"), book("camera.offline")
    for each in (still, well):
        assert moving(book(), each).arrive(left) == []
    [goes_on] = still.record_at("camera.offline", "camera.offline", [away], at(10.0, "link-b"))
    assert (goes_on.id, goes_on.seq, goes_on.type) == (last.id, 2, "updated")
    well.record_at("camera.offline", "camera.offline", [], at(0.0, "link-b"))
    [closed] = well.record_at("camera.offline", "camera.offline", [], at(6.0, "link-b"))
    assert (closed.id, closed.type) == (last.id, "closed")


def crossing(seq_in_all: int, **measures: float) -> AlertChange:
    both = {name: [value, 0.0] for name, value in measures.items()}
    one = change(f"x{seq_in_all}", 1, kind="line_crossing", at=1_700_000_000.0 + seq_in_all)
    return replace(one, rule="door", reason={"text": "crossed", "measures": both})


def test_after_a_crash_counts_are_what_the_latest_crossing_said() -> None:
    before = Handover("gate", 0.0, "checkpoint", (), {"door": {"forward": 3, "backward": 9}}, {"door": 5.0})
    since = [crossing(1, forward=4, backward=9), crossing(2, forward=4, backward=10)]
    since += [replace(since[-1], seq=2, type="closed")]
    found = pieced_together("gate", before, [change("a", 4, "updated")], since, MOVED, 50.0)
    assert found.counts == {"door": {"forward": 4, "backward": 10}}
    assert found.closed_at == {"door": since[-1].at}
    assert [(c.id, c.seq) for c in found.open] == [("a", 4)]
    assert (found.why, found.at) == (MOVED, 50.0)
    assert pieced_together("gate", None, [], [], MOVED, 50.0) == Handover("gate", 50.0, MOVED)


@given(
    st.dictionaries(st.text(), st.dictionaries(st.text(), st.integers(0, 2**40), max_size=3), max_size=3),
    st.dictionaries(st.text(), st.integers(0, 10**12).map(lambda ms: ms / 1000), max_size=3),
    st.lists(st.integers(1, 50), max_size=4),
    st.text(),
)
def test_a_handover_says_the_same_on_the_other_side(
    counts: dict[str, dict[str, int]], closed_at: dict[str, float], seqs: list[int], why: str
) -> None:
    left = Handover(
        "gate", 1.5, why, tuple(travelled(change(f"a{n}", seq)) for n, seq in enumerate(seqs)), counts, closed_at
    )
    assert decode_handover(encode_handover(left)) == left


@pytest.mark.parametrize("text", ["{}", '{"schema":"streamer.handover/2"}', '{"schema":"streamer.handover/1"}', "[]"])
def test_what_is_no_handover_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(ValueError, match="not a handover"):
        decode_handover(text)
