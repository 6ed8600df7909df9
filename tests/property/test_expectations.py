"""Expectations that were recorded hold for what they were recorded from, and pairs are as many as there can be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from streamer.expectations.comparison import compare
from streamer.expectations.load import parse_expectations
from streamer.expectations.moments import seconds_of, shown
from streamer.expectations.pairing import largest_pairing, nearest_pairing
from streamer.expectations.recording import new_file, section
from streamer.expectations.verdict import judge
from tests.seen_alerts import alerts, times_s

costs = st.lists(st.lists(st.none() | st.integers(0, 9), min_size=6, max_size=6), max_size=7)


@settings(deadline=None)
@given(times_s)
def test_a_time_is_read_back_from_yaml_as_it_was_shown(at_s):
    assert seconds_of(shown(at_s)) == at_s
    assert seconds_of(yaml.safe_load(f"opens: {shown(at_s)}")["opens"]) == at_s


@settings(deadline=None)
@given(costs)
def test_no_pairing_has_more_pairs(table):
    def cost(i, j):
        return table[i][j]

    pairs = largest_pairing(range(len(table)), range(6), cost)
    assert all(table[i][j] is not None for i, j in pairs.items())
    assert len(set(pairs.values())) == len(pairs)
    allowed = np.array([[each is not None for each in row] for row in table], bool).reshape(-1, 6)
    most = (maximum_bipartite_matching(csr_matrix(allowed)) >= 0).sum() if len(table) else 0
    assert len(pairs) == most


@settings(deadline=None)
@given(costs)
def test_the_nearest_pairing_leaves_no_pair_that_both_would_rather_have(table):
    pairs = nearest_pairing(range(len(table)), range(6), lambda i, j: table[i][j])
    of_other = {j: i for i, j in pairs.items()}
    for i, row in enumerate(table):
        for j, price in enumerate(row):
            if price is not None:
                mine = table[i][pairs[i]] if i in pairs else np.inf
                its = table[of_other[j]][j] if j in of_other else np.inf
                assert not price < min(mine, its)


@settings(max_examples=60, deadline=None)
@given(st.lists(alerts(), max_size=6))
def test_what_was_recorded_is_as_expected_to_the_last_alert(recorded):
    length_s = max((each.closed_s or each.opened_s for each in recorded), default=0.0)
    text = new_file(Path("a.yaml"), Path("c.yaml"), 1.0, section("v.mp4", "gate", recorded, (), 1.0))
    written = parse_expectations(text, Path("a.yaml")).expectations
    verdict = judge(written.videos[0], written.tolerance_s, recorded, length_s)
    assert verdict.good, verdict.told
    assert [each.outcome for each in verdict.findings] == ["as expected"] * len(recorded)


@settings(max_examples=40, deadline=None)
@given(st.lists(alerts(), min_size=1, max_size=5), st.data())
def test_an_alert_that_was_judged_wrong_is_forbidden_until_it_stays_away(recorded, data):
    wrong = data.draw(st.integers(1, len(recorded)))
    text = new_file(Path("a.yaml"), Path("c.yaml"), 1.0, section("v.mp4", "gate", recorded, {wrong}, 1.0))
    video = parse_expectations(text, Path("a.yaml")).expectations.videos[0]
    assert not judge(video, 1.0, recorded, 1e5).good
    assert judge(video, 1.0, [each for n, each in enumerate(recorded, 1) if n != wrong], 1e5).good


@settings(max_examples=40, deadline=None)
@given(st.lists(alerts(), max_size=6), st.lists(alerts(), max_size=6), st.booleans())
def test_every_alert_of_two_configurations_is_told_once(before, after, same_tracks):
    comparison = compare(before, after, 0.5, same_tracks=same_tracks)
    assert sorted(each.before.id for each in comparison.sides if each.before) == sorted(each.id for each in before)
    assert sorted(each.after.id for each in comparison.sides if each.after) == sorted(each.id for each in after)
    assert compare(before, before, 0.5, same_tracks=same_tracks).same
