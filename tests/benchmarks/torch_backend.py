"""The torch backend beside ONNX Runtime, both on one CPU thread: the same outputs, and what a picture costs.

    python -m tests.benchmarks.torch_backend

The same ONNX files run by both, in turns, one picture a run, CPU time of the calling thread (which does all the work).
The CPU is not what the torch backend is for; it is where it can be compared without a GPU.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from streamer.sessions import OnnxSession, Session
from streamer.sessions.torch_session import TorchSession
from streamer.zoo import bundled_model
from tests.benchmarks.footage import SHARED
from tests.benchmarks.report import report

GRAPHS = {
    "lookout": bundled_model() / "model.onnx",
    "yolox_nano": SHARED / "data/models/yolox_nano/yolox_nano_dynbatch.onnx",
    "fastestdet": SHARED / "data/models/fastestdet/FastestDet.onnx",
}
RUNS = 30


def main() -> int:
    """Every graph that is there, in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    args = parser.parse_args()
    found = {name: compared(path) for name, path in GRAPHS.items() if path.is_file()}
    import torch

    report("torch_backend", {"torch": torch.__version__, "runs": RUNS, **found}, keep=args.keep)
    return 0


def compared(path: Path) -> dict[str, float]:
    """Largest difference between outputs on noise, as they are and relative to their size; CPU ms of one picture."""
    graph = path.read_bytes()
    onnx, torch = OnnxSession(graph, path.name, "cpu", 1), TorchSession(graph, path.name, 1, "cpu")
    [given] = onnx.inputs
    names = [each.name for each in onnx.outputs]
    shape = [axis if isinstance(axis, int) else 1 for axis in given.shape or ()]
    feed = {given.name: np.random.default_rng(0).integers(0, 256, shape).astype(given.dtype)}
    pairs = list(zip(onnx.run(names, feed), torch.run(names, feed), strict=True))
    spent: dict[str, list[float]] = {"onnx": [], "torch": []}
    for _ in range(RUNS):
        for name, session in (("onnx", onnx), ("torch", torch)):
            spent[name].append(_cpu_ms(session, names, feed))
    onnx_ms, torch_ms = (statistics.median(spent[name]) for name in ("onnx", "torch"))
    return {
        "difference_most": float(f"{max(float(np.abs(a - b).max()) for a, b in pairs):.2g}"),
        "relative_most": float(f"{max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in pairs):.2g}"),
        "onnx_cpu_ms": round(onnx_ms, 2),
        "torch_cpu_ms": round(torch_ms, 2),
        "ratio": round(torch_ms / onnx_ms, 2),
    }


def _cpu_ms(session: Session, names: list[str], feed: dict[str, np.ndarray]) -> float:
    began_s = time.thread_time()
    session.run(names, feed)
    return (time.thread_time() - began_s) * 1e3


if __name__ == "__main__":
    sys.exit(main())
