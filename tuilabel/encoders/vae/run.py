"""The training loop of all VAEs: epochs, losses, and a state from which an interrupted training is resumed exactly."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, Protocol, TypedDict, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuilabel.encoders.device import resolve_device
from tuilabel.encoders.memory import lost, release
from tuilabel.encoders.vae.checkpoint import load_tensors, save_checkpoint, save_tensors
from tuilabel.encoders.vae.execution import Execution, fastest, usual
from tuilabel.encoders.vae.header import CheckpointHeader, partial_path, read_header
from tuilabel.encoders.vae.meter import Meter, TrainProgress
from tuilabel.encoders.vae.objective import Autoencoder, LossTerms
from tuilabel.encoders.vae.optimizer import OneCycle
from tuilabel.encoders.vae.plateau import LAST, HeldOut
from tuilabel.encoders.vae.processes import Part, Processes, joined, launched, own_device
from tuilabel.encoders.vae.settings import TrainSettings
from tuilabel.errors import TuilabelError

log = logging.getLogger(__name__)

MIN_BATCH = 16  # images per step; with fewer, a GPU whose memory runs out gives way to the CPU

Model = TypeVar("Model", bound=Autoencoder)


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
    if resume:
        settings = _as_begun(settings, out)
    while True:
        try:
            begun = replace(header, settings=asdict(settings))
            return _train(model_of, data, settings, out, begun, device, resume, on_progress, should_stop, finish)
        except torch.OutOfMemoryError as error:  # only before the first step: later ones end with `TuilabelError`
            smaller, on = settings.batch_size // 2, resolve_device(device)
            if launched().size > 1 or resume or (smaller < MIN_BATCH and device == "cpu"):
                raise TuilabelError(
                    f"memory does not suffice for {settings.batch_size} images per step: pass a smaller `batch_size`"
                ) from error
            if smaller < MIN_BATCH:
                smaller, device = header.settings["batch_size"], "cpu"
            place = " on the CPU" if device == "cpu" and on.type != "cpu" else ""
            log.warning("the memory of %s ran out: training with %d images per step%s", on, smaller, place)
            settings = replace(settings, batch_size=smaller)
        release(resolve_device(device))


def _train(
    model_of: Callable[[], Model],
    data: Callable[[torch.device], TrainingData],
    settings: TrainSettings,
    out: Path,
    header: CheckpointHeader,
    device: str,
    resume: bool,
    on_progress: Callable[[TrainProgress], None],
    should_stop: Callable[[], bool],
    finish: Callable[[Model, torch.Generator], None],
) -> tuple[Model, CheckpointHeader]:
    with joined(device) as processes:
        torch_device = own_device(device, processes)
        torch.manual_seed(settings.seed)
        model = model_of().to(torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        run = _Run(model, data(torch_device), settings, out, torch_device, header, processes)
        if resume:
            run.resume()
        run.begin()
        while run.epoch < run.epochs:
            run.train_epoch(on_progress, should_stop)
            run.save_state()
        model.eval()
        finish(model, run.generator(0))
        written = replace(run.header, created=datetime.now(UTC).isoformat(timespec="seconds"))
        if processes.first:
            save_checkpoint(out, model, written)
            partial_path(out).unlink(missing_ok=True)
    return model, written


def _as_begun(settings: TrainSettings, out: Path) -> TrainSettings:
    """The settings with the batch size of the unfinished training, if memory made it smaller."""
    try:
        size = read_header(partial_path(out)).settings.get("batch_size")
    except TuilabelError:
        return settings  # reported when it is read
    halves = settings.batch_size
    while halves > MIN_BATCH and halves != size:
        halves //= 2
    return replace(settings, batch_size=halves) if halves == size else settings


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
        self.held_out = HeldOut(len(data), settings)
        self.rows = self.held_out.others
        self.steps_per_epoch = max(1, len(self.rows) // settings.batch_size)
        self.epochs = settings.epochs  # fewer once neighbours have settled
        self.optimizer = OneCycle(model, settings.lr, settings.epochs * self.steps_per_epoch)
        self.epoch = self.step = 0
        self.seconds = 0.0

    def begin(self) -> None:
        """Get ready to train, from the beginning or from where `resume` found the training."""
        done = {"epochs finished": self.epoch, "steps of the next epoch": self.step, "images": len(self.data)}
        self.processes.check_same({**self._identity(self.header), **done})
        parallel = self.processes.prepare(self.model)
        self.execution, steps = usual(self.device), self.settings.epochs * self.steps_per_epoch
        if self.processes.size == 1:  # several must do the same, and are not compiled
            self.execution = fastest(self.device, f"{self._identity(self.header)}", steps, self._trial)
        self.step_model = _compiled(parallel, self.execution)

    def _trial(self, execution: Execution) -> Callable[[], None]:
        """A function that computes the first step, without taking it."""
        model = _compiled(self.model, execution)
        part = self.processes.part(min(self.settings.batch_size, len(self.rows)))
        view, second, clean, noise = next(self._batches(part.whole, part))
        buffers = {name: buffer.clone() for name, buffer in self.model.named_buffers()}

        def step() -> None:
            self.model.train()
            with execution.context(self.device):
                self._loss(model(view, clean, noise, second, part)).backward()  # type: ignore[no-untyped-call]
            self.model.zero_grad(set_to_none=True)
            for name, buffer in self.model.named_buffers():
                buffer.copy_(buffers[name])

        return step

    def _loss(self, terms: LossTerms) -> Tensor:
        weights = self.settings
        return (
            terms.reconstruction
            + weights.beta * terms.kl
            - weights.mi_weight * terms.mutual_information
            + weights.contrastive_weight * terms.contrastive
        )

    def train_epoch(self, on_progress: Callable[[TrainProgress], None], should_stop: Callable[[], bool]) -> None:
        """Finish one pass over the images; a last batch that is not full is dropped.

        When memory runs out, the device stops working or another process is lost, the state is saved if there is any.
        """
        begun = self.epoch, self.step
        try:
            self._train_epoch(on_progress, should_stop)
        except torch.OutOfMemoryError as error:
            if begun == (0, 0) == (self.epoch, self.step):
                raise
            raise self._ended(f"the memory of {self.device} ran out") from error
        except RuntimeError as error:  # those of torch.distributed have no class of their own
            gone = lost(self.device, error)
            if gone is None and self.processes.size == 1:
                raise
            log.info("the error was: %s", error)  # gloo's goes on for lines
            reason = f"{self.device} does not work any more" if gone else "a process of the training was lost"
            raise self._ended(reason) from error

    def _ended(self, reason: str) -> TuilabelError:
        """The error that ends a training which can be resumed."""
        saved = f"the state is saved in {partial_path(self.out)}: continue with `resume=True`"
        try:
            self.save_state()
        except (RuntimeError, TuilabelError):  # the weights are on a device that is gone
            if not partial_path(self.out).exists():
                saved = "there is no state yet to continue with"
        return TuilabelError(f"{reason} in epoch {self.epoch + 1} of {self.epochs}; {saved}")

    def _train_epoch(self, on_progress: Callable[[TrainProgress], None], should_stop: Callable[[], bool]) -> None:
        meter = Meter(self)
        part = self.processes.part(meter.batch_size)
        self.model.train()
        for view, second, clean, noise in self._batches(meter.batch_size, part):
            if self.processes.any(should_stop()):
                self.save_state()
                raise TrainingStopped(
                    f"stopped in epoch {self.epoch + 1} of {self.epochs}; the state is saved in "
                    f"{partial_path(self.out)}"
                )
            with self.execution.context(self.device):
                terms = self.step_model(view, clean, noise, second, part)
                loss = self._loss(terms)
            self.optimizer.step(loss)
            self.step += 1
            meter.update(torch.stack(terms), on_progress)
        self.processes.agree(self.model)
        metrics = {**meter.metrics(), **self._judged(self.epoch + 1)}
        self.epoch, self.step = self.epoch + 1, 0
        self.header = replace(self.header, metrics=metrics, epochs_done=self.epoch)

    def _judged(self, done: int) -> dict[str, float]:
        """Note the neighbours of held-out images after an epoch; if they no longer improve, the last ones begin."""
        held_out = self.held_out
        if not held_out:
            return {}
        with self.execution.context(self.device):
            share = held_out.measure(self.model, self.data.views) if self.processes.first else 0.0
        held_out.shares.append(self.processes.of_first(share))
        if self.epochs == self.settings.epochs > done + LAST and held_out.settled:
            self.epochs = done + LAST
            self.optimizer.hurry(LAST * self.steps_per_epoch)
        return {"common_neighbours": round(held_out.shares[-1], 4)}

    def _batches(self, batch_size: int, part: Part) -> Iterator[tuple[Tensor, Tensor | None, Tensor, Tensor]]:
        """Views of each image, the original images, and noise for their latents."""
        order = self.rows[torch.randperm(len(self.rows), generator=self.generator(0)).numpy()]
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
        tensors["shares"] = torch.tensor([self.epochs, *self.held_out.shares], dtype=torch.float64)
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
        if "shares" in tensors:
            epochs, *self.held_out.shares = tensors["shares"].tolist()
            self.epochs = int(epochs)

    @staticmethod
    def _identity(header: CheckpointHeader) -> dict[str, Any]:
        return {
            "stop_early": False,  # of earlier versions
            **header.settings,
            "dataset": header.dataset,
            "images": header.fingerprint,
            "shape": header.image_shape,
            **({} if header.features is None else asdict(header.features)),
            **header.architecture,
        }


def _compiled(model: torch.nn.Module, execution: Execution) -> Callable[..., LossTerms]:
    compiled: Callable[..., LossTerms] = torch.compile(model) if execution.compiled else model
    return compiled
