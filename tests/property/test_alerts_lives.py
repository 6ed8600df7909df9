"""Whatever rules say, frame by frame: every alert lives one whole life, and the policy holds."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.alerts.book import CameraAlertBook, Moment
from streamer.alerts.policy import AlertPolicy
from streamer.types import AlertChange, Evidence
from tests.walks import EPOCH

SUBJECTS = "abcd"
spans = st.sampled_from([0.0, 0.3, 1.0, 2.5])
policies = st.builds(
    AlertPolicy,
    open_after_s=spans,
    gap_s=st.sampled_from([0.0, 0.3, 0.6]),
    clear_after_s=spans,
    cooldown_s=spans,
    update_every_s=spans,
    max_open=st.integers(1, 3),
)
# One frame: how long after the one before, who holds, what happened; None ends the session.
frames = st.lists(
    st.none() | st.tuples(st.sampled_from([0.04, 0.2, 0.5, 3.0]), st.sets(st.sampled_from(SUBJECTS)), st.booleans()),
    max_size=60,
)


def live(policy: AlertPolicy, story: list) -> tuple[list[AlertChange], list[tuple[str, float, float, set[str]]]]:
    """The changes of a story, and its frames as (session, at, media_s, subjects that hold)."""
    book = CameraAlertBook("gate", {"r": policy}, model_hash="m", config_hash="c")
    changes, seen, at, media_s, session = [], [], EPOCH, 0.0, 1
    for moment in story:
        if moment is None:
            changes += book.end_session("the camera's session ended")
            session, media_s = session + 1, 0.0
            continue
        passed_s, holding, happens = moment
        at, media_s = at + passed_s, media_s + passed_s
        evidence = [Evidence(subject=s, text=s, measures={"n": (len(seen), 0)}) for s in sorted(holding)]
        if happens:
            evidence.append(Evidence(subject="e", text="e", momentary=True))
        changes += book.record_at("r", "k", evidence, Moment(f"s{session}", at, media_s))
        seen.append((f"s{session}", at, media_s, holding))
    changes += book.end_session("the recording ended")
    assert book.open_alerts == ()
    return changes, seen


@settings(max_examples=150, deadline=None)
@given(policies, frames)
def test_every_alert_lives_one_whole_life(policy: AlertPolicy, story: list) -> None:
    changes, _ = live(policy, story)
    lives = defaultdict(list)
    for change in changes:
        lives[change.id].append(change)
    for life in lives.values():
        assert [c.seq for c in life] == list(range(1, len(life) + 1))
        assert [c.type for c in life] == ["opened", *["updated"] * (len(life) - 2), "closed"]
        assert [c.at for c in life] == sorted(c.at for c in life)
        assert len({(c.started_at, c.session, c.rule, c.reason["text"]) for c in life}) == 1
        assert life[0].started_at <= life[0].at
        told = [c.media_s for c in life[:-1]]
        assert all(b - a >= policy.update_every_s - 0.002 for a, b in pairwise(told))


@settings(max_examples=150, deadline=None)
@given(policies, frames)
def test_cooldown_and_the_number_of_open_alerts_hold(policy: AlertPolicy, story: list) -> None:
    changes, _ = live(policy, story)
    open_now: set[str] = set()
    closed_at = None
    for change in changes:
        if change.type == "opened":
            assert closed_at is None or change.at - closed_at >= policy.cooldown_s - 0.002
            if change.reason["text"] != "e":
                open_now.add(change.id)
                assert len(open_now) <= policy.max_open
        elif change.type == "closed":
            open_now.discard(change.id)
            closed_at = change.at


@settings(max_examples=150, deadline=None)
@given(policies, frames)
def test_an_alert_opens_only_on_what_was_seen_for_long_enough_and_closes_only_after_it_was_gone(
    policy: AlertPolicy, story: list
) -> None:
    changes, seen = live(policy, story)
    for change in changes:
        subject = change.reason["text"]
        if subject == "e":
            continue
        mine = [(at, subject in holding) for session, at, _, holding in seen if session == change.session]
        if change.type == "opened":
            assert change.at - change.started_at >= policy.open_after_s - 0.002
            during = [holds for at, holds in mine if change.started_at - 0.001 <= at <= change.at + 0.001]
            assert during[0]
            assert during[-1]
        elif change.type == "closed" and change.reason["closed_because"].startswith("the condition"):
            since = [holds for at, holds in mine if change.reason["held_until"] + 0.001 < at <= change.at + 0.001]
            assert since
            assert not any(since)
            assert change.at - change.reason["held_until"] >= policy.clear_after_s - 0.002


@settings(max_examples=60, deadline=None)
@given(frames)
def test_with_no_patience_and_no_limits_the_alerts_are_the_runs_of_the_story(story: list) -> None:
    policy = AlertPolicy(open_after_s=0, gap_s=0, clear_after_s=0, update_every_s=1e9, max_open=100)
    changes, seen = live(policy, story)
    runs, before = 0, {}
    for session, _, _, holding in seen:
        runs += len(holding - before.get(session, set()))
        before[session] = holding
    told = [c for c in changes if c.type == "opened" and c.reason["text"] != "e"]
    assert len(told) == runs


@settings(max_examples=40, deadline=None)
@given(policies, frames)
def test_the_same_story_gives_the_same_changes(policy: AlertPolicy, story: list) -> None:
    assert live(policy, story) == live(policy, story)
