"""`streamer chaos camera`: an RTSP camera that misbehaves on command."""

from __future__ import annotations

import argparse
from pathlib import Path

from streamer.caches import cache_folder
from streamer.chaos.camera.coded_clip import read_clip
from streamer.chaos.camera.conduct import COMMANDS
from streamer.chaos.camera.server import ScriptedCamera
from streamer.chaos.clips import drawn_clips
from streamer.commands.chaos.stage import act, add_script
from streamer.errors import redact


def add_action(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this action beside the others."""
    parser = actions.add_parser(
        "camera",
        help="an RTSP camera that stalls, resets, floods, jumps, changes its codec … when you say so",
        description="Plays a file over and over as an RTSP camera (over TCP) and does what the script says. Point a "
        "camera of your configuration at the address that is printed.",
    )
    parser.add_argument(
        "videos",
        type=Path,
        nargs="*",
        metavar="VIDEO",
        help="H.264 or H.265 files, the first to begin with; 'size' and 'codec' need others (default: a drawn street)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="where it listens (127.0.0.1: this machine only)")
    parser.add_argument("--port", type=int, default=0, help="its port (a free one)")
    parser.add_argument("--login", metavar="USER:PASSWORD", help="who may watch (everybody)")
    parser.add_argument("--basic", action="store_true", help="ask for the password by Basic in place of Digest")
    add_script(parser, COMMANDS)
    parser.set_defaults(handler=_camera)


def _camera(args: argparse.Namespace) -> int:
    clips = [read_clip(video) for video in args.videos] or drawn_clips(cache_folder("chaos"))
    with ScriptedCamera(clips, login=args.login, digest=not args.basic, host=args.host, port=args.port) as camera:
        print(f"camera: {redact(camera.url)}", flush=True)
        code = act(args, COMMANDS, "camera", camera.do)
        print(f"camera: {camera.connected} clients, {camera.sent} pictures sent", flush=True)
    return code
