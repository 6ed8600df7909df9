"""`streamer models` as a person runs it."""

from __future__ import annotations

import pytest

from streamer.cli import main


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `streamer models ARGUMENTS`."""
    code = main(["models", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err
