"""Make the bundled track head: `python -m models.behaviour.track_publish --caviar ../shared/data/caviar`.

Trains first where that is not done yet, exports with proof, measures on the val split and writes OUT/gait with its
card, figures and pictures. A folder that exists is replaced only with --replace.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from export.onnx import OPSET, sha256
from export.parity import ParityError
from models.behaviour.caviar_tracks import BEHAVIOURS, Steps, split_of
from models.behaviour.evaluate import TRACK_HEAD
from models.behaviour.export_step import STEPS, StepParity, export_step
from models.behaviour.pictures import draw_track_pictures
from models.behaviour.published import refuse_if_there, usual_of, write_published
from models.behaviour.step_book import gather
from models.behaviour.step_net import StepNet
from models.behaviour.track_card import card
from models.behaviour.track_evaluate import Evaluation, evaluate_found_tracks, evaluate_tracks
from models.behaviour.track_train import Plan, ordinary, train
from models.detector.latency import machine
from streamer.behaviour.features import FEATURES, STEP_S
from streamer.behaviour.head_artifact import HeadManifest
from streamer.behaviour.motion import MOTION, PREDICTED
from streamer.errors import ArtifactError, StreamerError
from streamer.model_folder import write_model_folder
from streamer.zoo import bundled_model, zoo_folder


def publish(caviar: Path, work: Path, out: Path, replace: bool, on_pixels: bool) -> None:
    """Write OUT/gait. Raises ParityError, ArtifactError."""
    target = out / TRACK_HEAD
    refuse_if_there(target, replace)
    plan = Plan()
    book = gather(caviar, split_of(caviar, "train"), plan.variants, plan.seed, work / "steps.npz")
    net = train(plan, book, work)
    graph, parity = export_step(net, proof_of(book[0]))
    manifest = manifest_of(net, graph, parity, plan, book[0])
    with tempfile.TemporaryDirectory() as place:
        draft = Path(place) / TRACK_HEAD
        write_model_folder(manifest, graph, draft)
        figures = {"truth": evaluate_tracks(caviar, draft, "val", print)}
        if on_pixels:
            figures["detected"] = evaluate_found_tracks(caviar, draft, bundled_model(), "val", print)
        measured = {name: each.as_json() for name, each in figures.items()}
        told = {**measured, "machine": machine(), "date": datetime.now(UTC).date().isoformat()}
        finished = manifest.model_copy(update={"metrics": {name: headline(each) for name, each in figures.items()}})
        write_published(target, finished, graph, told, card(finished, told, len(graph)))
        draw_track_pictures(figures["truth"].windows, f"{TRACK_HEAD} on CAVIAR val, true tracks", target)


def proof_of(tracks: Sequence[Steps]) -> np.ndarray:
    """Features as the head meets them, float32 (steps, rows, F): the longest tracks, one after the other."""
    longest = sorted(tracks, key=lambda each: -len(each.at_s))[:24]
    joined = np.concatenate([each.features for each in longest])
    rows = len(joined) // STEPS
    if not rows:
        raise ArtifactError(f"the training tracks have {len(joined)} steps; the proof of the graph needs {STEPS}")
    return np.ascontiguousarray(joined[: rows * STEPS].reshape(rows, STEPS, -1).swapaxes(0, 1))


def headline(found: Evaluation) -> dict[str, float]:
    """The figures that a manifest carries."""
    figures = found.as_json()
    return {name: float(figures[name]) for name in ("context_macro_f1", "movement_macro_f1", "anomaly_auc")}


def manifest_of(net: StepNet, graph: bytes, parity: StepParity, plan: Plan, tracks: Sequence[Steps]) -> HeadManifest:
    """What the folder promises."""
    normal = np.concatenate([each.features[ordinary(each)] for each in tracks])
    return HeadManifest(
        name=TRACK_HEAD, task="track", sha256=sha256(graph), step_s=STEP_S, features=FEATURES, predicted=PREDICTED,
        labels=BEHAVIOURS, state_width=net.state_width, attention_steps=net.memory, embedding_of=(),
        usual=usual_of(MOTION, normal),
        opset=OPSET, licence="Apache-2.0", parity=asdict(parity),
        provenance={
            "script": "python -m models.behaviour.track_train",
            "initialisation": "random",
            "parameters": sum(parameter.numel() for parameter in net.parameters()),
            "plan": asdict(plan),
            "torch": torch.__version__,
            "date": datetime.now(UTC).date().isoformat(),
            "data": [{
                "name": "CAVIAR, train split", "licence": "CC BY-SA",
                "attribution": "EC Funded CAVIAR project/IST 2001 37540, http://homepages.inf.ed.ac.uk/rbf/CAVIAR/",
            }],
        },
    )  # fmt: skip


def main() -> int:
    """Train where needed, then publish; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--caviar", type=Path, required=True, help="folder laid out like CAVIAR's")
    parser.add_argument("--work", type=Path, default=Path("build/behaviour"), help="steps, checkpoint")
    parser.add_argument("--out", type=Path, help="where the folder goes (default: the bundled models)")
    parser.add_argument("--replace", action="store_true", help="replace a folder that exists")
    parser.add_argument(
        "--pixels", action=argparse.BooleanOptionalAction, default=True, help="measure on found tracks too"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    try:
        publish(args.caviar, args.work, args.out or zoo_folder(), args.replace, args.pixels)
    except (StreamerError, ParityError, ValueError) as error:
        print(f"track_publish: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
