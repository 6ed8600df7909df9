"""Make the bundled scene head: `python -m models.behaviour.scene_publish --data ../shared/data`.

Reads the clips through the detector, trains, cross-validates the plan, exports with proof, measures on the val split
and writes OUT/brawl with its card, figures and pictures: minutes. Run it again with --replace whenever the detector
changed, for the head trusts the embeddings of the very detector that it was trained with.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from export.onnx import OPSET, sha256
from export.parity import ParityError
from models.behaviour.committee import Committee
from models.behaviour.evaluate import SCENE_HEAD
from models.behaviour.export_step import STEPS, StepParity, export_step
from models.behaviour.pictures import draw_reliability, draw_roc, reliability
from models.behaviour.published import refuse_if_there, usual_of, write_published
from models.behaviour.roc import roc
from models.behaviour.scene_card import card
from models.behaviour.scene_clips import ORDINARY, TRAIN, Clip, gather
from models.behaviour.scene_evaluate import figures_of, judge_clips
from models.behaviour.scene_footage import FIGHTS_FOLDER, ordinary_footage
from models.behaviour.scene_train import LABELS, STEPS_FILE, Plan, cross_validate, train
from models.detector.latency import machine
from streamer.artifacts import load_artifact
from streamer.behaviour.head_artifact import HeadManifest
from streamer.behaviour.scene_features import SCENE_FEATURES, SCENE_MOTION, STEP_S
from streamer.errors import ArtifactError, StreamerError
from streamer.model_folder import write_model_folder
from streamer.zoo import bundled_model, zoo_folder

_HEADLINE = ("fight_auc", "fight_accuracy")


def publish(data: Path, detector: Path, work: Path, out: Path, replace: bool, repeats: int) -> None:
    """Write OUT/brawl. Raises ParityError, ArtifactError."""
    target = out / SCENE_HEAD
    refuse_if_there(target, replace)
    plan, fights = Plan(), data / FIGHTS_FOLDER
    clips = [
        clip
        for clip in gather(fights, detector, work / STEPS_FILE, ordinary_footage(data))
        if clip.split in (TRAIN, ORDINARY)
    ]
    net = train(plan, clips, work)
    graph, parity = export_step(net, proof_of(clips))
    manifest = manifest_of(net, graph, parity, plan, clips, load_artifact(detector).manifest.sha256)
    figures: dict[str, object] = {}
    if repeats:
        found = cross_validate(plan, clips, repeats)
        chosen = found["committee, at the end"]
        figures["cross_validated"] = {
            **{f"fight_{name}": value for name, value in chosen.items()}, "repeats": repeats, "by_reading": found,
        }  # fmt: skip
    with tempfile.TemporaryDirectory() as place:
        draft = Path(place) / SCENE_HEAD
        write_model_folder(manifest, graph, draft)
        judged = judge_clips(fights, draft, detector, "val")
    val = figures_of(judged)
    figures |= {"val": val, "machine": machine(), "date": datetime.now(UTC).date().isoformat()}
    finished = manifest.model_copy(update={"metrics": {name: val[name] for name in _HEADLINE}})
    write_published(target, finished, graph, figures, card(finished, figures, len(graph)))
    draw(judged.scores, judged.fights, target)
    print("  ".join(f"{name} {value}" for name, value in val.items() if isinstance(value, float)))


def draw(scores: NDArray[np.float64], fights: NDArray[np.bool_], folder: Path) -> None:
    """roc.png and reliability.png."""
    title = f"{SCENE_HEAD} on surv_fight val"
    draw_roc({"fight": roc(scores, fights)}, title, folder / "roc.png")
    both = np.column_stack([1 - scores, scores])
    draw_reliability({"fight or not": reliability(both, fights.astype(np.int64))}, title, folder / "reliability.png")


def proof_of(clips: Sequence[Clip]) -> NDArray[np.float32]:
    """Features as the head meets them, float32 (steps, rows, F): clips in turn; every fourth row has no embedding."""
    joined = np.concatenate([each for clip in clips for each in clip.readings])
    rows = min(24, len(joined) // STEPS)
    if not rows:
        raise ArtifactError(f"the training clips have {len(joined)} steps; the proof of the graph needs {STEPS}")
    features = joined[: rows * STEPS].reshape(rows, STEPS, -1).swapaxes(0, 1).copy()
    features[:, ::4, len(SCENE_MOTION) :] = 0.0
    return features


def manifest_of(
    net: Committee, graph: bytes, parity: StepParity, plan: Plan, clips: Sequence[Clip], detector: str
) -> HeadManifest:
    """What the folder promises."""
    quiet = np.concatenate([clip.readings[0] for clip in clips if not clip.fights])
    return HeadManifest(
        name=SCENE_HEAD, task="scene", sha256=sha256(graph), step_s=STEP_S, features=SCENE_FEATURES,
        predicted=SCENE_FEATURES, labels=LABELS, state_width=net.state_width, attention_steps=net.memory,
        embedding_of=(detector,), usual=usual_of(SCENE_MOTION, quiet), opset=OPSET, licence="Apache-2.0",
        parity=asdict(parity),
        provenance={
            "script": "python -m models.behaviour.scene_publish",
            "initialisation": "random",
            "parameters": sum(parameter.numel() for parameter in net.parameters()),
            "plan": asdict(plan),
            "torch": torch.__version__,
            "date": datetime.now(UTC).date().isoformat(),
            "data": [{
                "name": "surv_fight, train split", "licence": "MIT (repository); clips cut from public video",
                "clips": sum(clip.split == TRAIN for clip in clips),
                "attribution": "Akti, Tataroglu, Ekenel: Vision-based fight detection from surveillance cameras, IPTA "
                "2019",
            }, {
                "name": "ordinary footage", "licence": "CC BY-SA (CAVIAR train split), CC-BY-4.0 (shop, table, street, "
                "car park)", "clips": sum(clip.split == ORDINARY for clip in clips),
                "attribution": "EC Funded CAVIAR project/IST 2001 37540, "
                "http://homepages.inf.ed.ac.uk/rbf/CAVIAR/; Intel IoT DevKit sample videos; NVIDIA",
            }],
        },
    )  # fmt: skip


def main() -> int:
    """Train where needed, then publish; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help=f"folder that holds {FIGHTS_FOLDER}")
    parser.add_argument("--detector", type=Path, help="whose embeddings (default: the bundled one)")
    parser.add_argument("--work", type=Path, default=Path("build/behaviour"), help="steps, checkpoint")
    parser.add_argument("--out", type=Path, help="where the folder goes (default: the bundled models)")
    parser.add_argument("--replace", action="store_true", help="replace a folder that exists")
    parser.add_argument("--cross-validate", type=int, default=1, metavar="REPEATS", help="0: not (default %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        publish(
            args.data, args.detector or bundled_model(), args.work, args.out or zoo_folder(),
            args.replace, args.cross_validate,
        )  # fmt: skip
    except (StreamerError, ParityError, ValueError) as error:
        print(f"scene_publish: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
