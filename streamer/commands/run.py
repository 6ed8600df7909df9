"""`streamer run`: the service itself, until Ctrl-C, SIGTERM, or the end of all recordings."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from streamer.assembly.configuration_desk import ConfigurationDesk
from streamer.assembly.configuration_watch import ConfigurationWatch
from streamer.assembly.house import open_house
from streamer.clock import SystemClock
from streamer.config import Config, load_config, quick_config
from streamer.config.model import HttpConfig, ModelConfig, WebConfig
from streamer.errors import ConfigError, redact
from streamer.service import Service, ServiceReport
from streamer.telemetry import logs

_log = logging.getLogger("streamer.run")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "run",
        help="watch cameras and deliver alerts",
        description="Watch cameras and deliver alerts, until Ctrl-C or SIGTERM. With a configuration file, or for a "
        "quick start with --source and --redis: one camera, and an alert whenever a person is seen.",
    )
    parser.add_argument("config", type=Path, nargs="?", help="the YAML file")
    parser.add_argument("--source", help="quick start: one camera's address (rtsp://…, a file, /dev/video0)")
    parser.add_argument("--redis", metavar="URL", help="quick start, or overrules redis.url")
    parser.add_argument("--model", type=Path, help="model, by folder or name; overrules the configuration")
    parser.add_argument("--data-dir", type=Path, help="where outbox and pictures are kept; overrules the configuration")
    parser.add_argument("--http", metavar="HOST:PORT", help="where /metrics and /readyz are served; 'off' for nowhere")
    parser.add_argument("--web", metavar="HOST:PORT", help="where the operators' console is served; 'off' for nowhere")
    parser.add_argument(
        "--watch", action="store_true", help="bring the configuration file in whenever it changes (SIGHUP: at once)"
    )
    parser.add_argument("--log-format", choices=("console", "json"), default="console")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    parser.set_defaults(handler=_run)


def _run(args: argparse.Namespace) -> int:
    logs.set_up(args.log_format, args.log_level)
    _leave_no_core()
    config = _configuration(args)
    origin = str(args.config or "command line")
    stop = _StopSignals()
    with (
        open_house(config, SystemClock(), origin, overruling=lambda each: _overruled(each, args)) as house,
        _watching(house.configuration, polling=args.watch),
    ):
        stop.end(house.service)
        _log.info("watching %s", ", ".join(config.cameras))
        report = house.service.run()
        cameras = len(house.service.cameras)
    code = _tell(report, cameras)
    if report.hung:  # a thread inside a foreign library would hold up or crash the interpreter's own shutdown
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _leave_no_core() -> None:
    """No core file of us, nor of the capture processes: the memory of either holds passwords and pictures."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # not on every system

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@contextlib.contextmanager
def _watching(desk: ConfigurationDesk | None, *, polling: bool) -> Iterator[None]:
    """The configuration file is brought in on SIGHUP, and, polling, whenever it changes, while inside.

    Without --watch a service in a terminal ends with that terminal, whose end is a SIGHUP too.
    """
    if desk is None or not (polling or not sys.stdin.isatty()):
        yield
        return
    watch = ConfigurationWatch(desk, polling=polling)
    watch.start()
    before = signal.signal(signal.SIGHUP, lambda *_: watch.look()) if hasattr(signal, "SIGHUP") else None
    try:
        yield
    finally:
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, before)
        watch.close()


class _StopSignals:
    """SIGINT and SIGTERM as an orderly end, also while the service is still being put together."""

    def __init__(self) -> None:
        self._service: Service | None = None
        self._asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def end(self, service: Service) -> None:
        """From now on a signal ends this service; one that came before ends it at once."""
        self._service = service
        if self._asked:
            service.stop()

    def _ask(self, *_: object) -> None:
        self._asked = True
        if self._service:  # on another thread: this one may just hold the lock that stop() needs
            threading.Thread(target=self._service.stop, name="stop", daemon=True).start()


def _configuration(args: argparse.Namespace) -> Config:
    if bool(args.config) == bool(args.source):
        raise ConfigError(["command line: name a configuration file, or a camera with --source (one of the two)"])
    if args.watch and not args.config:
        raise ConfigError(["--watch: needs a configuration file to watch"])
    return _overruled(load_config(args.config) if args.config else quick_config(args.source, args.redis), args)


def _overruled(config: Config, args: argparse.Namespace) -> Config:
    """What the command line says on top of a file."""
    changes: dict[str, object] = {}
    if args.redis and args.config:
        changes["redis"] = _checked_redis(config, args.redis)
    if args.model:
        changes["model"] = ModelConfig(path=args.model, provider=config.model.provider, threads=config.model.threads)
    if args.data_dir:
        changes["data_dir"] = args.data_dir
    if args.http:
        changes["http"] = _http(args.http, config.http or HttpConfig())
    if args.web:
        changes["web"] = _web(args.web, config.web or WebConfig())
    elif "web" not in config.model_fields_set:  # `web: null` switches it off
        changes["web"] = WebConfig()
    return config.model_copy(update=changes)


def _checked_redis(config: Config, url: str) -> object:
    checked = quick_config("-", url).redis
    return config.redis.model_copy(update={"url": url}) if config.redis else checked


def _http(text: str, configured: HttpConfig) -> HttpConfig | None:
    if text == "off":
        return None
    return configured.model_copy(update=_address("--http", text))  # its token still counts


def _web(text: str, configured: WebConfig) -> WebConfig | None:
    if text == "off":
        return None
    try:  # its users still count, and whether there are any decides where it may be
        return WebConfig.model_validate({**configured.model_dump(), **_address("--web", text)})
    except ValidationError as error:
        raise ConfigError([f"--web {text}: {detail['msg'].partition(', ')[2]}" for detail in error.errors()]) from error


def _address(option: str, text: str) -> dict[str, object]:
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise ConfigError([f"{option}: should be HOST:PORT, such as 127.0.0.1:9095, or 'off'; got {text!r}"])
    return {"host": host or "127.0.0.1", "port": int(port)}


def _tell(report: ServiceReport, cameras: int) -> int:
    for name, error in report.failed.items():
        _log.error("stage %s failed: %s", name, redact(f"{type(error).__name__}: {error}"), exc_info=error)
    for name in report.hung:
        _log.error("stage %s did not end in time and was left behind", name)
    for why in report.cameras.values():
        _log.error("could not go on: %s", why)
    return 0 if report.clean and (not report.cameras or len(report.cameras) < cameras) else 1
