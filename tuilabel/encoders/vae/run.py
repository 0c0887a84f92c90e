"""The training loop of all VAEs: epochs, losses, and a state from which an interrupted training is resumed exactly."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, Protocol, TypedDict, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuilabel.encoders.device import precision
from tuilabel.encoders.vae.checkpoint import load_tensors, save_checkpoint, save_tensors
from tuilabel.encoders.vae.header import CheckpointHeader, partial_path
from tuilabel.encoders.vae.objective import Autoencoder, LossTerms
from tuilabel.encoders.vae.optimizer import OneCycle
from tuilabel.encoders.vae.processes import Part, Processes, joined, own_device
from tuilabel.encoders.vae.settings import TrainSettings
from tuilabel.errors import TuilabelError

log = logging.getLogger(__name__)

Model = TypeVar("Model", bound=Autoencoder)


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


class TrainingStopped(TuilabelError):
    """Training was stopped on request; its state is saved and can be resumed."""

    exit_code = 130


class RunOptions(TypedDict, total=False):
    """How a training runs, whatever is trained; see `train_vae`."""

    device: str
    resume: bool
    on_progress: Callable[[TrainProgress], None]
    should_stop: Callable[[], bool]


class TrainingData(Protocol):
    """What a VAE is trained on."""

    def __len__(self) -> int:
        """The number of images."""

    def views(
        self, rows: NDArray[np.int64], generator: torch.Generator, part: Part
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """A view of each image in `part` of `rows` (B,), a second one if needed, and the originals, on the device.

        `generator`, on the CPU, draws the views: for all of `rows`, so that a view is the same however these are
        divided.
        """


def train(
    model_of: Callable[[], Model],
    data: Callable[[torch.device], TrainingData],
    settings: TrainSettings,
    out: Path,
    header: CheckpointHeader,
    *,
    device: str = "auto",
    resume: bool = False,
    on_progress: Callable[[TrainProgress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    finish: Callable[[Model, torch.Generator], None] = lambda _model, _generator: None,
) -> tuple[Model, CheckpointHeader]:
    """Train a model and write its checkpoint to `out`; parameters and errors are those of `train_vae`.

    Parameters
    ----------
    model_of : creates the model, after torch's generator has been seeded.
    data : what to train it on, on a device.
    header : of the checkpoint; figures of the training are filled in.
    finish : called with the trained model in evaluation mode, before it is written.
    """
    with joined(device) as processes:
        torch_device = own_device(device, processes)
        torch.manual_seed(settings.seed)
        model = model_of().to(torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        run = _Run(model, data(torch_device), settings, out, torch_device, header, processes)
        if resume:
            run.resume()
        run.begin()
        while run.epoch < settings.epochs:
            run.train_epoch(on_progress, should_stop)
            run.save_state()
        model.eval()
        finish(model, run.generator(0))
        written = replace(run.header, created=datetime.now(UTC).isoformat(timespec="seconds"))
        if processes.first:
            save_checkpoint(out, model, written)
            partial_path(out).unlink(missing_ok=True)
    return model, written


def resume_or_restart(train: Callable[[bool], object], out: Path, should_stop: Callable[[], bool]) -> None:
    """Call `train(resume)`; an unfinished run is resumed if it has the same settings, else training starts over."""
    try:
        train(partial_path(out).exists())
    except TuilabelError as error:
        if should_stop() or not partial_path(out).exists():
            raise
        log.info("cannot resume the unfinished training (%s): starting over", error)
        partial_path(out).unlink(missing_ok=True)
        train(False)


class _Run(Generic[Model]):
    """A training in progress."""

    def __init__(
        self,
        model: Model,
        data: TrainingData,
        settings: TrainSettings,
        out: Path,
        device: torch.device,
        header: CheckpointHeader,
        processes: Processes,
    ) -> None:
        self.model, self.data, self.settings, self.out, self.device = model, data, settings, out, device
        self.header, self.processes = header, processes
        self.steps_per_epoch = max(1, len(data) // settings.batch_size)
        self.optimizer = OneCycle(model, settings.lr, settings.epochs * self.steps_per_epoch)
        self.epoch = self.step = 0
        self.seconds = 0.0

    def begin(self) -> None:
        """Get ready to train, from the beginning or from where `resume` found the training."""
        done = {"epochs finished": self.epoch, "steps of the next epoch": self.step, "images": len(self.data)}
        self.processes.check_same({**self._identity(self.header), **done})
        self.step_model = _compiled(self.processes.prepare(self.model), self.device, self.processes)

    def train_epoch(self, on_progress: Callable[[TrainProgress], None], should_stop: Callable[[], bool]) -> None:
        """Finish one pass over the images; a last batch that is not full is dropped.

        When another process is lost, the state of this one is saved if it is the first.
        """
        try:
            self._train_epoch(on_progress, should_stop)
        except RuntimeError as error:  # of torch.distributed, whose errors have no class of their own
            if self.processes.size == 1:
                raise
            self.save_state()
            raise TuilabelError(
                f"a process of the training was lost in epoch {self.epoch + 1} of {self.settings.epochs} ({error}); "
                f"the state is saved in {partial_path(self.out)}: continue with `resume=True`"
            ) from error

    def _train_epoch(self, on_progress: Callable[[TrainProgress], None], should_stop: Callable[[], bool]) -> None:
        meter = _Meter(self)
        part = self.processes.part(meter.batch_size)
        self.model.train()
        for view, second, clean, noise in self._batches(meter.batch_size, part):
            if self.processes.any(should_stop()):
                self.save_state()
                raise TrainingStopped(
                    f"stopped in epoch {self.epoch + 1} of {self.settings.epochs}; the state is saved in "
                    f"{partial_path(self.out)}"
                )
            with precision(self.device):
                terms = self.step_model(view, clean, noise, second, part)
                weights = self.settings
                loss = (
                    terms.reconstruction
                    + weights.beta * terms.kl
                    - weights.mi_weight * terms.mutual_information
                    + weights.contrastive_weight * terms.contrastive
                )
            self.optimizer.step(loss)
            self.step += 1
            meter.update(torch.stack(terms), on_progress)
        self.processes.agree(self.model)
        self.epoch, self.step = self.epoch + 1, 0
        self.header = replace(self.header, metrics=meter.metrics(), epochs_done=self.epoch)

    def _batches(self, batch_size: int, part: Part) -> Iterator[tuple[Tensor, Tensor | None, Tensor, Tensor]]:
        """Views of each image, the original images, and noise for their latents."""
        order = torch.randperm(len(self.data), generator=self.generator(0)).numpy()
        for step in range(self.step, self.steps_per_epoch):
            generator = self.generator(step + 1)
            rows = order[step * batch_size : (step + 1) * batch_size]
            on_device = torch.Generator(self.device).manual_seed(generator.initial_seed())
            noise = torch.randn(batch_size, self.settings.latent_dim, device=self.device, generator=on_device)
            yield *self.data.views(rows, generator, part), part.of(noise)

    def generator(self, number: int) -> torch.Generator:
        """A generator for step `number` of the epoch, from 1 on; 0 is for the epoch itself."""
        sequence = np.random.SeedSequence([self.settings.seed, self.epoch, number])
        return torch.Generator().manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1)))

    # -- the state of an unfinished run ---------------------------------------------------------------------------

    def save_state(self) -> None:
        """Write the state; of several processes the first one does."""
        if not self.processes.first:
            return
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors.update({f"optimizer.{name}": tensor for name, tensor in self.optimizer.state().items()})
        save_tensors(partial_path(self.out), tensors, replace(self.header, steps_done=self.step))

    def resume(self) -> None:
        path = partial_path(self.out)
        if not path.is_file():
            raise TuilabelError(f"there is no unfinished training to resume at {path}: start without `resume`")
        tensors, header = load_tensors(path)
        if header.version < self.header.version:
            raise TuilabelError(
                f"{path} was written by an earlier tuilabel, which trained differently: start without `resume`"
            )
        saved = self._identity(header)
        for name, value in self._identity(self.header).items():
            if saved.get(name) != value:
                raise TuilabelError(
                    f"{path} was trained with {name} {saved.get(name)}, not {value}: use the same settings, "
                    "or start without `resume`"
                )
        model, optimizer = (
            {name.removeprefix(part): tensor for name, tensor in tensors.items() if name.startswith(part)}
            for part in ("model.", "optimizer.")
        )
        done = header.epochs_done * self.steps_per_epoch + header.steps_done
        try:
            self.model.load_state_dict(model)
            self.optimizer.restore(optimizer, done)
        except (KeyError, RuntimeError) as error:
            raise TuilabelError(f"the training state in {path} is damaged: start without `resume`") from error
        self.header, self.epoch, self.step = replace(header, steps_done=0), header.epochs_done, header.steps_done
        self.seconds = header.metrics.get("seconds", 0.0)

    @staticmethod
    def _identity(header: CheckpointHeader) -> dict[str, Any]:
        return {
            **header.settings,
            "dataset": header.dataset,
            "images": header.fingerprint,
            "shape": header.image_shape,
            **({} if header.features is None else asdict(header.features)),
            **header.architecture,
        }


class _Meter:
    """Loss terms and speed of one epoch; reading a loss waits for the device, so only every few steps are read."""

    EVERY = 8
    REPORT_EVERY = 0.2  # seconds

    def __init__(self, run: _Run[Any]) -> None:
        self.run = run
        self.batch_size = min(run.settings.batch_size, len(run.data))
        self.steps = run.steps_per_epoch
        self.first_step = run.step
        self.totals = torch.zeros(len(LossTerms._fields), dtype=torch.float64)
        self.count = 0
        self.started = self.reported = time.perf_counter()

    def update(self, terms: Tensor, on_progress: Callable[[TrainProgress], None]) -> None:
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
        left = (self.steps * (run.settings.epochs - run.epoch) - run.step) * self.batch_size / rate
        on_progress(
            TrainProgress(
                epoch=run.epoch + 1,
                epochs=run.settings.epochs,
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


def _compiled(model: torch.nn.Module, device: torch.device, processes: Processes) -> Callable[..., LossTerms]:
    """The model, compiled on a single GPU; if compilation fails, that is logged and the model runs uncompiled."""
    if device.type != "cuda" or processes.size > 1:
        return model
    try:
        import torch._dynamo

        torch._dynamo.config.suppress_errors = True
        compiled: Callable[..., LossTerms] = torch.compile(model)
        return compiled
    except Exception as error:
        log.warning("torch.compile is not available (%s): training without it", error)
        return model
