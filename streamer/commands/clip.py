"""`streamer clip`: a playable file of any time that was recorded."""

from __future__ import annotations

import argparse
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from streamer.assembly.audit import record_command
from streamer.config import load_config
from streamer.errors import ConfigError
from streamer.footage.cut import Cut, cut
from streamer.footage.segments import recorded_cameras

_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LONGEST_S = 24 * 3600.0


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "clip",
        help="cut a playable file out of what was recorded",
        description="Cut an MP4 out of a camera's continuous recording (its key 'record'), from the key frame at or "
        "before --from until --to, without encoding anything. Works while the service runs. What is missing is said. "
        "A time is 2026-01-31T18:00:05 (local, or with an offset such as +00:00 or Z), epoch seconds, or how long ago: "
        "90s, 15m, 2h, 3d.",
    )
    parser.add_argument("place", type=Path, metavar="CONFIG|DATA-DIR", help="the YAML file, or the data folder itself")
    parser.add_argument("--camera", required=True, metavar="NAME", help="which camera")
    parser.add_argument("--from", dest="begin", required=True, metavar="T", help="where the clip begins")
    parser.add_argument("--to", dest="end", required=True, metavar="T", help="where it ends")
    parser.add_argument("--out", type=Path, metavar="FILE.mp4", help="default: NAME-FROM.mp4 in this folder")
    parser.set_defaults(handler=_clip)


def _clip(args: argparse.Namespace) -> int:
    now = datetime.now(UTC)
    from_at, to_at = moment("--from", args.begin, now), moment("--to", args.end, now)
    if not 0 < to_at - from_at <= _LONGEST_S:
        problem = "is not after --from" if to_at <= from_at else "is more than a day after --from"
        raise ConfigError([f"--to {args.end}: {problem} {args.begin}"])
    folder = _data_folder(args.place, args.camera)
    begin = datetime.fromtimestamp(from_at, UTC)
    out: Path = args.out or Path(f"{args.camera}-{begin:%Y-%m-%dT%H-%M-%SZ}.mp4")
    if out.is_dir():
        raise ConfigError([f"--out {out}: is a folder; name a file in it"])
    made = cut(folder, args.camera, from_at, to_at, out)
    what = f"of camera {args.camera} from {_spoken(from_at)} to {_spoken(to_at)}"
    record_command(folder, "cut a clip", what, args.camera)
    _tell(made)
    return 0


def moment(option: str, text: str, now: datetime) -> float:
    """Epoch seconds of a time as people write it. Raises ConfigError."""
    if ago := _AGO.fullmatch(text):
        return now.timestamp() - float(ago[1]) * _UNIT_S[ago[2]]
    try:
        if re.fullmatch(r"\d{9,10}(\.\d+)?", text):
            return float(text)
        at = datetime.fromisoformat(text).timestamp()
        if at < 0:
            raise ValueError("before there were cameras")
        return at
    except (ValueError, OverflowError):
        raise ConfigError(
            [f"{option} {text}: expected a time like 2026-01-31T18:00:05, epoch seconds, or how long ago: 90s, 15m, 2h"]
        ) from None


def _data_folder(place: Path, camera: str) -> Path:
    """Where the recordings are; raises ConfigError where the camera is not known there."""
    if place.is_dir():
        folder, known = place, recorded_cameras(place)
    else:
        config = load_config(place)
        folder, known = config.data_dir, sorted({*config.cameras, *recorded_cameras(config.data_dir)})
    if camera not in known:
        there = f"there are {', '.join(known)}" if known else "nothing was recorded there"
        raise ConfigError([f"--camera {camera}: {place} knows no such camera; {there}"])
    return folder


def _tell(made: Cut) -> None:
    size_mb, seconds = made.bytes / 1e6, made.to_at - made.from_at
    print(f"{made.path}: {seconds:.1f} s from {_spoken(made.from_at)}, {made.codec}, {size_mb:.1f} MB")
    for from_at, to_at in made.missing:
        print(f"missing: {to_at - from_at:.1f} s from {_spoken(from_at)} were not recorded", file=sys.stderr)
    if made.other_from is not None:
        print(
            f"ends early: from {_spoken(made.other_from)} on the camera sent another kind of stream, which one file "
            f"cannot hold; cut it by itself, with --from {made.other_from:.3f}",
            file=sys.stderr,
        )


def _spoken(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
