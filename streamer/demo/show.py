"""What a person sees of the demo: a live table of cameras, alerts as they come, and where to look further."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from streamer.demo.performance import outcomes
from streamer.demo.watch import Addresses
from streamer.types import AlertChange

_SHOWN_ALERTS = 14
_COLOURS = {"critical": "bold red", "warning": "yellow", "info": "cyan"}


class Screen:
    """An Audience for a terminal: one screen that redraws itself."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._live: Live | None = None
        self._addresses: Addresses | None = None
        self._alerts: dict[str, tuple[AlertChange, AlertChange, float]] = {}  # id → opened, latest, after_s
        self._reports: Mapping[str, Mapping[str, Any]] = {}
        self._ending = False

    def __enter__(self) -> Screen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for shown in (self._progress, self._live):
            if shown is not None:
                shown.stop()

    def preparing(self, done: int, total: int) -> None:
        """A progress bar, which goes away when the clips are there."""
        if self._progress is None:
            columns = (TextColumn("drawing three cameras (kept for the next time)"), BarColumn(), TimeRemainingColumn())
            self._progress = Progress(*columns, console=self._console, transient=True)
            self._progress.start()
            self._progress.add_task("draw", total=total)
        self._progress.update(self._progress.task_ids[0], completed=done)

    def begins(self, addresses: Addresses) -> None:
        """From here on the screen is live."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
        self._addresses = addresses
        self._live = Live(self._drawing(), console=self._console, auto_refresh=False)
        self._live.start()

    def change(self, change: AlertChange, after_s: float) -> None:
        """A new row, or a new state of one."""
        first = self._alerts.get(change.id, (change, change, after_s))
        self._alerts[change.id] = (first[0], change, first[2])
        self._refresh()

    def cameras(self, reports: Mapping[str, Mapping[str, Any]]) -> None:
        """New numbers in the table of cameras."""
        self._reports = reports
        self._refresh()

    def ends(self) -> None:
        """Say that Ctrl-C was heard."""
        self._ending = True
        self._refresh()

    def _refresh(self) -> None:
        if self._live is not None:
            self._live.update(self._drawing(), refresh=True)

    def _drawing(self) -> Group:
        assert self._addresses is not None
        head = Table.grid(padding=(0, 2))
        head.add_row("alerts", f"streamer tail --redis {self._addresses.redis}")
        head.add_row("metrics", self._addresses.metrics)
        if self._addresses.console:
            head.add_row("console", self._addresses.console)
        for camera, address in self._addresses.cameras.items():
            head.add_row(f"camera {camera}", address)
        head.add_row("files", str(self._addresses.folder))
        title = "streamer demo: winding down" if self._ending else "streamer demo: Ctrl-C ends it"
        return Group(Panel(head, title=title, title_align="left"), self._camera_table(), self._alert_table())

    def _camera_table(self) -> Table:
        table = Table(
            "camera", "state", "analysed/s", "received", "analysed", "skipped", "dropped", "open alerts", expand=True
        )
        for camera in self._addresses.cameras if self._addresses else ():
            report = self._reports.get(camera, {})
            frames = outcomes(report)
            counted = [_sum(frames, outcome) for outcome in ("received", "analysed", "skipped", "dropped")]
            still_open = sum(latest.is_open and latest.camera == camera for _, latest, _ in self._alerts.values())
            state, fps = str(report.get("link", "connecting")), report.get("fps")
            table.add_row(
                camera,
                Text(state, style="green" if state == "online" else "yellow"),
                "–" if fps is None else f"{fps:.1f}",
                *(str(count) for count in counted),
                str(still_open),
            )
        return table

    def _alert_table(self) -> Table:
        table = Table("after", "camera", "alert", "state", "why", expand=True)
        for opened, latest, after_s in list(self._alerts.values())[-_SHOWN_ALERTS:]:
            lasted = latest.at - latest.started_at
            over = not latest.is_open
            state = "open" if not over else f"closed after {lasted:.0f} s" if lasted >= 0.5 else "once"
            style = "dim" if over else _COLOURS.get(opened.severity, "")
            table.add_row(f"{after_s:.1f} s", opened.camera, opened.kind, state, why(latest), style=style)
        return table


class Lines:
    """An Audience for a pipe or a log: one line per alert that opens, nothing that moves."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._next_tenth = 0
        self._began_s = time.monotonic()

    def preparing(self, done: int, total: int) -> None:
        """One line per fifth."""
        if done * 5 >= self._next_tenth * total:
            self._say(f"drawing three cameras: {100 * done // total} %")
            self._next_tenth = 5 * done // total + 1

    def begins(self, addresses: Addresses) -> None:
        """The addresses."""
        console = f", console at {addresses.console}" if addresses.console else ""
        self._say(f"alerts at {addresses.redis}, metrics at {addresses.metrics}{console}")

    def change(self, change: AlertChange, after_s: float) -> None:
        """One line per alert that opens."""
        if change.type == "opened":
            self._say(f"{after_s:6.1f} s  {change.camera:8s} {change.severity:8s} {change.kind:14s} {why(change)}")

    def cameras(self, reports: Mapping[str, Mapping[str, Any]]) -> None:
        """Nothing: a log needs no table."""

    def ends(self) -> None:
        """Say so."""
        self._say("winding down")

    def _say(self, text: str) -> None:
        print(text, file=self._out, flush=True)


def audience(as_json: bool) -> Screen | Lines:
    """What fits where the output goes; with JSON, standard output is kept for the last line."""
    if as_json:
        return Lines(sys.stderr)
    console = Console()
    return Screen(console) if console.is_terminal else Lines(sys.stdout)


def why(change: AlertChange) -> str:
    """The alert's reason as the service wrote it."""
    return str(change.reason.get("text", ""))


def _sum(frames: Mapping[str, int], outcome: str) -> int:
    return sum(count for name, count in frames.items() if name == outcome or name.startswith(f"{outcome}."))
