"""Train the drawn demo's net from nothing: `python -m models.drawn.train --out models/zoo/drawn-street`.

About ten minutes on one CPU core. Stop it at any moment: the same command goes on from the last checkpoint. At the end
the net is exported, checked against torch, evaluated on streets that it never saw, and its card written.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path

import cv2
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from models.drawn.loss import detection_loss
from models.drawn.network import CANVAS_WH, DrawnNet
from models.drawn.pictures import batches, draw_album
from models.drawn.plan import Plan
from models.drawn.publish import publish


class Trainer:
    """The net, its slow average (which is what gets exported), the optimiser and how far they are."""

    def __init__(self, plan: Plan) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.step, self.spent_s = plan, 0, 0.0
        self.net = DrawnNet().to(memory_format=torch.channels_last).train()
        self.averaged = copy.deepcopy(self.net).eval()
        decayed = [p for p in self.net.parameters() if p.ndim > 1]
        others = [p for p in self.net.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}],
            plan.peak_rate,
        )

    def learn(self, images: torch.Tensor, targets: object) -> float:
        """One step; gives the loss before it."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.plan, self.step)
        # bfloat16 halves the time on processors that have it and costs this net nothing measurable.
        with torch.autocast("cpu", torch.bfloat16):
            boxes, logits = self.net.cells(images)
        loss = detection_loss(boxes, logits, targets, CANVAS_WH)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 10.0)
        self.optimiser.step()
        self.step += 1
        # Early on the average follows quickly, or it would be made of noise from the start.
        keep = min(self.plan.average, self.step / (self.step + 10))
        with torch.no_grad():
            for slow, fast in zip(self.averaged.state_dict().values(), self.net.state_dict().values(), strict=True):
                if slow.is_floating_point():
                    slow.lerp_(fast, 1 - keep)
                else:
                    slow.copy_(fast)
        return float(loss.detach())

    def save(self, path: Path) -> None:
        """Everything that is needed to go on; written whole or not at all."""
        state = {
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
        state = torch.load(path, weights_only=True)
        self.step, self.spent_s = state["step"], state["spent_s"]
        self.net.load_state_dict(state["net"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])


def learning_rate(plan: Plan, step: int) -> float:
    """Up in a line, down in half a cosine to a fiftieth."""
    if step < plan.warm_up:
        return plan.peak_rate * (step + 1) / plan.warm_up
    share = (step - plan.warm_up) / max(1, plan.steps - plan.warm_up)
    return plan.peak_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))


def train(plan: Plan, checkpoint: Path) -> Trainer:
    """Training at the end of the plan, from wherever the checkpoint left off."""
    trainer = Trainer(plan)
    if checkpoint.exists():
        trainer.resume(checkpoint)
        print(f"going on from step {trainer.step} of {checkpoint}")
    if trainer.step >= plan.steps:
        return trainer
    began, spent_before_s = time.monotonic(), trainer.spent_s
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        drawing = progress.add_task("drawing streets", total=plan.streets * plan.pictures_per_street)
        seeds = range(plan.first_street, plan.first_street + plan.streets)
        album = draw_album(seeds, plan.pictures_per_street, lambda n: progress.advance(drawing, n))
        training = progress.add_task("training", total=plan.steps, completed=trainer.step)
        # A resumed run takes other batches than the unbroken one would have: the seed says from where.
        feed = batches(album, plan.batch, plan.seed * 100_003 + trainer.step)
        recent = 0.0
        while trainer.step < plan.steps:
            loss = trainer.learn(*next(feed))
            recent = loss if recent == 0.0 else 0.97 * recent + 0.03 * loss
            progress.update(training, completed=trainer.step, description=f"training, loss {recent:.3f}")
            if trainer.step % 200 == 0 or trainer.step == plan.steps:
                trainer.spent_s = spent_before_s + time.monotonic() - began
                trainer.save(checkpoint)
                progress.console.print(f"step {trainer.step:5d}  loss {recent:.4f}")
    return trainer


def main() -> None:
    """Train, then publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write: model.onnx, manifest.json, CARD.md")
    parser.add_argument("--checkpoint", type=Path, default=Path("build/drawn/checkpoint.pt"), help="resume point")
    parser.add_argument("--steps", type=int, default=Plan.steps, help="training steps (default %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default %(default)s)")
    parser.add_argument("--replace", action="store_true", help="replace the folder if it exists")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    plan = Plan(steps=args.steps)
    trainer = train(plan, args.checkpoint)
    minutes = trainer.spent_s / 60
    print(f"trained in {minutes:.1f} min")
    publish(trainer.averaged, args.out, plan, minutes, replace=args.replace)


if __name__ == "__main__":
    main()
