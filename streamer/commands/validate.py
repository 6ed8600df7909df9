"""`streamer validate`: is this configuration right? Every problem at once, before anything starts."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from streamer.assembly.behaviour import check_behaviour, open_behaviour
from streamer.assembly.certificate import check_web
from streamer.assembly.decoding import check_decoding
from streamer.assembly.footage import check_main_streams
from streamer.assembly.labels import check_labels
from streamer.assembly.model import open_detector
from streamer.assembly.privacy import check_privacy
from streamer.assembly.regions import looking
from streamer.config import Config, load_config
from streamer.errors import redact


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "validate",
        help="check a configuration file and the model that it names",
        description="Check a configuration file: every problem at once, with file, line, key and what would be right. "
        "Loads the model too (unless told not to) and checks that it knows the labels that rules ask for.",
    )
    parser.add_argument("config", type=Path, help="the YAML file")
    parser.add_argument("--no-model", action="store_true", help="check the file alone; do not open the model")
    parser.set_defaults(handler=_validate)


def _validate(args: argparse.Namespace) -> int:
    config = load_config(args.config)
    check_decoding(config, str(args.config))
    check_main_streams(config, str(args.config))
    check_web(config, str(args.config))
    if not args.no_model:
        detector = open_detector(config.model)
        check_labels(config, detector, str(args.config))
        check_privacy(config, detector.labels, str(args.config))
        looking(config, detector)  # opens the classifiers that are named
        check_behaviour(config, str(args.config))
        # What is named is tried, whether or not a rule asks for it yet.
        open_behaviour(config, detector, everywhere=bool(config.behaviour.model_fields_set))
    _show(config, args.config)
    return 0


def _show(config: Config, path: Path) -> None:
    table = Table(title=f"{path} is right", title_justify="left")
    for column in ("camera", "address", "analysed", "zones", "lines", "rules"):
        table.add_column(column)
    for name, camera in config.cameras.items():
        rate = "every frame" if camera.analyse_fps is None else f"{camera.analyse_fps:g} fps"
        rules = ", ".join(f"{rule.name} ({rule.kind})" for rule in camera.rules) or "none"
        table.add_row(name, redact(camera.url), rate, ", ".join(camera.zones), ", ".join(camera.lines), rules)
    Console().print(table)
