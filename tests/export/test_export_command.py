"""`python -m export`: what it offers, and what it says where training libraries are missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.needs("torch", "torchvision")


def export(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """python -m export, after a line of Python."""
    run = f"import sys; {code}; from export.__main__ import main; sys.exit(main({list(arguments)!r}))"
    return subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, cwd=ROOT, check=False)


def test_help_names_every_command():
    done = export("pass", "--help")
    assert done.returncode == 0
    for command in ("torchvision", "fp16", "int8"):
        assert f"\n    {command}" in done.stdout


@pytest.mark.parametrize("library", ["torch", "torchvision", "onnx"])
def test_a_missing_library_is_a_sentence(tmp_path, library):
    arguments = ("torchvision", "ssdlite320_mobilenet_v3_large", "--random", "--out", str(tmp_path / "new"))
    done = export(f"sys.modules[{library!r}] = None", *arguments)
    assert done.returncode == 2
    assert done.stderr == f"export: {library} is not installed: pip install 'streamer[train]'\n"
    assert not (tmp_path / "new").exists()


def test_a_wrong_command_ends_with_2():
    assert export("pass", "paint").returncode == 2
