"""`streamer models ACTION`: the actions together, each in a file of its own."""

from __future__ import annotations

import argparse

from streamer.commands.models import adopting, listing, pulling, showing, signing, verifying


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "models",
        help="list, pull, show, verify, sign models; adopt an ONNX detector that you already have",
        description="A model is a folder: model.onnx beside a manifest.json that says how to feed and read it. Some "
        "come with streamer, some are pulled from where their authors publish them, any other is a folder of yours.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for action in (listing, pulling, showing, verifying, signing, adopting):
        action.add_action(actions)
