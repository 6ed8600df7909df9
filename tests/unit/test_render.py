"""A film between its frames, words that hide no others, and a video that holds what was put in."""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.errors import FootageError, SourceCorrupt
from streamer.privacy.video import VideoWriter, even
from streamer.render.film import Film, Glimpse
from streamer.render.panel import BAD, GOOD, Judged, Panel
from streamer.render.render import drawn_size
from streamer.render.scene import HOLD_S, LINGER_S, Scenes
from streamer.render.tags import Tag, laid_out
from streamer.types import AlertChange
from tests.screened import shown


def film(*glimpses: Glimpse, changes: tuple[AlertChange, ...] = ()) -> Film:
    made = Film()
    made.glimpses += glimpses
    made.announce(changes)
    return made


def glimpse(at_s: float, **boxes: tuple[float, float, float, float]) -> Glimpse:
    """t3=(…) is the box of track 3."""
    ids = tuple(int(name[1:]) for name in boxes)
    return Glimpse(at_s, ids, np.array(list(boxes.values()), np.float32).reshape(-1, 4), tuple(map(str, ids)))


def change(type_: str, media_s: float, text: str = "person is in yard") -> AlertChange:
    return AlertChange(
        id="a",
        seq=1,
        type=type_,
        camera="gate",
        session="v.mp4",
        rule="r",
        kind="intrusion",
        severity="critical",
        started_at=0.0,
        at=media_s,
        media_s=media_s,
        score=1.0,
        place="yard",
        track_ids=(3,),
        reason={"text": text},
    )


def test_between_two_analysed_frames_a_track_moves_in_a_straight_line():
    boxes = [(0.1, 0.2, 0.3, 0.6), (0.2, 0.2, 0.5, 0.7)]
    scenes = Scenes(film(glimpse(1.0, t3=boxes[0]), glimpse(1.2, t3=boxes[1])))
    for at_s in (1.0, 1.05, 1.1, 1.19):
        [figure] = scenes.at(at_s).figures
        expected = [np.interp(at_s, [1.0, 1.2], edges) for edges in zip(*boxes, strict=True)]
        assert figure.box == pytest.approx(expected, abs=1e-6)
    assert scenes.at(0.9).figures == ()


def test_who_is_not_seen_again_stays_for_a_moment_and_no_longer():
    scenes = Scenes(film(glimpse(1.0, t3=(0, 0, 0.1, 0.1)), glimpse(3.0)))
    assert len(scenes.at(1.0 + HOLD_S - 0.01).figures) == 1
    assert scenes.at(1.0 + HOLD_S + 0.01).figures == ()


def test_a_trail_goes_through_where_the_feet_were():
    seen = [glimpse(s / 5, t3=(s / 10, 0, s / 10 + 0.1, 0.5)) for s in range(4)]
    [figure] = Scenes(film(*seen)).at(0.5).figures
    assert np.array(figure.trail) == pytest.approx(np.array([(0.05, 0.5), (0.15, 0.5), (0.25, 0.5), (0.3, 0.5)]))


def test_an_alert_is_shown_from_its_opening_until_a_moment_after_its_end_with_its_newest_words():
    changes = (change("opened", 2.0), change("updated", 4.0, "still there"), change("closed", 6.0, "gone"))
    scenes = Scenes(film(glimpse(0.0), changes=changes))
    assert scenes.at(1.9).notices == ()
    assert [each.said.text for each in scenes.at(2.0).notices] == ["person is in yard"]
    [notice] = scenes.at(5.0).notices
    assert (notice.said.text, notice.open) == ("still there", True)
    [notice] = scenes.at(6.0 + LINGER_S - 0.1).notices
    assert not notice.open
    assert scenes.at(6.0 + LINGER_S + 0.1).notices == ()


def test_what_opens_and_closes_in_one_moment_can_be_read():
    scenes = Scenes(film(glimpse(0.0), changes=(change("opened", 2.0), change("closed", 2.0))))
    assert [len(scenes.at(at_s).notices) for at_s in (1.9, 2.0, 3.0, 4.0)] == [0, 1, 1, 0]


boxes_px = st.tuples(st.integers(0, 300), st.integers(0, 200), st.integers(0, 60), st.integers(0, 80)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@settings(max_examples=60, deadline=None)
@given(st.lists(boxes_px, max_size=15))
def test_no_tag_hides_another_or_leaves_the_picture(boxes):
    tags = [Tag((f"person {n} walking", str(n)), box, (9, 9, 9)) for n, box in enumerate(boxes)]
    placed = laid_out(tags, (360, 280), 0.4, 1)
    taken = np.zeros((280, 360), int)
    for left, top, right, bottom in (each.area for each in placed):
        assert 0 <= left < right <= 360
        assert 0 <= top < bottom <= 280
        taken[top:bottom, left:right] += 1
    assert taken.max(initial=0) <= 1
    assert not boxes or placed  # somebody always has room


def test_the_line_of_alerts_is_coloured_by_what_was_expected():
    told = film(glimpse(0.0), changes=(change("opened", 2.0), change("closed", 6.0)))
    for good, colour in ((True, GOOD), (False, BAD)):
        panel = Panel((640, 480), "gate", 10.0, told.stories, Judged(good={"a": good}, words={"a": "said"}))
        drawn = panel.draw(Scenes(told).at(9.0))
        columns = np.flatnonzero((drawn == colour).all(-1).sum(0) >= 4)
        assert columns[0] == pytest.approx(0.2 * 640, abs=12)
        assert columns[-1] == pytest.approx(0.6 * 640, abs=12)
        assert drawn.shape[1] == 640


def test_a_video_holds_its_pictures_and_their_times(tmp_path):
    out = tmp_path / "seen.mp4"
    times_s = [0.0, 0.1, 0.25, 0.9]
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (128, 128, 128)]
    with VideoWriter(out) as video:
        for at_s, colour in zip(times_s, colours, strict=True):
            video.add(shown(np.full((64, 96, 3), colour, np.uint8)), at_s)
    assert list(tmp_path.iterdir()) == [out]
    with av.open(str(out)) as container:
        frames = list(container.decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx(times_s)
    for frame, colour in zip(frames, colours, strict=True):
        assert np.abs(frame.to_ndarray(format="rgb24").mean((0, 1)) - colour).max() < 6


def test_a_video_that_was_not_finished_is_not_there(tmp_path):
    def broken_off() -> None:
        with VideoWriter(tmp_path / "seen.mp4") as video:
            video.add(shown(np.zeros((64, 96, 3), np.uint8)), 0.0)
            raise SourceCorrupt("the recording breaks off")

    with pytest.raises(SourceCorrupt):
        broken_off()
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    out = tmp_path / "nowhere" / "seen.mp4"
    with pytest.raises(FootageError, match=f"{out} cannot be written: No such file"), VideoWriter(out) as video:
        video.add(shown(np.zeros((64, 96, 3), np.uint8)), 0.0)


def test_odd_pictures_are_made_even_and_large_and_small_ones_readable():
    assert even(np.zeros((5, 7, 3), np.uint8)).shape == (6, 8, 3)
    assert even(np.zeros((4, 6, 3), np.uint8)).shape == (4, 6, 3)
    assert drawn_size((3840, 2160)) == (1920, 1080)
    assert drawn_size((384, 288)) == (768, 576)
    assert drawn_size((1280, 720)) == (1280, 720)
