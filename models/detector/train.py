"""Train the bundled detector from nothing: `python -m models.detector.train --data ../shared/data`.

Hours on a CPU, minutes on a GPU. Stop it at any moment: the same command goes on from the last checkpoint, with the
very batches that the unbroken run would have seen. The first start reads the permitted sets and lets the teacher label
them; `curves.png` in the work folder shows how it goes. `python -m models.detector.publish` makes model folders of it.
"""

from __future__ import annotations

import argparse
import copy
import csv
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.utils.data import DataLoader

from models.detector.album import Album, make_album
from models.detector.artifact import DRAFT, graph_of, write_fp32
from models.detector.batches import Batches, as_batch
from models.detector.held_out import held_out_shots
from models.detector.loss import Loss, Targets, detection_loss
from models.detector.network import DetectorNet
from models.detector.plan import Plan, learning_rate
from models.detector.progress_picture import draw_curves
from models.detector.weights import load_weights
from models.scores import score
from streamer.detect import load_detector

CHECKPOINT = "checkpoint.pt"
LOG = "log.csv"
_LOG_FIELDS = ("step", "spent_s", "score", "box", "distribution", "teacher")


class Trainer:
    """The net, its slow average (which is what gets exported), the optimiser and how far they are."""

    def __init__(
        self, plan: Plan, device: torch.device, compiled: bool = False, beginning: DetectorNet | None = None
    ) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.device, self.step, self.spent_s = plan, device, 0, 0.0
        self.began_with = "published weights" if beginning else "random"
        self.net = (beginning or DetectorNet()).to(device, memory_format=torch.channels_last).train()
        self.averaged = copy.deepcopy(self.net).eval()
        decayed = [p for p in self.net.parameters() if p.ndim > 1]
        others = [p for p in self.net.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}],
            plan.peak_rate,
        )
        self._cells = torch.compile(self.net.cells, dynamic=False) if compiled else self.net.cells

    def learn(self, images: Tensor, targets: Targets) -> Loss:
        """One step; gives the loss before it."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.plan, self.step)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.plan.half_precision):
            cells = self._cells(images)
        loss = detection_loss(cells, targets, (images.shape[2], images.shape[1]))
        self.optimiser.zero_grad(set_to_none=True)
        loss.total.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 10.0)
        self.optimiser.step()
        self.step += 1
        # Early on the average follows quickly, or it would be made of noise from the start.
        keep = min(self.plan.average, self.step / (self.step + 20))
        with torch.no_grad():
            slow, fast = self.averaged.state_dict(), self.net.state_dict()
            moving = [key for key, value in slow.items() if value.is_floating_point()]
            torch._foreach_lerp_([slow[key] for key in moving], [fast[key] for key in moving], 1 - keep)
        return loss

    def save(self, path: Path) -> None:
        """Everything that is needed to go on; written whole or not at all."""
        state = {
            "plan": asdict(self.plan),
            "began_with": self.began_with,
            "step": self.step,
            "spent_s": self.spent_s,
            "net": self.net.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint."""
        state = torch.load(path, weights_only=True, map_location=self.device)
        self.step, self.spent_s, self.began_with = state["step"], state["spent_s"], state["began_with"]
        self.net.load_state_dict(state["net"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])


def train(trainer: Trainer, album: Album, album_folder: Path, teacher_graph: Path, work: Path, loaders: int) -> None:
    """From wherever the checkpoint left off to the end of the plan."""
    plan = trainer.plan
    work.mkdir(parents=True, exist_ok=True)
    batches = Batches(album_folder, teacher_graph, plan, trainer.step)
    feed = DataLoader(batches, batch_size=None, num_workers=loaders, prefetch_factor=4 if loaders else None)
    began, spent_before_s = time.monotonic(), trainer.spent_s
    saved_at = looked_at = began
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    recent: dict[str, float] = {}
    with Progress(*columns) as progress:
        task = progress.add_task("training", total=plan.steps, completed=trainer.step)
        for parts in feed:
            batch = as_batch(tuple(part.to(trainer.device) for part in parts))
            loss = trainer.learn(batch.images, batch.targets)
            for name in _LOG_FIELDS[2:]:
                value = float(getattr(loss, name).detach())
                # Batches that no teacher saw say nothing about the teacher's part.
                if name != "teacher" or value > 0:
                    recent[name] = value if name not in recent else 0.98 * recent[name] + 0.02 * value
            progress.update(task, completed=trainer.step, description=_described(recent))
            now = time.monotonic()
            trainer.spent_s = spent_before_s + now - began
            if trainer.step % 50 == 0 or trainer.step == plan.steps:
                _log(work / LOG, {"step": trainer.step, "spent_s": round(trainer.spent_s), **recent})
            if now - saved_at > 120 or trainer.step == plan.steps:
                trainer.save(work / CHECKPOINT)
                saved_at = now
            if now - looked_at > 900 or trainer.step == plan.steps:
                looked_at = now
                found = look(trainer.averaged, album, work / "draft")
                progress.console.print(f"step {trainer.step}: held-out AP50 {found}", soft_wrap=True)
                draw_curves(work / LOG, work / "curves.png")


def look(net: DetectorNet, album: Album, folder: Path) -> dict[str, float]:
    """AP50 by class on some kept-back pages; the folder then holds the net as it is, ready for the service."""
    shutil.rmtree(folder, ignore_errors=True)
    net = copy.deepcopy(net)
    write_fp32(folder, graph_of(net), net, DRAFT)
    found = score(load_detector(folder), held_out_shots(album, 300))
    return {label: round(each.ap50, 3) for label, each in found.items()}


def _described(recent: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in recent.items())


def _log(path: Path, row: dict[str, float]) -> None:
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _LOG_FIELDS, restval="")
        if new:
            writer.writeheader()
        writer.writerow({key: round(value, 5) for key, value in row.items()})


def main() -> None:
    """Label what is not labelled yet, then train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the permitted sets")
    parser.add_argument("--teacher", type=Path, help="ONNX file (default: the one in DATA/models/yolox_nano)")
    parser.add_argument("--work", type=Path, default=Path("build/detector"), help="album, checkpoint, log, curves")
    parser.add_argument("--steps", type=int, default=Plan.steps, help="length of the plan (default %(default)s)")
    parser.add_argument("--batch", type=int, default=Plan.batch, help="canvases a step (default %(default)s)")
    parser.add_argument("--start-from", type=Path, metavar="FILE", help="published weights (default: random)")
    parser.add_argument("--rate", type=float, default=Plan.peak_rate, help="peak learning rate (default %(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--loaders", type=int, default=2, help="loading processes (default %(default)s)")
    parser.add_argument("--compile", action="store_true", help="compile the net first: faster, needs a C++ compiler")
    args = parser.parse_args()
    teacher = args.teacher or args.data / "models" / "yolox_nano" / "yolox_nano_dynbatch.onnx"
    for needed in (args.data, teacher, *([args.start_from] if args.start_from else [])):
        if not needed.exists():
            parser.error(f"{needed} does not exist; --data, --teacher, --start-from: pictures, teacher, first weights")
    album = make_album(args.data, teacher, args.work / "album")
    plan = replace(Plan(), steps=args.steps, batch=args.batch, peak_rate=args.rate)
    try:
        beginning = load_weights(args.start_from) if args.start_from else None
    except (OSError, ValueError) as error:
        parser.error(f"--start-from: {error}")
    trainer = Trainer(plan, torch.device(args.device), args.compile, beginning)
    if (args.work / CHECKPOINT).exists():
        trainer.resume(args.work / CHECKPOINT)
        print(f"going on from step {trainer.step} of {plan.steps}")
    if trainer.step < plan.steps:
        train(trainer, album, args.work / "album", teacher, args.work, args.loaders)
    print(f"done: {trainer.step} steps in {trainer.spent_s / 60:.0f} min; `python -m models.detector.publish` is next")


if __name__ == "__main__":
    main()
