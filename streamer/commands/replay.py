"""`streamer replay`: a recording through the same stages as the service, without threads, the same to the alert id."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streamer import wire
from streamer.assembly.behaviour import check_behaviour, open_behaviour
from streamer.assembly.camera import build_pipeline, build_recording
from streamer.assembly.labels import check_labels
from streamer.assembly.model import open_detector
from streamer.config import CameraConfig, Config, load_config
from streamer.errors import ConfigError, StreamerError
from streamer.pipeline import replay
from streamer.types import AlertChange, FrameResult


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "replay",
        help="run recorded footage through your rules, repeatable to the alert id",
        description="Analyse a recording exactly as the service would, but without threads and without dropping "
        "anything: the same footage, configuration and model always give the same lines. One JSON line per analysed "
        "frame and per alert change.",
    )
    parser.add_argument("video", type=Path, help="a video file")
    parser.add_argument("--config", type=Path, help="YAML file whose camera's zones and rules are judged")
    parser.add_argument("--camera", help="which camera of the configuration (needed where it has several)")
    parser.add_argument("--model", type=Path, help="model, by folder or name; overrules the configuration")
    rate = "frames a second to analyse, or 'all'; overrules the configuration (default 5)"
    parser.add_argument("--analyse-fps", type=_rate, default=argparse.SUPPRESS, metavar="N|all", help=rate)
    parser.add_argument("--out", type=Path, metavar="FILE.jsonl", help="where the lines go (default: standard output)")
    parser.set_defaults(handler=_replay)


def _rate(text: str) -> float | None:
    if text == "all":
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 240:
        raise argparse.ArgumentTypeError(f"should be between 0 and 240 frames a second, or 'all'; got {text}")
    return rate


def _replay(args: argparse.Namespace) -> int:
    name, camera, config = _chosen_camera(args)
    if not args.video.is_file():
        raise ConfigError([f"{args.video}: there is no such file"])
    detector = open_detector(config.model, args.model)
    alone = config.model_copy(update={"cameras": {name: camera}})
    if args.config:
        check_labels(alone, detector, str(args.config))
        check_behaviour(alone, str(args.config))
    behaviour = open_behaviour(alone, detector, everywhere=True)  # nobody waits: every line tells all there is
    source = build_recording(name, camera, args.video, detector)
    pipeline = build_pipeline(name, camera, config, detector)
    with _output(args.out) as out, _progress(args.video.name) as advance:
        lines = _Lines(out, advance)
        replay(source, detector, pipeline, lines, behaviour)
    if args.out:
        print(f"{args.out}: {lines.frames} frames, {lines.changes} alert changes", file=sys.stderr)
    return 0


def _chosen_camera(args: argparse.Namespace) -> tuple[str, CameraConfig, Config]:
    """The camera whose zones and rules are judged; without a configuration, one without rules."""
    if args.config:
        config = load_config(args.config)
    else:
        config = Config.model_validate({"cameras": {args.camera or "camera": {"url": str(args.video)}}})
    names = list(config.cameras)
    if args.camera and args.camera not in names:
        raise ConfigError([f"--camera: there is no camera '{args.camera}'; {args.config} has {', '.join(names)}"])
    if not args.camera and len(names) > 1:
        raise ConfigError([f"--camera: {args.config} has several cameras ({', '.join(names)}); say which"])
    name = args.camera or names[0]
    camera = config.cameras[name]
    if "analyse_fps" in args:
        camera = camera.model_copy(update={"analyse_fps": args.analyse_fps})
    return name, camera, config


class _Lines:
    """A sink that writes one JSON line per frame and per alert change."""

    def __init__(self, out: TextIO, advance: _Advance) -> None:
        self._out, self._advance = out, advance
        self.frames = self.changes = 0

    def publish(self, result: FrameResult) -> None:
        self._out.write(wire.replay_frame_line(result) + "\n")
        self.frames += 1
        self.announce(result.changes)
        self._advance(result.frame.media_s)

    def announce(self, changes: Sequence[AlertChange]) -> None:
        for change in changes:
            self._out.write(wire.replay_alert_line(change) + "\n")
            self.changes += 1

    def close(self) -> None:
        """The file belongs to whoever opened it."""


class _Advance:
    """Shows how far the recording is."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._task = progress.add_task(name, total=None, media="0:00")

    def __call__(self, media_s: float) -> None:
        self._progress.update(self._task, advance=1, media=f"{int(media_s) // 60}:{int(media_s) % 60:02d}")


@contextlib.contextmanager
def _progress(name: str) -> Iterator[_Advance]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[media]} of footage,"),
        MofNCompleteColumn(),
        TextColumn("frames in"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield _Advance(progress, name)


@contextlib.contextmanager
def _output(path: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that appears whole or not at all."""
    if path is None:
        yield sys.stdout
        return
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8") as out:
            yield out
        partial.replace(path)
    except StreamerError:  # a recording that cannot be read is an OSError too, and says itself what is wrong
        raise
    except OSError as error:
        raise ConfigError([f"--out: {path} cannot be written: {error.strerror or error}"]) from error
    finally:
        partial.unlink(missing_ok=True)
