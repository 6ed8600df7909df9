"""`streamer replay --render`: where the videos go, and what is written into them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from streamer.commands.replay_watch import Watch, progress
from streamer.errors import ConfigError
from streamer.expectations.verdict import Verdict
from streamer.render.film import Film
from streamer.render.panel import Judged
from streamer.render.render import render


def rendering_place(asked: Path | None, video: Path, of_several: bool = False) -> Path | None:
    """The file for a video: the one that was asked for, or in the folder that was; None where nothing was.

    Raises ConfigError for a place that would be written over, or is not there; before anything is computed.
    """
    if asked is None:
        return None
    if asked.is_dir():
        asked = asked / f"{video.stem}.mp4"
    elif of_several:
        raise ConfigError([f"--render: {asked} is no folder; several videos need one"])
    elif not asked.parent.is_dir():
        raise ConfigError([f"--render: the folder of {asked} is not there; make it first"])
    if asked.resolve() == video.resolve():
        raise ConfigError([f"--render: {asked} is the recording itself; name another file"])
    return asked


def draw(watch: Watch, video: Path, film: Film, out: Path, judged: Judged) -> None:
    """Write the video with everything drawn in it. Raises FootageError where it cannot be written."""
    with progress(f"drawing {out.name}") as advance:
        frames = render(
            watch.every_frame(video).frames(),
            film,
            out,
            title=f"{watch.name}   {video.name}",
            places=watch.places,
            judged=judged,
            advance=advance,
        )
    print(f"{out}: {frames} frames", file=sys.stderr)


def judged_by(verdict: Verdict) -> Judged:
    """What a verdict says of each alert."""
    about = [(each.seen.id, each) for each in verdict.findings if each.seen is not None]
    return Judged(
        good={alert_id: finding.good for alert_id, finding in about},
        words={alert_id: finding.outcome for alert_id, finding in about},
        missing=[each.at_s for each in verdict.findings if each.outcome == "missing"],
    )


def judged_wrong(wrong_ids: Iterable[str]) -> Judged:
    """What a person says of some."""
    ids = tuple(wrong_ids)
    return Judged(good=dict.fromkeys(ids, False), words=dict.fromkeys(ids, "judged wrong"))
