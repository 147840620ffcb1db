"""The one training loop: any problem, on any device and any number of processes."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from anchorline.engine.distributed import TIMEOUT, is_distributed, on_cpu
from anchorline.engine.hardware import keep_freed_memory
from anchorline.engine.parallel import Progress
from anchorline.errors import DivergedError, UserError
from anchorline.methods.constraints import Constraint
from anchorline.methods.hyperparameters import Training
from anchorline.methods.selection import ValScore
from anchorline.training.movement import movement
from anchorline.training.optimization import mixed_seed, optimizer_of, rate_at
from anchorline.training.problem import Problem
from anchorline.training.state import State, read_state, write_state

if TYPE_CHECKING:
    from accelerate import Accelerator

KEEP_EVERY = 30.0  # seconds between states on disk, at least
KEEP_SHARE = 0.05  # of the time, at most, goes into writing them


@dataclass(frozen=True, eq=False)
class Trained:
    """The tuned tensors of the best epoch, its score on val, what happened, and how far layers moved."""

    tuned: dict[str, Tensor]
    val_score: ValScore
    epoch: int
    history: list[dict[str, float]]
    movement: list[list[Any]]


def train(
    problem: Problem,
    constraint: Constraint,
    training: Training,
    *,
    seed: int = 0,
    run: Path | None = None,
    identity: str = "",
    progress: Progress | None = None,
    trackers: tuple[str, ...] = (),
) -> Trained:
    """Train, and keep the epoch that the problem judges best (ties: the first).

    With `run`, the state is kept there every half minute, and a call of the same `identity` goes on from it
    to the same bits; metrics go to run/training.jsonl. Random numbers depend on seed and step alone. Raises
    `DivergedError` when the loss is no number any more, `UserError` when the disk is full; what was last kept
    stays.
    """
    from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs

    for name in trackers:
        if find_spec(name) is None:
            raise UserError(f"tracking with {name} needs its package; pip install {name}, or leave it out")

    keep_freed_memory()
    device = problem.device
    if device.type == "cuda":
        torch.cuda.set_device(device)
    accelerator = Accelerator(
        cpu=is_distributed() and on_cpu(),
        # Everything lies on the problem's device already, and the recipe alone says what is computed: no
        # `accelerate config` of the user's changes it.
        device_placement=False,
        mixed_precision="no",
        gradient_accumulation_steps=1,
        kwargs_handlers=[
            DistributedDataParallelKwargs(find_unused_parameters=True, broadcast_buffers=False),
            InitProcessGroupKwargs(timeout=TIMEOUT),
        ],
        log_with=list(trackers) or None,
        project_dir=run or Path("runs"),
    )
    loop = _Loop(problem, constraint, training, seed, run, identity, accelerator)
    if trackers:
        settings = {name: str(value) for name, value in asdict(training).items()}
        accelerator.init_trackers("anchorline", {"seed": seed, **settings})
    try:
        _advance(loop, progress)
    finally:
        if trackers:
            accelerator.end_training()
    state = loop.state
    return Trained(state.best_tuned, state.best, state.best_epoch, state.history, state.movement)


def _advance(loop: _Loop, progress: Progress | None) -> None:
    loop.resume()
    due = time.monotonic() + KEEP_EVERY
    while not loop.finished:
        loop.advance()
        if progress:
            progress(loop.state.step, loop.steps)
        if loop.finished or time.monotonic() >= due:
            begun = time.monotonic()
            loop.keep()
            spent = time.monotonic() - begun
            due = time.monotonic() + max(KEEP_EVERY, spent / KEEP_SHARE)


class _Loop:
    def __init__(
        self, problem: Problem, constraint: Constraint, training: Training,
        seed: int, run: Path | None, identity: str, accelerator: Accelerator,
    ) -> None:  # fmt: skip
        self.problem, self.tuned, self.training = problem, problem.model, training
        self.constraint = constraint
        self.seed, self.run, self.identity, self.accelerator = seed, run, identity, accelerator
        self.parts = training.grad_accumulation_steps * int(accelerator.num_processes)
        self.batch = min(training.batch_size, len(problem)) // self.parts * self.parts
        if not self.batch:
            size = min(training.batch_size, len(problem))
            raise UserError(
                f"a batch of {size} images cannot be cut into {self.parts} parts "
                "(training.grad_accumulation_steps times processes); give a larger batch or fewer parts"
            )
        self.per_epoch = len(problem) // self.batch
        self.steps = training.epochs * self.per_epoch
        try:
            inner = optimizer_of(self.tuned, training, constraint)
            optimizer = constraint.wrap(inner, self.tuned, self._val_loss)
        except ValueError as error:
            raise UserError(f"{constraint.name}: {error}") from error
        self.peaks = [group["lr"] for group in optimizer.param_groups]
        self.model, self.optimizer = accelerator.prepare(self.tuned, optimizer)
        self.state = State(best_tuned=self.tuned.tuned())
        self.device = problem.device
        self.drawn_at, self.drawn = -1, 0
        on_gpu = self.device.type == "cuda"
        self.in_bf16 = training.precision == "bf16" or (training.precision == "auto" and on_gpu)

    @property
    def finished(self) -> bool:
        epoch, within = divmod(self.state.step, self.per_epoch)
        return self.state.step >= self.steps or (
            within == 0 and self.state.stopped(self.training.patience, epoch)
        )

    def advance(self) -> None:
        """One step, and after the last of an epoch a look at val."""
        step = self.state.step
        rate = rate_at(step, self.steps, self.training)
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * rate
        loss = self._learn(step)
        if not math.isfinite(loss):
            self.keep()
            rates = " and ".join(f"{peak:g}" for peak in dict.fromkeys(self.peaks))
            kept = f"; the last good state is in {self.run}" if self.run else ""
            raise DivergedError(
                f"the loss or its gradient is not finite at step {step + 1} of {self.steps}, learning rate "
                f"{rates}{kept}; give a lower one, as with --set training.lr=…"
            )
        self.state.step += 1
        if self.state.step % self.per_epoch == 0:
            self._look(loss, rate)

    def _learn(self, step: int) -> float:
        chosen = self._chosen(step)
        self.model.train()
        self.optimizer.zero_grad()
        total = 0.0
        # A part of the batch is cut into one share for each process.
        for part in torch.split(chosen, self.batch // self.training.grad_accumulation_steps):
            rank, share = self.accelerator.process_index, self.batch // self.parts
            mine, seeds = slice(rank * share, (rank + 1) * share), self._seeds(part, step)
            with self._autocast():
                outputs = self.model(*self.problem.batch(part, seeds, step, mine))
            labels = self.problem.labels(part, seeds, step)
            loss = self.problem.loss(_gathered(outputs), labels)
            loss = loss / self.training.grad_accumulation_steps
            self.accelerator.backward(loss)
            total += loss.item()
        norm = self.accelerator.clip_grad_norm_(
            self.tuned.parameters(), self.training.max_grad_norm or math.inf
        )
        if not math.isfinite(float(norm)):  # a finite loss may still have gradients that are none
            return math.nan
        self.optimizer.step()
        return total

    def _chosen(self, step: int) -> Tensor:
        """Numbers of the step's examples, int64 [batch]."""
        epoch, place = divmod(step, self.per_epoch)
        order = torch.Generator().manual_seed(mixed_seed(self.seed, 0, epoch))
        shuffled = torch.randperm(len(self.problem), generator=order)
        return shuffled[place * self.batch : (place + 1) * self.batch]

    def _seeds(self, chosen: Tensor, step: int) -> list[int]:
        return [mixed_seed(self.seed, 1, step, example) for example in chosen.tolist()]

    def _val_loss(self) -> Tensor:
        """Loss of a batch of val, the same on every process; each call of a step draws another."""
        self.drawn = self.drawn + 1 if self.state.step == self.drawn_at else 0
        self.drawn_at = self.state.step
        self.model.eval()
        rng = torch.Generator().manual_seed(mixed_seed(self.seed, 2, self.state.step, self.drawn))
        with self._autocast():
            return self.problem.val_loss(rng, self.batch, self.state.step)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.in_bf16)

    @torch.no_grad()
    def _look(self, loss: float, rate: float) -> None:
        self.model.eval()
        for _, statistic in sorted(self.tuned.statistics().items()):
            _share(statistic)
        score, judged = self.problem.validate()
        state = self.state
        epoch = state.step // self.per_epoch
        found = {
            "epoch": epoch, "step": state.step, "train_loss": loss, **judged, "lr": self.training.lr * rate,
        }  # fmt: skip
        state.history.append(found)
        state.movement += movement(self.tuned, self.constraint.radii(self.optimizer.optimizer), epoch)
        self.accelerator.log(found, step=state.step)
        if score > state.best:
            state.best, state.best_epoch = score, epoch
            state.best_tuned = self.tuned.tuned()

    def keep(self) -> None:
        """Write the state, whole or not at all."""
        if self.run is None or not self.accelerator.is_main_process:
            return
        optimizer = None if self.finished else self.optimizer.optimizer
        write_state(self.run, self.identity, self.state, self.tuned, optimizer)

    def resume(self) -> None:
        """Go on from the state on disk, if there is one."""
        if self.run is not None:
            found = read_state(self.run, self.identity, self.tuned, self.optimizer.optimizer)
            self.state = found or self.state


def _share(tensor: Tensor) -> None:
    """Every process has that of the first."""
    if torch.distributed.is_initialized():
        torch.distributed.broadcast(tensor, 0)


def _gathered(outputs: Tensor) -> Tensor:
    """Outputs of all processes, in the order of their ranks, with gradients to each."""
    if not torch.distributed.is_initialized() or torch.distributed.get_world_size() == 1:
        return outputs
    from torch.distributed.nn.functional import all_gather

    return torch.cat(list(all_gather(outputs)))  # type: ignore[no-untyped-call]
