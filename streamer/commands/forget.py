"""`streamer forget`: removes what was kept of one camera and one time."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from streamer.assembly.audit import record_command
from streamer.assembly.forgetting import Kept, kept_of
from streamer.commands.clip import moment
from streamer.config import load_config
from streamer.errors import ConfigError


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "forget",
        help="remove pictures, clips and recordings of a time",
        description="Remove every picture, clip and segment of a recording that shows a camera between --from and "
        "--to, and write that into the audit log. A file that shows more than that time goes as a whole. Works while "
        "the service runs; clips of alerts that are still open are written later, so ask again then. What was told "
        "about alerts in words stays. Without --yes it only says what would go. Times are written as for `streamer "
        "clip`.",
    )
    parser.add_argument("place", type=Path, metavar="CONFIG|DATA-DIR", help="the YAML file, or the data folder itself")
    parser.add_argument("--camera", required=True, metavar="NAME", help="of which camera")
    parser.add_argument("--from", dest="begin", required=True, metavar="T", help="from when")
    parser.add_argument("--to", dest="end", required=True, metavar="T", help="until when")
    parser.add_argument("--yes", action="store_true", help="really remove it; it cannot be brought back")
    parser.set_defaults(handler=_forget)


def _forget(args: argparse.Namespace) -> int:
    now = datetime.now(UTC)
    from_at, to_at = moment("--from", args.begin, now), moment("--to", args.end, now)
    if to_at <= from_at:
        raise ConfigError([f"--to {args.end}: is not after --from {args.begin}"])
    folder = args.place if args.place.is_dir() else load_config(args.place).data_dir
    kept = kept_of(folder, args.camera, from_at, to_at)
    if not kept:
        print(f"{folder} holds nothing of camera '{args.camera}' between {_spoken(from_at)} and {_spoken(to_at)}")
        return 0
    if not args.yes:
        for each in kept:
            print(each.path)
        print(f"{_counted(kept)}; nothing was removed: add --yes", file=sys.stderr)
        return 0
    left = [each for each in kept if not _removed(each)]
    gone = [each for each in kept if each not in left]
    what = f"{_counted(gone)} of camera {args.camera} from {_spoken(from_at)} to {_spoken(to_at)}"
    record_command(folder, "removed", what, args.camera)
    print(f"removed {_counted(gone)}")
    for each in left:
        print(f"{each.path}: could not be removed", file=sys.stderr)
    return 1 if left else 0


def _removed(kept: Kept) -> bool:
    try:
        kept.path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _counted(kept: list[Kept]) -> str:
    counts = Counter(each.kind for each in kept)
    size_mb = sum(each.bytes for each in kept) / 1e6
    return f"{', '.join(f'{n} {kind}' for kind, n in counts.items()) or 'nothing'} ({size_mb:.1f} MB)"


def _spoken(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
