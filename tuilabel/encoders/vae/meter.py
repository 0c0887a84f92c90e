"""What a training reports: loss terms and speed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sized
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from tuilabel.encoders.vae.objective import LossTerms
from tuilabel.encoders.vae.processes import Processes
from tuilabel.encoders.vae.settings import TrainSettings
from tuilabel.errors import TuilabelError


@dataclass(frozen=True)
class TrainProgress:
    """The state of training; loss terms in nats per image, averaged over the epoch so far (see `LossTerms`)."""

    epoch: int
    epochs: int
    images_done: int
    images_total: int
    images_per_second: float
    reconstruction: float
    kl: float
    mutual_information: float
    contrastive: float
    seconds_left: float


class Measured(Protocol):
    """The training that is measured: `epoch` of `epochs` and `step` steps of the next one are done, in `seconds`."""

    settings: TrainSettings
    processes: Processes
    steps_per_epoch: int
    epoch: int
    step: int
    seconds: float
    epochs: int

    @property
    def rows(self) -> Sized: ...  # noqa: D102


class Meter:
    """Loss terms and speed of one epoch; reading a loss waits for the device, so only every few steps are read."""

    EVERY = 8
    REPORT_EVERY = 0.2  # seconds

    def __init__(self, run: Measured) -> None:
        self.run = run
        self.batch_size = min(run.settings.batch_size, len(run.rows))
        self.steps = run.steps_per_epoch
        self.first_step = run.step
        self.totals = torch.zeros(len(LossTerms._fields), dtype=torch.float64)
        self.count = 0
        self.started = self.reported = time.perf_counter()

    def update(self, terms: Tensor, on_progress: Callable[[TrainProgress], None]) -> None:
        """Note the loss terms of a step; raises `TuilabelError` if they are not finite."""
        run, now = self.run, time.perf_counter()
        last = run.step == self.steps
        if run.step % self.EVERY and not last:
            return
        self.totals += run.processes.mean(terms.detach()).double().cpu()
        self.count += 1
        if not bool(self.totals.isfinite().all()):
            raise TuilabelError(
                f"the loss of epoch {run.epoch + 1} is not finite: train with a lower `lr` (now {run.settings.lr})"
            )
        if now - self.reported < self.REPORT_EVERY and not last:
            return
        self.reported = now
        rate = (run.step - self.first_step) * self.batch_size / (now - self.started)
        left = (self.steps * (run.epochs - run.epoch) - run.step) * self.batch_size / rate
        on_progress(
            TrainProgress(
                epoch=run.epoch + 1,
                epochs=run.epochs,
                images_done=run.step * self.batch_size,
                images_total=self.steps * self.batch_size,
                images_per_second=rate,
                reconstruction=float(self.totals[0]) / self.count,
                kl=float(self.totals[1]) / self.count,
                mutual_information=float(self.totals[2]) / self.count,
                contrastive=float(self.totals[3]) / self.count,
                seconds_left=left,
            )
        )

    def metrics(self) -> dict[str, float]:
        """The mean loss terms of the epoch and the seconds of the whole training, for the header."""
        self.run.seconds += time.perf_counter() - self.started
        means = self.totals / max(1, self.count)
        names = (f"{name}_nats" for name in LossTerms._fields)
        return {
            **{name: round(float(mean), 4) for name, mean in zip(names, means, strict=True)},
            "seconds": round(self.run.seconds, 1),
        }
