"""`streamer replay --expect`: are the alerts of recorded footage those that were written down?"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

from streamer.commands.replay_lines import Lines, lines_to
from streamer.commands.replay_print import console
from streamer.commands.replay_render import draw, judged_by, rendering_place
from streamer.commands.replay_watch import Equipment, Watch, equipped, progress, there
from streamer.errors import ConfigError, SourceError
from streamer.expectations.load import Written, load_expectations, unknown_names
from streamer.expectations.recording import is_same_file
from streamer.expectations.report import Proof, junit_xml, proofs_json
from streamer.expectations.seen import AlertGatherer
from streamer.expectations.tables import verdict_table
from streamer.expectations.verdict import judge
from streamer.render.film import Film


def expect(args: argparse.Namespace) -> int:
    """0: everything as expected; 1: something differs."""
    written = load_expectations(args.expect)
    path = args.config or (written.expectations.config and written.there(written.expectations.config))
    if path is None:
        raise ConfigError([f"{args.expect}: names no 'config'; write it there, or say --config"])
    numbers = _asked_for(written, args)
    equipment = equipped(path, args)
    tasks = _checked(written, numbers, equipment, args.camera)
    places = {
        number: rendering_place(args.render, written.there(video.video), of_several=len(numbers) > 1)
        for number, video in enumerate(written.expectations.videos)
        if number in numbers
    }
    _refuse_same_places([each for each in places.values() if each])
    with lines_to(args.out) as lines:
        proofs = [_proved(written, number, watch, places[number], lines) for number, watch in tasks]
    if args.junit:
        _write(args.junit, junit_xml(proofs))
    _tell(proofs, as_json=args.json)
    return 0 if all(each.verdict.good for each in proofs) else 1


def _asked_for(written: Written, args: argparse.Namespace) -> list[int]:
    """Which of the file's videos are meant: all, or those of one file or camera."""
    videos = written.expectations.videos
    numbers = [
        number
        for number, each in enumerate(videos)
        if (args.video is None or is_same_file(written.there(each.video), args.video))
        and (args.camera is None or each.camera in (None, args.camera))
    ]
    if not numbers:
        have = ", ".join(f"{each.video}{f' ({each.camera})' if each.camera else ''}" for each in videos)
        asked = " ".join(str(each) for each in (args.video, args.camera and f"({args.camera})") if each)
        raise ConfigError([f"{written.path}: says nothing of {asked}; it has {have}"])
    return numbers


def _checked(
    written: Written, numbers: Sequence[int], equipment: Equipment, otherwise: str | None
) -> list[tuple[int, Watch]]:
    """The cameras of these videos, `otherwise` where one names none.

    Raises ConfigError with everything that is wrong, before the first is replayed.
    """
    tasks: list[tuple[int, Watch]] = []
    problems: list[str] = []
    for number in numbers:
        video = written.expectations.videos[number]
        where = f"{written.path}:{written.line_of('videos', number, 'camera')}: camera"
        try:
            watch = equipment.watch(video.camera or otherwise, where)
            there(written.there(video.video), f"{written.path}:{written.line_of('videos', number, 'video')}: ")
        except ConfigError as error:
            problems += error.problems
            continue
        problems += unknown_names(written, number, watch.vocabulary)
        tasks.append((number, watch))
    if problems:
        raise ConfigError(problems)
    return tasks


def _proved(written: Written, number: int, watch: Watch, rendering: Path | None, lines: Lines) -> Proof:
    wanted = written.expectations.videos[number]
    video = written.there(wanted.video)
    gatherer, film = AlertGatherer(), Film()
    began_s = time.monotonic()
    try:
        with progress(video.name) as advance:
            watch.replay(video, gatherer, lines, advance, *([film] if rendering else []))
    except SourceError as error:  # what cannot be read is no difference
        line = written.line_of("videos", number, "video")
        raise ConfigError([f"{written.path}:{line}: {error}"]) from error
    verdict = judge(wanted, written.expectations.tolerance_s, gatherer.alerts, gatherer.length_s)
    took_s = time.monotonic() - began_s
    if rendering:
        draw(watch, video, film, rendering, judged_by(verdict))
    return Proof(written, number, watch.name, verdict, took_s)


def _tell(proofs: Sequence[Proof], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(proofs_json(proofs), indent=2))
        return
    shown = console()
    for each in proofs:
        shown.print(verdict_table(each.verdict, f"{each.video} ({each.camera})", each.line_of))
    for each in proofs:
        shown.print(each.told, style="green" if each.verdict.good else "red", markup=False, soft_wrap=True)


def _refuse_same_places(places: Sequence[Path]) -> None:
    twice = {each for each in places if places.count(each) > 1}
    if twice:
        names = ", ".join(str(each) for each in sorted(twice))
        raise ConfigError([f"--render: two videos would become {names}; render them one at a time with --camera"])


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ConfigError([f"--junit: {path} cannot be written: {error.strerror or error}"]) from error
