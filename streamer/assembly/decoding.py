"""Can the cameras be decoded where the configuration says? Only this build of FFmpeg can tell."""

from __future__ import annotations

from streamer.capture.hardware import problem_with
from streamer.config import Config
from streamer.errors import ConfigError


def check_decoding(config: Config, origin: str) -> None:
    """Raises ConfigError naming every camera whose device this build does not know.

    A device that is known and not there is no error: its camera is decoded on the CPU, and says so.
    """
    problems = [
        f"{origin}: cameras.{name}.decode_on: {problem}"
        for name, camera in config.cameras.items()
        if (problem := problem_with(camera.decode_on))
    ]
    if problems:
        raise ConfigError(problems)
