"""Train the track head: `python -m models.behaviour.track_train --caviar ../shared/data/caviar`.

Minutes on one core. Stop it at any moment: the same command goes on from the last checkpoint with the very batches
that the unbroken run would have seen. `--cross-validate` trains on all clips but some, in turn, and scores what was
left out: all choices in Plan were made by that, within the train split.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn import functional as F

from models.behaviour.caviar_tracks import BEHAVIOURS, CONTEXTS, MOVEMENTS, UNKNOWN, Steps, split_of
from models.behaviour.step_book import gather
from models.behaviour.step_net import StepNet, sequence
from models.behaviour.windows import LABEL_OF, Scores, Spoken, is_strange, score_windows
from streamer.behaviour.features import FEATURES
from streamer.behaviour.motion import PREDICTED

CHECKPOINT = "checkpoint.pt"
HEADS = {"probs": len(BEHAVIOURS), "movement": len(MOVEMENTS), "context": len(CONTEXTS)}
FOLDS = 5


@dataclass(frozen=True)
class Plan:
    """All that was chosen, by cross-validation over the clips of the train split."""

    epochs: int = 120
    batch: int = 8
    peak_rate: float = 4e-3
    weight_decay: float = 0.03
    dropout: float = 0.3
    hidden: int = 48
    memory: int = 16
    # What is usual, always: whatever foresees from how one got along just now expects everything that lasts, running as
    # well as lying (anomaly AUC of left-out clips 0.89; a GRU of company and age 0.84 to 0.88, of all features 0.75).
    foresight: int = 0
    # Between every window alike (0) and every class alike (1).
    balance: float = 0.6
    noise: float = 0.3
    blinded: float = 0.6
    variants: int = 6
    average: float = 0.98
    seed: int = 7


@dataclass(frozen=True, eq=False)
class Batch:
    """Tracks side by side, padded: features (n, steps, F); labels (n, steps) per head; weight (n, steps), 0 in padding.

    normal (n, steps - 1): whether both a step and the next are ordinary, so that foreseeing can be learnt from it.
    """

    features: Tensor
    labels: dict[str, Tensor]
    weight: Tensor
    normal: Tensor


class Trainer:
    """The net, its slow average (which is what gets exported), the optimiser and how far they are."""

    def __init__(self, plan: Plan, book: Sequence[Sequence[Steps]]) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.book, self.epoch = plan, book, 0
        mean, scale = _usual(book[0])
        self.net = StepNet(
            len(FEATURES),
            len(PREDICTED),
            HEADS,
            plan.hidden,
            plan.memory,
            mean,
            scale,
            plan.foresight,
            plan.dropout,
        )
        self.averaged = copy.deepcopy(self.net).eval()
        self.class_weights = {head: _class_weights(book, name, HEADS[head], plan) for head, name in LABEL_OF.items()}
        self.optimiser = torch.optim.AdamW(self.net.parameters(), plan.peak_rate, weight_decay=plan.weight_decay)
        self._steps = 0

    def learn_an_epoch(self) -> dict[str, float]:
        """Every track once, in one of its variants; gives the mean losses."""
        random = np.random.default_rng([self.plan.seed, self.epoch])
        torch.manual_seed(int(random.integers(2**31)))
        self.net.train()
        rate = 0.5 * self.plan.peak_rate * (1 + math.cos(math.pi * self.epoch / self.plan.epochs))
        for group in self.optimiser.param_groups:
            group["lr"] = max(rate, 1e-5)
        sums: dict[str, float] = {}
        batches = list(batches_of(self.book[int(random.integers(len(self.book)))], self.plan.batch, random))
        for batch in batches:
            losses = self._losses(batch)
            self.optimiser.zero_grad(set_to_none=True)
            torch.stack(list(losses.values())).sum().backward()
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
            self.optimiser.step()
            self._follow()
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0.0) + float(loss.detach()) / len(batches)
        self.epoch += 1
        return sums

    def save(self, path: Path) -> None:
        """Everything that is needed to go on; written whole or not at all."""
        state = {
            "plan": asdict(self.plan), "epoch": self.epoch, "steps": self._steps, "net": self.net.state_dict(),
            "averaged": self.averaged.state_dict(), "optimiser": self.optimiser.state_dict(),
        }  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint. Raises ValueError where it belongs to another plan."""
        state = torch.load(path, weights_only=True)
        if state["plan"] != asdict(self.plan):
            raise ValueError(f"{path} belongs to another plan: name another --work folder, or remove it")
        self.epoch, self._steps = state["epoch"], state["steps"]
        self.net.load_state_dict(state["net"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        x = batch.features
        # Noise, and features that are not there: no single one may carry an answer, or foresee itself.
        x = x + self.plan.noise * self.net.scale * torch.randn_like(x) * (x != 0)
        shown = torch.rand(len(x), 1, x.shape[2]) >= self.plan.blinded * torch.rand(len(x), 1, 1)
        out = sequence(self.net, torch.where(shown, x, self.net.mean))
        losses = {}
        for head, labels in batch.labels.items():
            each = F.cross_entropy(
                out[head].transpose(1, 2), labels, self.class_weights[head], ignore_index=UNKNOWN, reduction="none",
                label_smoothing=0.05,
            )  # fmt: skip
            losses[head] = (each * batch.weight).sum() / batch.weight.sum()
        p = self.net.predicted
        spread = out["spread"][:, :-1]
        unlikely = (batch.features[:, 1:, :p] - out["prediction"][:, :-1]).abs() * (-spread).exp() + spread
        # Surer than the scale of the feature is worth: counted in its own units, or flat features would dominate.
        per_step = (unlikely - self.net.scale[:p].log()).mean(2)
        losses["foreseen"] = (per_step * batch.normal).sum() / batch.normal.sum().clamp(min=1)
        return losses

    def _follow(self) -> None:
        self._steps += 1
        keep = min(self.plan.average, self._steps / (self._steps + 20))
        with torch.no_grad():
            for slow, fast in zip(self.averaged.parameters(), self.net.parameters(), strict=True):
                slow.lerp_(fast, 1 - keep)


def batches_of(steps: Sequence[Steps], size: int, random: np.random.Generator) -> Iterator[Batch]:
    """All tracks, those of like length together, in a random order."""
    long_enough = [each for each in steps if len(each.at_s) >= 2]
    order = sorted(range(len(long_enough)), key=lambda n: len(long_enough[n].at_s) * random.uniform(0.7, 1.4))
    groups = [order[start : start + size] for start in range(0, len(order), size)]
    for n in random.permutation(len(groups)):
        yield batch_of([long_enough[each] for each in groups[n]])


def batch_of(tracks: Sequence[Steps]) -> Batch:
    """Some tracks, padded to the longest."""
    longest = max(len(each.at_s) for each in tracks)
    features = np.zeros((len(tracks), longest, len(FEATURES)), np.float32)
    labels = {head: np.full((len(tracks), longest), UNKNOWN, np.int64) for head in HEADS}
    weight, normal = np.zeros((len(tracks), longest), np.float32), np.zeros((len(tracks), longest - 1), np.float32)
    for n, track in enumerate(tracks):
        steps = len(track.at_s)
        features[n, :steps], weight[n, :steps] = track.features, track.weight
        for head, name in LABEL_OF.items():
            labels[head][n, :steps] = getattr(track, name)
        usual = ordinary(track)
        normal[n, : steps - 1] = usual[1:] * usual[:-1] * track.weight
    return Batch(
        torch.from_numpy(features), {head: torch.from_numpy(each) for head, each in labels.items()},
        torch.from_numpy(weight), torch.from_numpy(normal),
    )  # fmt: skip


def ordinary(track: Steps) -> np.ndarray:
    """bool (T,): steps that are more than a second away from anything strange, which the foreseer never sees."""
    strange = is_strange(track.behaviour).astype(np.float64)
    return np.convolve(strange, np.ones(11))[5:-5] == 0


def speak(net: StepNet, tracks: Sequence[Steps]) -> list[Spoken]:
    """What the net says along each track, as the runtime would hear it."""
    net.eval()
    told = []
    with torch.no_grad():
        for track in tracks:
            out = {name: each[0] for name, each in sequence(net, torch.from_numpy(track.features)[None]).items()}
            probs = {head: out[head].softmax(1).numpy() for head in HEADS}
            told.append(Spoken.of(track, probs, out["prediction"].numpy(), out["spread"].numpy()))
    return told


def cross_validate(
    plan: Plan, book: Sequence[Sequence[Steps]], sequences: Sequence[str], tell: Callable[[str], None] = print
) -> Scores:
    """Scores of the clips that each of FOLDS nets has not seen, pooled."""
    told: list[Spoken] = []
    for fold in range(FOLDS):
        left_out = set(sequences[fold::FOLDS])
        trainer = Trainer(plan, [[each for each in steps if each.sequence not in left_out] for steps in book])
        while trainer.epoch < plan.epochs:
            losses = trainer.learn_an_epoch()
        told += speak(trainer.averaged, [each for each in book[0] if each.scored and each.sequence in left_out])
        tell(f"fold {fold}: " + "  ".join(f"{name} {loss:.3f}" for name, loss in losses.items()))
    return score_windows(told)


def _usual(steps: Sequence[Steps]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale of every feature; those that never change here (no detector looked) are left as they are."""
    every = np.concatenate([each.features for each in steps])
    scale = every.std(0)
    constant = scale < 1e-6
    return np.where(constant, 0.0, every.mean(0)), np.where(constant, 1.0, scale)


def _class_weights(book: Sequence[Sequence[Steps]], name: str, classes: int, plan: Plan) -> Tensor:
    every = np.concatenate([getattr(each, name) for each in book[0]])
    counts = np.bincount(every[every >= 0], minlength=classes).astype(np.float64)
    weights = np.where(counts > 0, (counts.sum() / np.maximum(counts, 1)) ** plan.balance, 0.0)
    return torch.tensor(weights * counts.sum() / max((weights * counts).sum(), 1), dtype=torch.float32)


def main() -> None:
    """Cross-validate, or train on the whole train split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--caviar", type=Path, required=True, help="folder laid out like CAVIAR's")
    parser.add_argument("--work", type=Path, default=Path("build/behaviour"), help="steps, checkpoint")
    parser.add_argument("--epochs", type=int, default=Plan.epochs, help="length of the plan (default %(default)s)")
    parser.add_argument("--cross-validate", action="store_true", help="score the plan on left-out train clips instead")
    args = parser.parse_args()
    torch.set_num_threads(1)
    plan = replace(Plan(), epochs=args.epochs)
    sequences = split_of(args.caviar, "train")
    book = gather(args.caviar, sequences, plan.variants, plan.seed, args.work / "steps.npz")
    if args.cross_validate:
        print(json.dumps(cross_validate(plan, book, sequences).as_json(), indent=2))
        return
    train(plan, book, args.work)


def train(plan: Plan, book: Sequence[Sequence[Steps]], work: Path) -> StepNet:
    """From wherever the checkpoint left off to the end of the plan; gives the averaged net."""
    trainer = Trainer(plan, book)
    if (work / CHECKPOINT).exists():
        trainer.resume(work / CHECKPOINT)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("training", total=plan.epochs, completed=trainer.epoch)
        while trainer.epoch < plan.epochs:
            losses = trainer.learn_an_epoch()
            told = "  ".join(f"{name} {loss:.3f}" for name, loss in losses.items())
            progress.update(task, completed=trainer.epoch, description=told)
            if trainer.epoch % 5 == 0 or trainer.epoch == plan.epochs:
                trainer.save(work / CHECKPOINT)
    return trainer.averaged


if __name__ == "__main__":
    main()
