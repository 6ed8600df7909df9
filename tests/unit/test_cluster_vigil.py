"""Who lives, told by beats alone."""

from __future__ import annotations

from streamer.cluster.vigil import Vigil


def said(count: int, pid: int = 1) -> tuple[str, int, int]:
    return ("owner", pid, count)


def test_a_node_lives_while_its_beat_changes_and_is_gone_when_it_stays_the_same() -> None:
    vigil = Vigil(silent_after_s=3.0)
    for tick in range(20):  # twice a second
        beats = {"a": said(tick), "b": said(min(tick, 4))}
        living = vigil.hear(beats, tick * 0.5)
        assert living == ({"a", "b"} if tick <= 10 else {"a"})


def test_a_node_that_begins_anew_with_a_lower_count_lives() -> None:
    vigil = Vigil(silent_after_s=3.0)
    vigil.hear({"a": said(900)}, 0.0)
    for tick in range(1, 8):
        vigil.hear({"a": said(900)}, tick * 0.5)
    assert vigil.hear({"a": said(1, pid=2)}, 4.0) == {"a"}


def test_who_was_away_itself_gives_all_time_to_be_heard_again() -> None:
    vigil = Vigil(silent_after_s=3.0)
    vigil.hear({"a": said(1)}, 0.0)
    assert vigil.hear({"a": said(1)}, 60.0) == {"a"}  # Redis was away for a minute: a had nobody to tell
    living = [vigil.hear({"a": said(1)}, 60.0 + tick * 0.5) for tick in range(1, 9)]
    assert living[0] == {"a"}
    assert living[-1] == frozenset()


def test_a_listener_that_is_slow_hears_silence_all_the_same() -> None:
    vigil = Vigil(silent_after_s=3.0)
    living = [vigil.hear({"a": said(1), "b": said(tick)}, tick * 2.0) for tick in range(6)]  # a look every two seconds
    assert living[2] == {"a", "b"}
    assert living[-1] == {"b"}
