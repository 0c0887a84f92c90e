"""Training a VAE on all images of a pool, without labels."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuilabel.encoders.device import channels_last, precision, resolve_device, to_input
from tuilabel.encoders.vae.augmentations import random_views, view_family
from tuilabel.encoders.vae.checkpoint import load_tensors, save_checkpoint, save_tensors
from tuilabel.encoders.vae.header import VERSION, CheckpointHeader
from tuilabel.encoders.vae.model import MAX_SIZE, MIN_SIZE, VAE, Terms, VAEConfig
from tuilabel.encoders.vae.optimizer import OneCycle
from tuilabel.encoders.vae.settings import TrainSettings
from tuilabel.encoders.vae.smoothing import best_smoothing
from tuilabel.errors import TuilabelError, pluralize

log = logging.getLogger(__name__)

MEASURED = 1_000  # images on which the smoothing is measured


@dataclass(frozen=True)
class TrainProgress:
    """Where training stands; losses in nats per image, averaged over the epoch so far."""

    epoch: int
    epochs: int
    images_done: int
    images_total: int
    images_per_second: float
    reconstruction: float
    kl: float
    information: float
    """Mutual information between the clusters of two views, in nats."""
    contrast: float
    """Cross-entropy of finding the other view of an image, in nats."""
    seconds_left: float


class TrainingStopped(TuilabelError):
    """Training was asked to stop; what it has learnt is saved and can be resumed."""

    exit_code = 130


def partial_path(out: Path) -> Path:
    """Where the state after the last finished epoch stands while training runs."""
    return out.with_name(out.name + ".partial")


def model_size(height: int, width: int) -> tuple[int, int]:
    """The model's (height, width) for images of a size: the same where it is within 16…128, else the nearest."""
    return min(MAX_SIZE, max(MIN_SIZE, height)), min(MAX_SIZE, max(MIN_SIZE, width))


def train_vae(
    images: NDArray[np.uint8],
    settings: TrainSettings,
    out: Path,
    *,
    dataset: str,
    fingerprint: str,
    command: str = "",
    device: str = "auto",
    resume: bool = False,
    on_progress: Callable[[TrainProgress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[VAE, CheckpointHeader]:
    """Train a VAE and write its checkpoint to `out`.

    After every epoch, and when it is asked to stop, the whole state is written beside `out` (see `partial_path`);
    with `resume` training goes on from there and gives what an uninterrupted run would have given. Permutations,
    views and posterior samples come from generators seeded with the epoch and the step, so that the state needs none.

    Parameters
    ----------
    images : (N, H, W, C) uint8, C 1 or 3; may be memory-mapped.
    dataset, fingerprint, command : for the header.
    should_stop : asked before every step.

    Returns
    -------
    The model in evaluation mode and the header as written.

    Raises
    ------
    TrainingStopped : where `should_stop` said so; the state is saved.
    TuilabelError : too few images; a state to resume that is missing, damaged or of another run; losses that are
        no numbers; a file that cannot be written.
    UsageError : a device that is not here.
    """
    if len(images) < 2:
        raise TuilabelError(
            f"a VAE cannot learn from {pluralize(len(images), 'image')}: give at least 2, better thousands"
        )
    where = resolve_device(device)
    run = _Run.start(images, settings, out, dataset, fingerprint, command, where)
    if resume:
        run.resume()
    while run.epoch < settings.epochs:
        run.train_epoch(on_progress, should_stop)
        run.save_state()
    run.measure_smoothing()
    header = replace(run.header, created=datetime.now(UTC).isoformat(timespec="seconds"))
    save_checkpoint(out, run.model, header)
    partial_path(out).unlink(missing_ok=True)
    return run.model, header


@dataclass
class _Run:
    images: NDArray[np.uint8]
    settings: TrainSettings
    out: Path
    device: torch.device
    model: VAE
    step_model: Callable[..., Terms]
    optimizer: OneCycle
    header: CheckpointHeader
    epoch: int = 0
    step: int = 0
    seconds: float = 0.0

    @classmethod
    def start(
        cls,
        images: NDArray[np.uint8],
        settings: TrainSettings,
        out: Path,
        dataset: str,
        fingerprint: str,
        command: str,
        device: torch.device,
    ) -> _Run:
        height, width, channels = images.shape[1:]
        size = model_size(height, width)
        config = VAEConfig(*size, channels, settings.latent_dim)
        if not (settings.two_views and settings.information):
            config = replace(config, clusters=())
        if not (settings.two_views and settings.contrast):
            config = replace(config, projection=0)
        torch.manual_seed(settings.seed)
        model = VAE(config).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        steps = settings.epochs * cls.steps_per_epoch(len(images), settings)
        optimizer = OneCycle(model, settings.lr, steps)
        header = CheckpointHeader(
            architecture=config.to_json(),
            image_shape=(height, width, channels),
            dataset=dataset,
            fingerprint=fingerprint,
            settings=asdict(settings),
            metrics={},
            command=command,
            created="",
        )
        return cls(images, settings, out, device, model, _compiled(model, device), optimizer, header)

    @staticmethod
    def steps_per_epoch(n_images: int, settings: TrainSettings) -> int:
        return max(1, n_images // settings.batch_size)

    def train_epoch(self, on_progress: Callable[[TrainProgress], None], should_stop: Callable[[], bool]) -> None:
        """The rest of a pass over the images; a last batch that is not full is left to the next permutation."""
        meter = _Meter(self)
        self.model.train()
        for view, second, clean, noise in self._batches(meter.batch_size):
            if should_stop():
                self.save_state()
                raise TrainingStopped(
                    f"stopped in epoch {self.epoch + 1} of {self.settings.epochs}, the state is saved in "
                    f"{partial_path(self.out)}"
                )
            with precision(self.device):
                terms = self.step_model(view, clean, noise, second)
                weight = self.settings
                loss = terms.reconstruction + weight.beta * terms.kl
                loss = loss - weight.information * terms.information + weight.contrast * terms.contrast
            self.optimizer.step(loss)
            self.step += 1
            meter.read(torch.stack(terms), on_progress)
        self.epoch, self.step = self.epoch + 1, 0
        self.header = replace(self.header, metrics=meter.metrics(), epochs_done=self.epoch)

    def measure_smoothing(self) -> None:
        """How soft the model wants whole images, which it has not met in training."""
        self.model.eval()
        if not self.settings.augment:
            return
        draw = self._generator(0)
        chosen = torch.randperm(len(self.images), generator=draw)[:MEASURED].sort().values.numpy()
        images = to_input(self.images[chosen], self.model.config, self.device)
        self.model.smoothing.fill_(best_smoothing(self.model, images, view_family(self.settings.views), draw))

    def _batches(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor | None, Tensor, torch.Generator]]:
        """A view, another where two are needed, the clean images, and a generator on the device."""
        family = view_family(self.settings.views)
        order = torch.randperm(len(self.images), generator=self._generator(0)).numpy()
        for step in range(self.step, self.steps_per_epoch(len(self.images), self.settings)):
            draw = self._generator(step + 1)
            chosen = order[step * batch_size : (step + 1) * batch_size]
            clean = to_input(self.images[chosen], self.model.config, self.device)  # (B, C, H, W)
            view = random_views(clean, draw, family) if self.settings.augment else clean
            second = random_views(clean, draw, family) if self.settings.two_views else None
            noise = torch.Generator(self.device).manual_seed(draw.initial_seed())
            yield channels_last(view), None if second is None else channels_last(second), clean, noise

    def _generator(self, number: int) -> torch.Generator:
        sequence = np.random.SeedSequence([self.settings.seed, self.epoch, number])
        return torch.Generator().manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1)))

    # -- the state of an unfinished run ---------------------------------------------------------------------------

    def save_state(self) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors.update({f"optimizer.{name}": tensor for name, tensor in self.optimizer.state().items()})
        save_tensors(partial_path(self.out), tensors, replace(self.header, steps_done=self.step))

    def resume(self) -> None:
        path = partial_path(self.out)
        if not path.is_file():
            raise TuilabelError(f"nothing to resume at {path}: start without --resume")
        tensors, header = load_tensors(path)
        if header.version < VERSION:
            raise TuilabelError(
                f"{path} was begun by an earlier tuilabel, which trained otherwise: start without --resume"
            )
        mine, theirs = self._identity(self.header), self._identity(header)
        for name, value in mine.items():
            if theirs.get(name) != value:
                raise TuilabelError(
                    f"{path} was trained with {name} {theirs.get(name)}, not {value}: give the same options, "
                    "or start without --resume"
                )
        model, moments = (
            {name.removeprefix(part): tensor for name, tensor in tensors.items() if name.startswith(part)}
            for part in ("model.", "optimizer.")
        )
        done = header.epochs_done * self.steps_per_epoch(len(self.images), self.settings) + header.steps_done
        try:
            self.model.load_state_dict(model)
            self.optimizer.restore(moments, done)
        except (KeyError, RuntimeError) as error:
            raise TuilabelError(f"the training state in {path} is damaged: start without --resume") from error
        self.header, self.epoch, self.step = replace(header, steps_done=0), header.epochs_done, header.steps_done
        self.seconds = header.metrics.get("seconds", 0.0)

    @staticmethod
    def _identity(header: CheckpointHeader) -> dict[str, Any]:
        return {
            **header.settings,
            "dataset": header.dataset,
            "images": header.fingerprint,
            "shape": header.image_shape,
            **header.architecture,
        }


class _Meter:
    """Losses and pace of one epoch; reading a loss waits for the device, so only every few steps are read."""

    EVERY = 8
    SHOWN_EVERY = 0.2  # seconds

    def __init__(self, run: _Run) -> None:
        self.run = run
        self.batch_size = min(run.settings.batch_size, len(run.images))
        self.steps = run.steps_per_epoch(len(run.images), run.settings)
        self.first = run.step
        self.totals = torch.zeros(len(Terms._fields), dtype=torch.float64)
        self.count = 0
        self.begin = self.shown = time.perf_counter()

    def read(self, terms: Tensor, on_progress: Callable[[TrainProgress], None]) -> None:
        run, now = self.run, time.perf_counter()
        last = run.step == self.steps
        if run.step % self.EVERY and not last:
            return
        self.totals += terms.detach().double().cpu()
        self.count += 1
        if not bool(self.totals.isfinite().all()):
            raise TuilabelError(f"the loss of epoch {run.epoch + 1} is no number: train with a lower --lr")
        if now - self.shown < self.SHOWN_EVERY and not last:
            return
        self.shown = now
        rate = (run.step - self.first) * self.batch_size / (now - self.begin)
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
                information=float(self.totals[2]) / self.count,
                contrast=float(self.totals[3]) / self.count,
                seconds_left=left,
            )
        )

    def metrics(self) -> dict[str, float]:
        """What the header tells of the last epoch, and the seconds of all."""
        self.run.seconds += time.perf_counter() - self.begin
        means = self.totals / max(1, self.count)
        names = (f"{name}_nats" for name in Terms._fields)
        return {
            **{name: round(float(mean), 4) for name, mean in zip(names, means, strict=True)},
            "seconds": round(self.run.seconds, 1),
        }


def _compiled(model: VAE, device: torch.device) -> Callable[..., Terms]:
    """The model, compiled on a GPU; where the compiler fails it says so in the log and the plain model runs."""
    if device.type != "cuda":
        return model
    try:
        import torch._dynamo

        torch._dynamo.config.suppress_errors = True
        compiled: Callable[..., Terms] = torch.compile(model)
        return compiled
    except Exception as error:
        log.warning("torch.compile is not available (%s): training without it", error)
        return model
