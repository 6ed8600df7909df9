"""Motion on pixels against per-pixel truth and in drawn worlds, side by side with OpenCV's MOG2 and KNN.

    python -m tests.benchmarks.motion_pixels [--no-keep] [--worlds-only]

Highway (changedetection.net, 320×240): five looks a second. A cell is moving where at least half of its known pixels
are (shadow is not), unknown where at most half are known; a frame is moving with three moving cells or more. MOG2 and
KNN get the same small pictures with their default settings and with the settings, of a grid, that are best *on this
very video*, which flatters them. Of ours no number was searched on it; but its score was read seven times during the
work, and two faults that it showed (leaves that move seldom, a lorry taken for light) were mended on drawn worlds and
then scored again: it is no untouched test. MOG2 at full size is there for reference.

Worlds (motion_worlds.py), encoded by x264 in several ways: in those where nothing moves, wake-ups of a camera that
sleeps and how long it is awake for it (asleep: key frames; awake: five looks a second, until nothing moved for 5 s);
in the others, the share of awake looks that see the motion, and how long a sleeping camera takes to.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.capture.motion.luma import small_luma
from tests.benchmarks.motion_lookers import Cells, Looker, Ours, knn, mog2
from tests.benchmarks.motion_truth import on_highway
from tests.benchmarks.motion_worlds import FPS, MOVING, QUIET, World, looks
from tests.benchmarks.report import report

LOOK_EVERY = 5
QUIET_S = 5.0


def main() -> int:
    """Highway, worlds, cost, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    parser.add_argument("--worlds-only", action="store_true", help="leave the highway's truth alone, keep nothing")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    values: dict[str, object] = {"shrink_ms": _shrink_costs(), **_in_worlds()}
    if not args.worlds_only:
        values = on_highway() | values
    report("motion_pixels", values, keep=args.keep and not args.worlds_only)
    return 0


def _in_worlds() -> dict[str, object]:
    makers: dict[str, Callable[[], Looker]] = {
        "ours": Ours,
        "mog2": lambda: mog2(shadows=False),
        "knn": lambda: knn(shadows=False),
        "mog2_sensitive": lambda: mog2(8, shadows=False),
        "knn_sensitive": lambda: knn(100, shadows=False),
    }
    quiet: dict[str, dict[str, dict[str, float]]] = {name: {} for name in makers}
    moving: dict[str, dict[str, dict[str, float | None]]] = {name: {} for name in makers}
    for title, world in {**QUIET, **MOVING}.items():
        small, keys = looks(world)
        for name, make in makers.items():
            seen, ms = _seen(make(), world, small)
            if world.moving_s is None:
                wakes, awake = _slept(make(), world, small, keys)
                quiet[name][title] = {"false_looks": seen, "wakes": wakes, "awake": awake, "ms_per_look": ms}
            else:
                after_s = _seen_asleep(make(), world, small, keys)
                moving[name][title] = {"seen": seen, "asleep_seen_after_s": after_s, "ms_per_look": ms}
        told = {name: {**quiet[name], **moving[name]}[title] for name in makers}
        print(
            f"{title:24s} " + " | ".join(f"{name} {[*figures.values()]}" for name, figures in told.items()), flush=True
        )
    judged_s = sum(world.seconds - world.settled_s for world in QUIET.values())
    return {
        "false_wakes_per_hour": {name: round(_sum(each, "wakes") * 3600 / judged_s, 1) for name, each in quiet.items()},
        "awake_share_in_quiet": {name: round(_sum(each, "awake") / len(each), 3) for name, each in quiet.items()},
        "seen_share": {name: round(_sum(each, "seen") / len(each), 3) for name, each in moving.items()},
        "quiet_minutes": round(judged_s / 60, 1),
        "quiet_worlds": quiet,
        "moving_worlds": moving,
    }


def _sum(worlds: Mapping[str, Mapping[str, float | None]], figure: str) -> float:
    return sum(figures[figure] or 0.0 for figures in worlds.values())


def _seen(looker: Looker, world: World, small: NDArray[np.uint8]) -> tuple[float, float]:
    """Awake all the time: the share of judged looks with motion, and milliseconds of CPU per look."""
    from_s, to_s = world.moving_s or (world.settled_s, world.seconds)
    began, moved = time.thread_time(), []
    for number in range(0, len(small), LOOK_EVERY):
        seen, _ = looker.look(small[number], number / FPS)
        if from_s <= number / FPS < to_s:
            moved.append(seen)
    spent_s = time.thread_time() - began
    return round(float(np.mean(moved)), 4), round(1e3 * spent_s * LOOK_EVERY / len(small), 3)


def _slept(looker: Looker, world: World, small: NDArray[np.uint8], keys: Cells) -> tuple[int, float]:
    """How often a sleeping camera woke after settled_s, and the share of that time for which it was awake."""
    states = [(awake, woke) for at_s, awake, woke, _ in _asleep(looker, small, keys) if at_s >= world.settled_s]
    return sum(woke for _, woke in states), round(float(np.mean([awake for awake, _ in states])), 4)


def _seen_asleep(looker: Looker, world: World, small: NDArray[np.uint8], keys: Cells) -> float | None:
    """Seconds from the start of the motion to the look that says so, the wait for a key frame included."""
    assert world.moving_s is not None
    from_s, to_s = world.moving_s
    seen_s = (at_s for at_s, _, _, moved in _asleep(looker, small, keys) if moved and from_s <= at_s < to_s)
    first_s = next(seen_s, None)
    return None if first_s is None else round(first_s - from_s, 2)


def _asleep(looker: Looker, small: NDArray[np.uint8], keys: Cells) -> Iterator[tuple[float, bool, bool, bool]]:
    """Of a camera that sleeps at first, for every picture: media seconds, awake after it, just woken, motion seen."""
    awake, moved_at_s = False, 0.0
    for number, luma in enumerate(small):
        at_s, moved, was_awake = number / FPS, False, awake
        if keys[number] or (awake and number % LOOK_EVERY == 0):
            moved, _ = looker.look(luma, at_s)
            if moved:
                awake, moved_at_s = True, at_s
            elif at_s - moved_at_s > QUIET_S:
                awake = False
        yield at_s, awake, awake and not was_awake, moved


def _shrink_costs() -> dict[str, float]:
    """Milliseconds of CPU for small_luma of one picture."""
    rng, costs = np.random.default_rng(0), {}
    for width, height in ((1280, 720), (1920, 1080), (3840, 2160)):
        noise = rng.integers(0, 255, (height * 3 // 2, width), np.uint8)
        frame = av.VideoFrame.from_ndarray(noise, format="yuv420p")
        small_luma(frame)
        began = time.thread_time()
        for _ in range(100):
            small_luma(frame)
        costs[f"{height}p"] = round(10 * (time.thread_time() - began), 3)
    return costs


if __name__ == "__main__":
    sys.exit(main())
