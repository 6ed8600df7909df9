"""`streamer models pull`: a model of the catalogue, from where its authors publish it or from a copy of yours."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from streamer.artifacts import Artifact
from streamer.catalogue import Address, DownloadFailed, Entry, entry_named
from streamer.commands.models.fetching import already_here, pull_from_address, pull_from_file
from streamer.zoo import pulled_folder


def add_action(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this action beside the others."""
    parser = actions.add_parser(
        "pull",
        help="fetch a model of the catalogue, prove its hash, and make a model folder of it",
        description="Goes on where a broken download ended, writes the model folder only when size and sha256 are "
        "those of the catalogue, and never overwrites one. Proxies are taken from https_proxy and no_proxy.",
    )
    parser.add_argument("name", metavar="NAME", help="as `streamer models list` shows it")
    parser.add_argument(
        "--to",
        type=Path,
        metavar="DIR",
        help="put the folder NAME in there (default: $STREAMER_MODELS, else ~/.local/share/streamer/models)",
    )
    parser.add_argument(
        "--from", dest="origin", metavar="URL|FILE", help="take a copy of the very same file: a mirror, or a file here"
    )
    parser.add_argument("--allow-http", action="store_true", help="let a mirror be plain http")
    parser.set_defaults(handler=_pull)


def _pull(args: argparse.Namespace) -> int:
    entry = entry_named(args.name)
    to = args.to or pulled_folder()
    if here := already_here(entry, to):
        print(f"{here.folder}: is here already, sha256 as in the catalogue; nothing to do")
        return 0
    origin = args.origin or entry.address
    print(f"{entry.name}: {entry.title}, {decimal(entry.size_bytes)}, {entry.licence} ({entry.licence_address})")
    if "://" in origin:
        artifact = _from_address(entry, to, Address(origin, allow_http=args.allow_http))
    else:
        artifact = pull_from_file(entry, to, Path(origin))
    print(f"{artifact.folder}: pulled; sha256 as in the catalogue, opened and run once on noise")
    print(f"  look at it: streamer models show {entry.name if not args.to else artifact.folder}")
    return 0


def _from_address(entry: Entry, to: Path, address: Address) -> Artifact:
    print(f"  from {address.shown}", flush=True)
    with PullBar(entry) as bar:
        try:
            return pull_from_address(entry, to, address, bar)
        except DownloadFailed as error:
            raise DownloadFailed(
                f"{error}. A copy from elsewhere does as well: streamer models pull {entry.name} --from FILE"
            ) from error
        except KeyboardInterrupt:
            print("stopped; the same command goes on from where it was", file=sys.stderr)
            raise


class PullBar:
    """A progress bar on the terminal; elsewhere only broken connections are told, a line each."""

    def __init__(self, entry: Entry) -> None:
        self._console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        terminal = self._console.is_terminal
        self._progress = Progress(*columns, console=self._console, transient=True, disable=not terminal)
        self._task = self._progress.add_task(entry.name, total=entry.size_bytes)
        self._begun = False

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def reached(self, size: int) -> None:
        """See Watcher."""
        if self._begun:
            self._progress.update(self._task, completed=size)
        else:  # what an earlier run left did not come just now: it must not count as speed
            self._progress.reset(self._task, completed=size)
            self._begun = True

    def broke(self, why: str, wait_s: float) -> None:
        """See Watcher."""
        self._console.print(f"{why}; trying again in {wait_s:g} s", markup=False, highlight=False, soft_wrap=True)
