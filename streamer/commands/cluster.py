"""`streamer cluster`: one configuration on many machines (docs/cluster.md)."""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from streamer.cluster.state import Beat, ClusterState, Picture
from streamer.commands.steps_print import print_restart, print_steps
from streamer.config import load_config
from streamer.fleet import applying, on_ray
from streamer.telemetry import logs

SOMETHING_TO_DO = 4
_SHOWN_MOVES = 5
_LOOK_EVERY_S = 0.5


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "cluster",
        help="one configuration on many machines",
        description="Watch the cameras of one configuration on all machines of a Ray cluster. A camera moves when its "
        "machine dies, is drained or is too full; alerts go on under their ids.",
    )
    parts = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    run = parts.add_parser("run", help="start the cluster, and end it with Ctrl-C")
    run.add_argument("config", type=Path, help="the YAML file; it must name redis")
    run.add_argument("--address", default="auto", help="Ray: auto, local, or HOST:PORT (default: auto)")
    run.add_argument("--detach", action="store_true", help="start it and return; `streamer cluster stop` ends it")
    run.set_defaults(handler=_run)
    ended = parts.add_parser("stop", help="hand everything over and end all nodes")
    ended.add_argument("--address", default="auto", help="Ray: auto, or HOST:PORT (default: auto)")
    ended.set_defaults(handler=_stop)
    _asking(parts, "status", "nodes, their cameras, and cameras without a place", _status).add_argument(
        "--json", action="store_true", help="all of it, for programs"
    )
    for name, text, undo in (
        ("drain", "let a node's cameras go to others; it takes none until `undrain`", False),
        ("undrain", "let a node take cameras again", True),
    ):
        drain = _asking(parts, name, text, _drain)
        drain.add_argument("node", help="its name, as `status` shows it")
        drain.add_argument("--no-wait", action="store_true", help="do not wait until it is empty")
        drain.set_defaults(undo=undo)
    _asking(parts, "targets", "addresses of all /metrics, as Prometheus' file_sd_configs reads them", _targets)
    for name, text, handler in (
        ("plan", "show what a configuration would change", _plan),
        ("apply", "bring a configuration into the cluster, all of it or nothing", _apply),
    ):
        change = parts.add_parser(name, help=text, description=text)
        change.add_argument("config", type=Path, help="the YAML file")
        change.set_defaults(handler=handler)
        if name == "plan":
            change.add_argument(
                "--detailed-exitcode", action="store_true", help=f"exit {SOMETHING_TO_DO} where it changes anything"
            )


def _asking(
    parts: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    text: str,
    handler: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    parser = parts.add_parser(name, help=text, description=text)
    parser.add_argument(
        "--redis",
        default=os.environ.get("STREAMER_REDIS", "redis://127.0.0.1:6379/0"),
        help="where the cluster's state is (default: $STREAMER_REDIS, else redis://127.0.0.1:6379/0)",
    )
    parser.set_defaults(handler=handler)
    return parser


def _run(args: argparse.Namespace) -> int:
    logs.set_up("console", "info")
    url = applying.redis_of(load_config(args.config), str(args.config))
    told_to_end = threading.Event()
    with closing(ClusterState(url)) as state, on_ray.joined(args.address) as ray:
        number = applying.begin(state, args.config)
        for ending in (signal.SIGINT, signal.SIGTERM):  # after Ray has put its own handlers there
            signal.signal(ending, lambda *_: told_to_end.set())
        on_ray.start(ray, url)
        print(f"configuration {number} is given to the cluster; `streamer cluster status` shows who watches what")
        if args.detach and args.address != "local":
            return 0
        while not told_to_end.wait(_LOOK_EVERY_S):
            pass
        on_ray.stop(ray)
    return 0


def _stop(args: argparse.Namespace) -> int:
    with on_ray.joined(args.address) as ray:
        on_ray.stop(ray)
    return 0


def _status(args: argparse.Namespace) -> int:
    with closing(ClusterState(args.redis)) as state:
        seen = state.read()
    if args.json:
        print(json.dumps({**asdict(seen), "draining": sorted(seen.draining)}))
    else:
        _show(seen)
    return 0


def _show(seen: Picture) -> None:
    console = Console(highlight=False)
    if seen.written is None:
        console.print("no cluster has been started here: streamer cluster run CONFIG")
        return
    table = Table("node", "state", "cameras", "of its share", "cores", "measured", "labels", "metrics", box=None)
    reading = {name: beat for name, beat in seen.beats.items() if beat.inference is None}
    for name, beat in sorted(reading.items()):
        share = seen.shares[name].cameras if name in seen.shares else {}
        state = "draining" if name in seen.draining else "ok" if name in seen.shares else "joining"
        table.add_row(
            name, state, str(len(beat.cameras)), str(len(share)), f"{beat.cores:g}", "yes" if beat.rates else "no",
            " ".join(beat.labels), beat.metrics or "",
        )  # fmt: skip
    console.print(table)
    if answering := {name: beat for name, beat in seen.beats.items() if beat.inference is not None}:
        console.print(_answering(answering))
    console.print(f"configuration {seen.written.number}; {sum(len(b.cameras) for b in seen.beats.values())} watched")
    for camera, why in sorted(seen.verdict.unplaced.items()):
        console.print(f"  ✗ {camera}  nobody watches it: {why}", style="red")
    for camera, why in sorted(seen.verdict.held_back.items()):
        console.print(f"  ! {camera}  {why}", style="yellow")
    for name, beat in sorted(seen.beats.items()):
        for camera, why in sorted(beat.problems.items()):
            console.print(f"  ✗ {camera or 'configuration'}  on {name}: {why}", style="red")
    for move in seen.verdict.moves[-_SHOWN_MOVES:]:
        console.print(f"  {move}", style="dim")


def _answering(beats: dict[str, Beat]) -> Table:
    """The nodes that have the model, where it is apart from the cameras."""
    columns = ("answers", "busy", "pictures/s", "a run", "shared runs", "waiting", "late", "model")
    table = Table(*columns, box=None)
    for name, beat in sorted(beats.items()):
        said = beat.inference or {}
        runs, late = said["runs"], sum(said["questions"].get(each, 0) for each in ("late", "full", "refused"))
        table.add_row(
            name, f"{said['busy']:.0%}", f"{said['pictures_per_s']:.0f}",
            f"{said['pictures'] / runs:.1f}" if runs else "-", f"{said['shared_runs'] / runs:.0%}" if runs else "-",
            str(said["waiting"]), str(late), said["model"],
        )  # fmt: skip
    return table


def _drain(args: argparse.Namespace) -> int:
    with closing(ClusterState(args.redis)) as state:
        seen = state.read()
        if args.node not in seen.beats and not args.undo:
            known = ", ".join(sorted(seen.beats)) or "none"
            print(f"there is no node '{args.node}'; there are: {known}")
            return 1
        state.drain(args.node, undo=args.undo)
        if args.undo or args.no_wait:
            return 0
        waiting = threading.Event()
        while args.node in seen.beats and seen.beats[args.node].cameras:
            waiting.wait(_LOOK_EVERY_S)
            seen = state.read()
            if held := [name for name in seen.shares[args.node].cameras if name in seen.verdict.held_back]:
                for camera in held:
                    print(f"! {camera}: {seen.verdict.held_back[camera]}")
                if len(held) == len(seen.beats[args.node].cameras):
                    return 1
    print(f"{args.node} watches nothing any more; it can be switched off")
    return 0


def _targets(args: argparse.Namespace) -> int:
    with closing(ClusterState(args.redis)) as state:
        beats = state.read().beats
    served = {name: beat.metrics.split("://")[-1] for name, beat in sorted(beats.items()) if beat.metrics}
    print(json.dumps([{"targets": [address], "labels": {"node": name}} for name, address in served.items()], indent=2))
    return 0


def _plan(args: argparse.Namespace) -> int:
    with closing(ClusterState(applying.redis_of(load_config(args.config), str(args.config)))) as state:
        steps = applying.steps(state, args.config)
    if steps is None:
        print("no cluster has been started here: all of it is new")
        return SOMETHING_TO_DO if args.detailed_exitcode else 0
    there_is = print_steps({"cameras": [asdict(each) for each in steps.changes], "restart": steps.restart})
    return SOMETHING_TO_DO if there_is and args.detailed_exitcode else 0


def _apply(args: argparse.Namespace) -> int:
    with closing(ClusterState(applying.redis_of(load_config(args.config), str(args.config)))) as state:
        steps = applying.steps(state, args.config)
        if steps is not None:
            print_steps({"cameras": [asdict(each) for each in steps.changes], "restart": steps.restart})
        done = applying.apply(state, args.config)
    for camera, why in done.problems.items():
        print(f"  ✗ {camera or 'configuration'}: {why}")
    if done.problems:
        print("not applied: the cluster goes back to the configuration before")
        return 1
    print(f"applied: configuration {done.number}")
    print_restart(steps.restart if steps else ())
    for node in done.late:
        print(f"  ! {node} has not said that it watches its share; see `streamer cluster status`")
    return 0
