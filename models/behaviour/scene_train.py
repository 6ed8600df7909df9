"""Train the scene head: `python -m models.behaviour.scene_train --data ../shared/data`.

Minutes on one core. Stop it at any moment: the same command goes on after the last member of the committee that was
finished. `--cross-validate` trains without some sources, in turn, and scores those: all choices in Plan, and how a clip
is scored, were made by that within the train split.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn import functional as F

from models.behaviour.committee import Committee
from models.behaviour.roc import area_under_roc
from models.behaviour.scene_clips import ORDINARY, TRAIN, Clip, gather
from models.behaviour.scene_footage import FIGHTS_FOLDER, ordinary_footage
from models.behaviour.scene_scores import READERS
from models.behaviour.step_net import StepNet, sequence
from streamer.behaviour.scene_features import SCENE_FEATURES, SCENE_MOTION
from streamer.zoo import bundled_model

CHECKPOINT, STEPS_FILE = "scene_checkpoint.pt", "scene_steps.npz"
LABELS = ("no_fight", "fight")
FOLDS = 6


@dataclass(frozen=True)
class Plan:
    """All that was chosen, by cross-validation over the sources of the train split."""

    members: int = 4
    epochs: int = 60
    batch: int = 32
    peak_rate: float = 4e-3
    weight_decay: float = 0.1
    dropout: float = 0.4
    hidden: int = 16
    memory: int = 16
    foresight: int = 24
    noise: float = 0.2
    blinded: float = 0.3
    # Embeddings count for so much of what motion counts for, and are hidden in this share of the clips.
    embedding_weight: float = 0.1
    embedding_hidden: float = 0.5
    # A step's say in the loss rises over this many steps: nobody can tell at the first one.
    rise_steps: int = 5
    smoothing: float = 0.05
    seed: int = 11


def new_member(plan: Plan, clips: Sequence[Clip], number: int) -> StepNet:
    """A fresh net, normalised by what the clips look like."""
    torch.manual_seed(plan.seed * 1000 + number)
    every = np.concatenate([each for clip in clips for each in clip.readings])
    mean, scale = every.mean(0), np.maximum(every.std(0), 1e-3)
    first = len(SCENE_MOTION)
    mean[first], scale[first] = 0.0, 1.0
    scale[first + 1 :] /= max(plan.embedding_weight, 1e-3)
    return StepNet(
        len(SCENE_FEATURES), len(SCENE_FEATURES), {"probs": len(LABELS)}, plan.hidden, plan.memory, mean, scale,
        foresight=plan.foresight, dropout=plan.dropout,
    )  # fmt: skip


def train_member(
    plan: Plan, clips: Sequence[Clip], number: int, foresees: bool, each_epoch: Callable[[], None] = lambda: None
) -> StepNet:
    """One net, trained from its own seed to the end of the plan."""
    clips = [clip for clip in clips if any(len(each) for each in clip.readings)]
    net = new_member(plan, clips, number)
    random = np.random.default_rng([plan.seed, number])
    optimiser = torch.optim.AdamW(net.parameters(), plan.peak_rate, weight_decay=plan.weight_decay)
    net.train()
    for epoch in range(plan.epochs):
        rate = 0.5 * plan.peak_rate * (1 + math.cos(math.pi * epoch / plan.epochs))
        for group in optimiser.param_groups:
            group["lr"] = max(rate, 1e-5)
        order = random.permutation(len(clips))
        for start in range(0, len(order), plan.batch):
            batch = batch_of([clips[n] for n in order[start : start + plan.batch]], random)
            optimiser.zero_grad(set_to_none=True)
            _loss(net, batch, plan, foresees).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimiser.step()
        each_epoch()
    return net.eval()


@dataclass(frozen=True, eq=False)
class Batch:
    """Clips side by side, padded: features (n, steps, F), there (n, steps) 0 in padding, fights (n,)."""

    features: Tensor
    there: Tensor
    fights: Tensor


def batch_of(clips: Sequence[Clip], random: np.random.Generator) -> Batch:
    """One reading of every clip, at random."""
    told = [[each for each in clip.readings if len(each)] for clip in clips]
    chosen = [each[int(random.integers(len(each)))] for each in told]
    longest = max(len(each) for each in chosen)
    features = np.zeros((len(chosen), longest, len(SCENE_FEATURES)), np.float32)
    there = np.zeros((len(chosen), longest), np.float32)
    for n, each in enumerate(chosen):
        features[n, : len(each)], there[n, : len(each)] = each, 1.0
    fights = torch.tensor([int(clip.fights) for clip in clips])
    return Batch(torch.from_numpy(features), torch.from_numpy(there), fights)


def _loss(net: StepNet, batch: Batch, plan: Plan, foresees: bool) -> Tensor:
    x, first = batch.features, len(SCENE_MOTION)
    x = x + plan.noise * net.scale * torch.randn_like(x)
    shown = torch.rand(len(x), 1, x.shape[2]) >= plan.blinded * torch.rand(len(x), 1, 1)
    x = torch.where(shown, x, net.mean)
    # A detector that gives no embedding is nothing strange: "embedded" and all of it are 0 then.
    hidden = torch.rand(len(x)) < plan.embedding_hidden
    x[..., first] = batch.features[..., first]
    x[hidden, :, first:] = 0.0
    out = sequence(net, x)
    steps = x.shape[1]
    say = batch.there * torch.clamp(torch.arange(1, steps + 1) / plan.rise_steps, max=1.0)
    labels = batch.fights[:, None].expand(-1, steps)
    each = F.cross_entropy(
        out["probs"].transpose(1, 2), labels, reduction="none", label_smoothing=plan.smoothing
    )  # fmt: skip
    # A long clip has no more to say than a short one.
    loss = ((each * say).sum(1) / say.sum(1)).mean()
    if foresees:
        to = batch.features.clone()
        to[hidden, :, first:] = 0.0
        spread = out["spread"][:, :-1]
        unlikely = (to[:, 1:] - out["prediction"][:, :-1]).abs() * (-spread).exp() + spread - net.scale.log()
        # What is normal is learnt where nobody fights.
        normal = batch.there[:, 1:] * (1 - batch.fights[:, None])
        loss = loss + (unlikely.mean(2) * normal).sum() / normal.sum().clamp(min=1)
    return loss


def speak(net: StepNet, readings: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Probability of a fight after every step of every reading."""
    with torch.no_grad():
        return [
            sequence(net, torch.from_numpy(each)[None])["probs"][0].softmax(1)[:, 1].numpy()
            if len(each)
            else np.zeros(0)
            for each in readings
        ]


def folds_of(clips: Sequence[Clip], seed: int = 0, folds: int = FOLDS) -> NDArray[np.int64]:
    """The fold of each clip; those of a source share one."""
    sources = sorted({clip.source for clip in clips})
    np.random.default_rng(seed).shuffle(sources)
    fold = {source: n % folds for n, source in enumerate(sources)}
    return np.array([fold[clip.source] for clip in clips])


def cross_validate(plan: Plan, clips: Sequence[Clip], repeats: int = 1) -> dict[str, object]:
    """AUC and accuracy of clips whose source was left out, by how a clip is scored; of one net, and of all members.

    Ordinary footage is learnt from in every fold, and never scored.
    """
    ordinary = [clip for clip in clips if clip.split == ORDINARY]
    clips = [clip for clip in clips if clip.split == TRAIN]
    fights = np.array([clip.fights for clip in clips])
    found: dict[str, list[tuple[float, float]]] = {}
    for repeat in range(repeats):
        folds = folds_of(clips, repeat)
        told: list[list[NDArray[np.float32]]] = [[] for _ in clips]
        for fold in range(FOLDS):
            learnt_from = [clip for clip, n in zip(clips, folds, strict=True) if n != fold] + ordinary
            left_out = np.flatnonzero(folds == fold)
            for number in range(plan.members):
                net = train_member(plan, learnt_from, number + 100 * fold + 1000 * repeat, foresees=False)
                for n, spoken in zip(left_out, speak(net, [clips[n].readings[0] for n in left_out]), strict=True):
                    told[n].append(spoken)
        for name, read in READERS.items():
            for who, some in (("one", slice(0, 1)), ("committee", slice(None))):
                scores = np.array([read(np.mean(each[some], axis=0)) for each in told])
                accuracy = float(((scores >= 0.5) == fights).mean())
                found.setdefault(f"{who}, {name}", []).append((area_under_roc(scores, fights), accuracy))
    return {
        name: {"auc": np.mean(each, 0)[0].round(4), "accuracy": np.mean(each, 0)[1].round(4)}
        for name, each in found.items()
    }


def train(plan: Plan, clips: Sequence[Clip], work: Path) -> Committee:
    """All members on the train split, from wherever a checkpoint of the same plan and clips left off."""
    clips = [clip for clip in clips if clip.split in (TRAIN, ORDINARY)]
    path = work / CHECKPOINT
    about = {
        "plan": asdict(plan),
        "features_sum": float(np.sum([each.sum(dtype=np.float64) for c in clips for each in c.readings])),
    }
    states: list[dict[str, Tensor]] = []
    if path.exists():
        stored = torch.load(path, weights_only=True)
        if stored["about"] == about:
            states = stored["members"]
    members = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("training", total=plan.members * plan.epochs)
        for number in range(plan.members):
            if number < len(states):
                net = new_member(plan, clips, number)
                net.load_state_dict(states[number])
                progress.advance(task, plan.epochs)
            else:
                net = train_member(plan, clips, number, number == 0, lambda: progress.advance(task))
                states.append(net.state_dict())
                path.parent.mkdir(parents=True, exist_ok=True)
                torch.save({"about": about, "members": states}, path.with_suffix(".partial"))
                path.with_suffix(".partial").replace(path)
            members.append(net.eval())
    return Committee(members).eval()


def main() -> None:
    """Cross-validate, or train on the whole train split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help=f"folder that holds {FIGHTS_FOLDER}, and more footage")
    parser.add_argument("--work", type=Path, default=Path("build/behaviour"), help="steps, checkpoint")
    parser.add_argument("--detector", type=Path, help="whose embeddings (default: the bundled one)")
    parser.add_argument(
        "--cross-validate", type=int, metavar="REPEATS", help="score the plan on left-out train sources"
    )
    for field in fields(Plan):
        name, default = field.name.replace("_", "-"), field.default
        parser.add_argument(f"--{name}", type=type(default), default=default, help="(default %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    plan = Plan(**{field.name: getattr(args, field.name) for field in fields(Plan)})
    clips = gather(
        args.data / FIGHTS_FOLDER, args.detector or bundled_model(), args.work / STEPS_FILE, ordinary_footage(args.data)
    )
    if args.cross_validate:
        print(json.dumps(cross_validate(plan, clips, args.cross_validate)))
        return
    train(plan, clips, args.work)


if __name__ == "__main__":
    main()
