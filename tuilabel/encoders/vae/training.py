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

from tuilabel.datasets import ImagePool
from tuilabel.encoders.device import precision, resolve_device
from tuilabel.encoders.vae.augmentations import augment, get_augmentations
from tuilabel.encoders.vae.checkpoint import load_tensors, save_checkpoint, save_tensors
from tuilabel.encoders.vae.header import VERSION, CheckpointHeader
from tuilabel.encoders.vae.inputs import channels_last, to_input
from tuilabel.encoders.vae.model import MAX_SIZE, MIN_SIZE, VAE, LossTerms, VAEConfig
from tuilabel.encoders.vae.optimizer import OneCycle
from tuilabel.encoders.vae.settings import TrainSettings
from tuilabel.encoders.vae.smoothing import best_smoothing
from tuilabel.errors import TuilabelError

log = logging.getLogger(__name__)

SMOOTHING_IMAGES = 1_000  # images on which the smoothing is measured


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


def partial_path(out: Path) -> Path:
    """The file with the state of an unfinished training that writes to `out`."""
    return out.with_name(out.name + ".partial")


def model_size(height: int, width: int) -> tuple[int, int]:
    """The (height, width) of the model's input for images of this size: each side clipped to 16…128."""
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

    After every epoch, and when training is stopped, the whole state is written next to `out` (see `partial_path`).
    With `resume` training continues from it and ends with the same model as an uninterrupted run. Permutations,
    augmentations and posterior samples come from generators seeded with the epoch and the step, so that no random state
    has to be saved.

    Parameters
    ----------
    images : (N, H, W, C) uint8, C 1 or 3; may be memory-mapped.
    out : the checkpoint to write.
    dataset, fingerprint, command : for the header; see `CheckpointHeader`.
    device : "auto", "cpu", "cuda", "cuda:0", "mps".
    resume : continue from the saved state.
    on_progress : called several times a second, and at the end of each epoch.
    should_stop : called before every step.

    Returns
    -------
    The model, in evaluation mode, and the header that was written.

    Raises
    ------
    TrainingStopped : if `should_stop` returned True; the state is saved.
    TuilabelError : if there are too few images, the state to resume is missing, damaged or from another run, the loss
        becomes NaN or infinite, or a file cannot be written.
    UsageError : if the device is not available.
    """
    if len(images) < 2:
        raise TuilabelError(f"a VAE needs at least 2 images to train on, better thousands, got {len(images)}")
    run = _Run.start(images, settings, out, dataset, fingerprint, command, resolve_device(device))
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


def train_or_resume(
    pool: ImagePool,
    out: Path,
    *,
    device: str,
    seed: int,
    on_progress: Callable[[int, int], None],
    should_stop: Callable[[], bool],
) -> None:
    """Train a VAE on a pool with the settings that suit it; resume an unfinished run if it has the same settings.

    Parameters
    ----------
    out : the checkpoint to write.
    on_progress : called with (images seen, images in all epochs).

    Raises
    ------
    TuilabelError, UsageError : see `train_vae`.
    """
    settings = TrainSettings.for_pool(len(pool), pool.augmentations, seed=seed)

    def train(*, resume: bool) -> None:
        train_vae(
            pool.images,
            settings,
            out,
            dataset=pool.name,
            fingerprint=pool.fingerprint,
            device=device,
            resume=resume,
            on_progress=lambda now: on_progress(
                (now.epoch - 1) * now.images_total + now.images_done, now.epochs * now.images_total
            ),
            should_stop=should_stop,
        )

    try:
        train(resume=partial_path(out).exists())
    except TuilabelError as error:
        if should_stop() or not partial_path(out).exists():
            raise
        log.info("cannot resume the unfinished training (%s): starting over", error)
        partial_path(out).unlink(missing_ok=True)
        train(resume=False)


@dataclass
class _Run:
    images: NDArray[np.uint8]
    settings: TrainSettings
    out: Path
    device: torch.device
    model: VAE
    step_model: Callable[..., LossTerms]
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
        if not (settings.two_views and settings.mi_weight):
            config = replace(config, clusters=())
        if not (settings.two_views and settings.contrastive_weight):
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
        """Finish one pass over the images; a last batch that is not full is dropped."""
        meter = _Meter(self)
        self.model.train()
        for view, second, clean, noise in self._batches(meter.batch_size):
            if should_stop():
                self.save_state()
                raise TrainingStopped(
                    f"stopped in epoch {self.epoch + 1} of {self.settings.epochs}; the state is saved in "
                    f"{partial_path(self.out)}"
                )
            with precision(self.device):
                terms = self.step_model(view, clean, noise, second)
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
        self.epoch, self.step = self.epoch + 1, 0
        self.header = replace(self.header, metrics=meter.metrics(), epochs_done=self.epoch)

    def measure_smoothing(self) -> None:
        """Measure how much to blur images before encoding: training has only shown the model augmented views."""
        self.model.eval()
        if not self.settings.augment:
            return
        generator = self._generator(0)
        rows = torch.randperm(len(self.images), generator=generator)[:SMOOTHING_IMAGES].sort().values.numpy()
        images = to_input(self.images[rows], self.model.config, self.device)
        augmentations = get_augmentations(self.settings.augmentations)
        self.model.smoothing.fill_(best_smoothing(self.model, images, augmentations, generator))

    def _batches(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor | None, Tensor, torch.Generator]]:
        """A view of each image, a second one if needed, the original images, and a generator on the device."""
        augmentations = get_augmentations(self.settings.augmentations)
        order = torch.randperm(len(self.images), generator=self._generator(0)).numpy()
        for step in range(self.step, self.steps_per_epoch(len(self.images), self.settings)):
            generator = self._generator(step + 1)
            rows = order[step * batch_size : (step + 1) * batch_size]
            clean = to_input(self.images[rows], self.model.config, self.device)  # (B, C, H, W)
            view = augment(clean, generator, augmentations) if self.settings.augment else clean
            second = augment(clean, generator, augmentations) if self.settings.two_views else None
            noise = torch.Generator(self.device).manual_seed(generator.initial_seed())
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
            raise TuilabelError(f"there is no unfinished training to resume at {path}: start without `resume`")
        tensors, header = load_tensors(path)
        if header.version < VERSION:
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
        done = header.epochs_done * self.steps_per_epoch(len(self.images), self.settings) + header.steps_done
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
            **header.architecture,
        }


class _Meter:
    """Loss terms and speed of one epoch; reading a loss waits for the device, so only every few steps are read."""

    EVERY = 8
    REPORT_EVERY = 0.2  # seconds

    def __init__(self, run: _Run) -> None:
        self.run = run
        self.batch_size = min(run.settings.batch_size, len(run.images))
        self.steps = run.steps_per_epoch(len(run.images), run.settings)
        self.first_step = run.step
        self.totals = torch.zeros(len(LossTerms._fields), dtype=torch.float64)
        self.count = 0
        self.started = self.reported = time.perf_counter()

    def update(self, terms: Tensor, on_progress: Callable[[TrainProgress], None]) -> None:
        run, now = self.run, time.perf_counter()
        last = run.step == self.steps
        if run.step % self.EVERY and not last:
            return
        self.totals += terms.detach().double().cpu()
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


def _compiled(model: VAE, device: torch.device) -> Callable[..., LossTerms]:
    """The model, compiled on a GPU; if compilation fails, that is logged and the model runs uncompiled."""
    if device.type != "cuda":
        return model
    try:
        import torch._dynamo

        torch._dynamo.config.suppress_errors = True
        compiled: Callable[..., LossTerms] = torch.compile(model)
        return compiled
    except Exception as error:
        log.warning("torch.compile is not available (%s): training without it", error)
        return model
