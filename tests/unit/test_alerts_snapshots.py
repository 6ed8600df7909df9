"""Pictures of alerts: drawn readably, written whole or not at all, pruned by age and size."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamer.alerts.drawing import COLOURS, draw_alert, with_strip
from streamer.alerts.snapshots import UNFINISHED, SnapshotStore, snapshot_path
from streamer.errors import SinkUnavailable
from streamer.types import AlertChange
from tests.screened import shown
from tests.walks import EPOCH

DAY_S = 24 * 3600.0


class SetClock:
    """A clock that stands where it is put."""

    def __init__(self, now: float) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


def alert(number: int = 1, *, started_at: float = EPOCH, text: str = "person is in yard") -> AlertChange:
    return AlertChange(
        id=f"gate-{number:020x}",
        seq=1,
        type="opened",
        camera="gate",
        session="s",
        rule="night yard",
        kind="intrusion",
        severity="critical",
        started_at=started_at,
        at=started_at,
        media_s=1.0,
        score=0.87,
        label="person",
        place="yard",
        box=(0.4, 0.3, 0.5, 0.7),
        reason={"text": text},
    )


def grey(width: int = 640, height: int = 360, level: int = 90) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def stored(store: SnapshotStore, folder: Path, number: int, *, age_s: float, now: float = EPOCH) -> AlertChange:
    change = alert(number, started_at=now - age_s)
    path = folder / store.write(change, shown(grey()))
    os.utime(path, (now - age_s, now - age_s))
    return change


def test_a_picture_is_where_its_alert_says_for_all_its_changes(tmp_path: Path) -> None:
    store, change = SnapshotStore(tmp_path), alert()
    assert not store.exists(change)
    path = store.write(change, shown(grey()))
    assert path == store.path_for(change) == snapshot_path(change) == f"snapshots/2025-06-15/{change.id}.jpg"
    assert store.exists(change)
    later = AlertChange(**{**_fields(change), "seq": 7, "type": "closed", "at": EPOCH + 9 * DAY_S})
    assert store.path_for(later) == path
    assert [p.name for p in (tmp_path / path).parent.iterdir()] == [f"{change.id}.jpg"]


def _fields(change: AlertChange) -> dict:
    return {name: getattr(change, name) for name in AlertChange.__dataclass_fields__}


def test_the_box_is_drawn_where_it_is_in_the_colour_of_the_severity(tmp_path: Path) -> None:
    path = tmp_path / SnapshotStore(tmp_path, quality=100).write(alert(), shown(grey()))
    rgb = cv2.imread(str(path))[..., ::-1].astype(int)
    assert rgb.shape == (360, 640, 3)
    red, scene = np.array(COLOURS["critical"]), np.array([90, 90, 90])
    left_edge = rgb[150:240, 254:259].mean(axis=0)
    assert min(abs(left_edge - red).sum(axis=1)) < 150
    assert abs(rgb[200, 288] - scene).max() < 8  # inside the box the scene is untouched
    assert abs(rgb[20, 20] - scene).max() < 8


def test_the_frames_own_picture_is_left_alone(tmp_path: Path) -> None:
    original = grey()
    SnapshotStore(tmp_path).write(alert(), shown(original))
    assert (original == 90).all()


@pytest.mark.parametrize("size", [(320, 180), (640, 360), (1280, 720), (1920, 1080), (3840, 2160), (360, 640)])
def test_the_caption_is_readable_at_every_size(size: tuple[int, int]) -> None:
    rgb = grey(*size)
    draw_alert(rgb, severity="info", label="person 87%", lines=["person stayed 10.4 s in yard (limit 10 s)"])
    white_rows = np.flatnonzero((rgb.min(axis=2) > 180).any(axis=1))
    letters_px = white_rows.max() - white_rows.min() + 1
    assert letters_px >= max(8, size[1] * 0.015)  # tall enough to read
    assert letters_px <= size[1] / 3  # and the scene is still to be seen
    columns = np.flatnonzero((rgb.min(axis=2) > 180).any(axis=0))
    assert columns.max() < size[0] - 1  # nothing runs out of the picture


@pytest.mark.parametrize(
    "box",
    [(0.0, 0.0, 1.0, 1.0), (0.9, 0.0, 1.0, 0.1), (-0.2, -0.2, 1.4, 1.4), (0.5, 0.5, 0.5, 0.5), (0.0, 0.95, 0.02, 1.0)],
)
def test_boxes_at_the_edge_are_drawn_without_trouble(box: tuple[float, float, float, float]) -> None:
    rgb = grey()
    draw_alert(rgb, severity="warning", label="Fußgänger – 3×", lines=["Ünïcode → text"], box=box, others=[box])
    assert (rgb != 90).any()


def test_a_zones_outline_is_drawn() -> None:
    rgb = grey()
    draw_alert(rgb, severity="info", label="x", lines=[], outline=[(0.1, 0.1), (0.9, 0.1), (0.9, 0.8), (0.1, 0.8)])
    assert abs(rgb[36, 320].astype(int) - COLOURS["info"]).max() < 25
    assert abs(rgb[150, 64].astype(int) - COLOURS["info"]).max() < 25
    assert (rgb[150, 320] == 90).all()


def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "snapshots").write_text("a file where the folder should be")
    with pytest.raises(SinkUnavailable, match=r"alert gate-.*cannot be written to .*goes out without it"):
        SnapshotStore(tmp_path).write(alert(), shown(grey()))


def test_a_disk_that_takes_no_more_is_said_in_a_sentence_and_leaves_nothing_behind(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # the kernel refuses more, as a full disk would
    try:
        with pytest.raises(SinkUnavailable, match=r"cannot be written to .*: File too large"):
            SnapshotStore(tmp_path).write(alert(), shown(grey()))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_old_pictures_go_and_young_ones_stay(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path, keep_days=7, clock=SetClock(EPOCH))
    old, young = stored(store, tmp_path, 1, age_s=8.1 * DAY_S), stored(store, tmp_path, 2, age_s=6.9 * DAY_S)
    pruned = store.prune()
    assert (pruned.pictures, store.exists(old), store.exists(young)) == (1, False, True)
    assert not (tmp_path / snapshot_path(old)).parent.exists()  # an empty day is taken away too
    assert pruned.kept_bytes == (tmp_path / snapshot_path(young)).stat().st_size


def test_the_oldest_go_first_where_space_is_short(tmp_path: Path) -> None:
    clock = SetClock(EPOCH)
    big = SnapshotStore(tmp_path, clock=clock)
    alerts = [stored(big, tmp_path, i, age_s=1000 - i * 10) for i in range(6)]
    size = (tmp_path / snapshot_path(alerts[0])).stat().st_size
    small = SnapshotStore(tmp_path, keep_bytes=int(size * 3.5), clock=clock)
    assert small.prune().pictures == 3
    assert [small.exists(a) for a in alerts] == [False] * 3 + [True] * 3
    assert small.prune().pictures == 0


def test_pictures_of_open_alerts_stay_unless_they_alone_are_too_many(tmp_path: Path) -> None:
    clock = SetClock(EPOCH)
    store = SnapshotStore(tmp_path, keep_days=1, clock=clock)
    alerts = [stored(store, tmp_path, i, age_s=(9 - i) * DAY_S) for i in range(4)]
    still_open = [alerts[0].id, alerts[1].id]
    assert store.prune(still_open).pictures == 2
    assert [store.exists(a) for a in alerts] == [True, True, False, False]
    size = (tmp_path / snapshot_path(alerts[0])).stat().st_size
    tiny = SnapshotStore(tmp_path, keep_days=1, keep_bytes=int(1.5 * size), clock=clock)
    tiny.prune(still_open)
    assert [tiny.exists(a) for a in alerts[:2]] == [False, True]


def test_what_a_dead_writer_left_is_swept_away_later(tmp_path: Path) -> None:
    clock = SetClock(EPOCH)
    store = SnapshotStore(tmp_path, clock=clock)
    kept = stored(store, tmp_path, 1, age_s=0)
    left = (tmp_path / snapshot_path(kept)).parent / f"{UNFINISHED}abc"
    left.write_bytes(b"half a picture")
    os.utime(left, (EPOCH - 10, EPOCH - 10))
    store.prune()
    assert left.exists()  # somebody may be writing it now
    os.utime(left, (EPOCH - 4000, EPOCH - 4000))
    store.prune()
    assert not left.exists()
    assert store.exists(kept)


def test_pruning_an_empty_place_is_no_trouble(tmp_path: Path) -> None:
    assert SnapshotStore(tmp_path / "not there yet").prune().pictures == 0


def test_a_strip_of_what_led_to_it_stands_below_the_picture() -> None:
    rgb = np.full((90, 160, 3), 10, np.uint8)
    strip = [np.full((40, 20, 3), 200, np.uint8), np.full((20, 60, 3), 120, np.uint8)]
    both = with_strip(rgb, strip)
    assert np.array_equal(both[:90], rgb)
    assert both.shape[1:] == (160, 3)
    left, right = both[90:, :80], both[90:, 80:]
    assert set(np.unique(left)) == {0, 200}
    assert set(np.unique(right)) == {0, 120}
    # Shapes are kept: the first is twice as tall as wide, the second three times as wide as tall.
    for part, tall_per_wide in ((left, 2.0), (right, 1 / 3)):
        ys, xs = np.nonzero(part.max(2))
        assert (np.ptp(ys) + 1) / (np.ptp(xs) + 1) == pytest.approx(tall_per_wide, rel=0.1)
    assert with_strip(rgb, []) is rgb
