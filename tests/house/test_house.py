"""Promises about the house itself: what may be imported, what the commands say, what the metrics are called."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from streamer.cli import build_parser
from streamer.telemetry.metrics import TABLE
from tests.conftest import ROOT

COMMANDS = (
    "run",
    "demo",
    "replay",
    "calibrate",
    "validate",
    "doctor",
    "tail",
    "wake",
    "clip",
    "audit",
    "forget",
    "models",
    "bench",
    "chaos",
    "user",
    "schema",
)
LABELS = {"camera", "stage", "reason", "model", "kind", "outcome", "type", "sink"}


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)


def test_the_runtime_never_loads_a_training_library():
    done = python(
        "import sys, streamer.cli; streamer.cli.build_parser(); "
        "print([m for m in ('torch', 'torchvision', 'onnx', 'scipy') if m in sys.modules])"
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_the_commands_work_without_any_inference_runtime():
    code = (
        "import sys; sys.modules['onnxruntime'] = None; from streamer.cli import main; main(['validate', 'none.yaml'])"
    )
    done = python(code)
    assert "none.yaml: cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args([command, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert len(shown.split()) > 20


def test_a_wrong_command_ends_with_2(capsys):
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args(["fly"])
    assert ended.value.code == 2


def test_metric_names_keep_their_promises():
    for name, (kind, labels, text) in TABLE.items():
        assert name.startswith("streamer_")
        assert set(labels) <= LABELS, name
        assert (kind == "counter") == name.endswith("_total"), name
        assert kind != "histogram" or name.endswith(("_seconds", "_frames")), name
        assert text.endswith("."), name


def test_make_help_lists_the_targets():
    shown = subprocess.run(["make", "help"], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    listed = set(re.findall(r"make ([a-z]+) ", shown))
    assert {"setup", "demo", "test", "check", "bench"} <= listed
