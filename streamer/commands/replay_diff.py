"""`streamer replay --diff`: which alerts another configuration gives on the same footage."""

from __future__ import annotations

import argparse
import json

from streamer.commands.replay_lines import lines_to
from streamer.commands.replay_print import console
from streamer.commands.replay_watch import equipped, progress, there
from streamer.errors import ConfigError, SourceError
from streamer.expectations.comparison import compare
from streamer.expectations.report import comparison_json
from streamer.expectations.seen import AlertGatherer
from streamer.expectations.tables import comparison_table

SAME_WITHIN_S = 0.5


def diff(args: argparse.Namespace) -> int:
    """0: both tell the same; 1: something differs."""
    if args.video is None or args.config is None:
        raise ConfigError(["--diff compares two configurations on a video: name it, and the first one with --config"])
    if args.render:
        raise ConfigError(["--render shows the alerts of one configuration; leave out --diff"])
    video = there(args.video)
    before = equipped(args.config, args).watch(args.camera)
    after = equipped(args.diff, args).watch(args.camera or before.name, "--diff")
    first, second, same_tracks = AlertGatherer(), AlertGatherer(), before.sees_the_same(after)
    try:
        with lines_to(args.out) as lines, progress(video.name) as advance:
            if same_tracks:
                before.replay_beside(after, video, (first, lines, advance), (second,))
            else:
                before.replay(video, first, lines, advance)
                after.replay(video, second, advance)
    except SourceError as error:  # what cannot be read is no difference
        raise ConfigError([str(error)]) from error
    tolerance_s = args.tolerance if args.tolerance is not None else SAME_WITHIN_S
    comparison = compare(first.alerts, second.alerts, tolerance_s, same_tracks=same_tracks)
    if args.json:
        print(json.dumps(comparison_json(str(video), before.name, comparison), indent=2))
    else:
        shown = console()
        title = f"{video} ({before.name}): before {args.config}, after {args.diff}"
        shown.print(comparison_table(comparison, title))
        shown.print(comparison.told, style="green" if comparison.same else "red", markup=False, soft_wrap=True)
    return 0 if comparison.same else 1
