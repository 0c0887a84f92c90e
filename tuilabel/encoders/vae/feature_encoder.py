"""The encoder that uses a VAE on the features of a network. Imports torch only to encode and train."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.encoders.base import Encoder, EncoderOptions
from tuilabel.encoders.cache import Latents, OnProgress, digest_of, no_progress, read_cached, write_cached
from tuilabel.encoders.image_input import ImageInput
from tuilabel.encoders.networks.encoder import NetworkEncoder
from tuilabel.encoders.networks.network import describe_network
from tuilabel.encoders.networks.views import View
from tuilabel.encoders.vae.header import (
    ON_FEATURES,
    CheckpointHeader,
    FeatureSource,
    feature_encoder,
    find_checkpoint,
    no_checkpoint,
    own_checkpoint,
    place_of,
    project_checkpoint,
    read_header,
    training_command,
)
from tuilabel.errors import TuilabelError

if TYPE_CHECKING:
    from tuilabel.encoders.vae.export import FeatureLatentModule
    from tuilabel.encoders.vae.feature_model import FeatureVAE
    from tuilabel.encoders.vae.meter import TrainProgress
    from tuilabel.encoders.vae.settings import FeatureSettings

CHUNK = 2_000
EPOCH_COST = 0.01  # how long an image of an epoch takes, compared with the features of one


@dataclass(frozen=True)
class FeatureVAEEncoder(Encoder):
    """The VAE in a checkpoint, on the features of a network.

    Latents are the posterior means, which compare images, followed by the principal components of the features, which
    the learner also sees (`Latents.compact`).
    """

    network: str
    checkpoint: Path

    @property
    def name(self) -> str:
        """`vae-on:` and the network's name."""
        return feature_encoder(self.network)

    @property
    def path(self) -> Path:
        """The checkpoint."""
        return self.checkpoint

    def training_command(self, dataset: str) -> str:
        """See `Encoder.training_command`."""
        return training_command(dataset, self.network)

    @classmethod
    def choose(cls, pool: ImagePool, options: EncoderOptions) -> FeatureVAEEncoder:
        """The VAE in `options.checkpoint`, else the user's own for these images, else the project's.

        Raises
        ------
        TuilabelError : if a checkpoint is missing, damaged or made for other features.
        """
        network = options.encoder.removeprefix(ON_FEATURES)
        if options.checkpoint is not None or pool.is_builtin:
            encoder = cls(network, find_checkpoint(pool.name, options.checkpoint, network))
            encoder.check(pool)
            return encoder
        # The VAE that the user trained, else the one that is trained in the background of a session.
        trained = cls(network, own_checkpoint(pool, network))
        if options.project is None or not trained.needs_training(pool):
            return trained
        return cls(network, project_checkpoint(options.project, network))

    @property
    def backbone(self) -> NetworkEncoder:
        """The encoder that computes the features."""
        return NetworkEncoder(self.network)

    def fetch(self, on_progress: OnProgress = no_progress) -> None:
        """See `Encoder.fetch`."""
        self.backbone.fetch(on_progress)

    def needs_training(self, pool: ImagePool) -> bool:
        """Whether there is no checkpoint, or it is damaged or was trained on other features."""
        try:
            self.check(pool)
        except TuilabelError:
            return True
        return False

    def check(self, pool: ImagePool) -> None:
        """Raise `TuilabelError` if there is no checkpoint, or it is damaged or for other features."""
        if not self.checkpoint.is_file():
            raise no_checkpoint(pool.name, self.network)
        source = read_header(self.checkpoint).features
        again = f"train one with `{self.training_command(pool.name)}`"
        if source is None:
            raise TuilabelError(f"{self.checkpoint} holds a VAE of images, not of features: {again}")
        if source.network != self.network:
            raise TuilabelError(
                f"the checkpoint is for features of {source.network}, not {self.network}: pass "
                f"`encoder='{feature_encoder(source.network)}'`, or {again}"
            )
        described = describe_network(self.network)
        if described.digest not in (None, source.digest):
            raise TuilabelError(f"the checkpoint is for other weights of {self.network} than those here: {again}")
        side = self.backbone.side(pool)
        if source.side != side:
            raise TuilabelError(
                f"the checkpoint is for images seen at {source.side} pixels by {self.network}, those of {pool.name} "
                f"are seen at {side}: {again}"
            )

    def train(
        self,
        pool: ImagePool,
        *,
        device: str = "auto",
        seed: int = 0,
        on_progress: OnProgress = no_progress,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """See `Encoder.train`; features come first, then training, whose checkpoint is written at its end."""
        from tuilabel.encoders.vae.run import resume_or_restart
        from tuilabel.encoders.vae.settings import FeatureSettings

        settings = FeatureSettings.for_features(len(pool), pool.augmentations, seed=seed)
        seen = (1 + settings.copies) * len(pool)
        total = seen + round(EPOCH_COST * settings.epochs * len(pool))

        def report(now: TrainProgress) -> None:
            share = (now.epoch - 1 + now.images_done / now.images_total) / now.epochs
            on_progress(min(total, seen + round(share * (total - seen))), total)

        def start(resume: bool) -> None:
            self.train_with(
                pool,
                settings,
                device=device,
                resume=resume,
                on_features=lambda done, _: on_progress(done, total),
                on_progress=report,
                should_stop=should_stop,
            )

        resume_or_restart(start, self.checkpoint, should_stop)

    def train_with(
        self,
        pool: ImagePool,
        settings: FeatureSettings,
        *,
        command: str = "",
        device: str = "auto",
        resume: bool = False,
        on_features: OnProgress = no_progress,
        on_progress: Callable[[TrainProgress], None] = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> tuple[FeatureVAE, CheckpointHeader]:
        """Train the VAE with these settings and write the checkpoint; see `train_vae`.

        Parameters
        ----------
        on_features : called with (images done, images in total) while features are computed; those that are finished
            are kept when that is stopped.
        on_progress : called while the VAE is trained.
        """
        from tuilabel.encoders.vae.feature_training import train_feature_vae

        features, copies = self.features(pool, settings, device, on_features, should_stop)
        backbone = self.backbone
        digest = describe_network(self.network).digest
        assert digest is not None  # the features are there
        height, width, channels = pool.images.shape[1:]
        return train_feature_vae(
            features,
            copies,
            settings,
            self.checkpoint,
            source=FeatureSource(self.network, digest, backbone.side(pool)),
            image_shape=(height, width, channels),
            dataset=pool.name,
            fingerprint=pool.fingerprint,
            place=place_of(pool),
            command=command,
            device=device,
            resume=resume,
            on_progress=on_progress,
            should_stop=should_stop,
        )

    def features(
        self,
        pool: ImagePool,
        settings: FeatureSettings,
        device: str = "auto",
        on_progress: OnProgress = no_progress,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> tuple[NDArray[np.float16], list[NDArray[np.float16]]]:
        """What the VAE is trained on, from the cache or computed now: features of the images, and of their copies.

        Raises
        ------
        TrainingStopped : if `should_stop` returned True; the features that are finished are kept.
        TuilabelError, UsageError : see `NetworkEncoder.features`.
        """
        from tuilabel.encoders.vae.run import TrainingStopped

        count, backbone = len(pool), self.backbone

        def progress(part: int) -> OnProgress:
            def report(done: int, _total: int) -> None:
                on_progress(part * count + done, (1 + settings.copies) * count)
                if should_stop():
                    raise TrainingStopped("stopped before the first epoch; the features so far are kept")

            return report

        features = backbone.last_block(backbone.features(pool, device, progress(0)))
        copies = [
            backbone.features(pool, device, progress(1 + number), view=View(settings.augmentations, number))
            for number in range(settings.copies)
        ]
        return features, copies

    def available(self, pool: ImagePool) -> Latents | None:
        """The latents in the cache, if they are complete."""
        components = self.backbone.available(pool) if self.checkpoint.is_file() else None
        if components is None:
            return None
        latents = read_cached(pool, self._cache_path(components))
        return None if latents is None else self._divided(latents, components)

    def encode(self, pool: ImagePool, device: str = "auto", on_progress: OnProgress = no_progress) -> Latents:
        """See `Encoder.encode`."""
        self.check(pool)
        latents = self.available(pool)
        if latents is not None:
            return latents
        backbone = self.backbone
        components = backbone.encode(pool, device, on_progress)

        def rows(start: int) -> Iterator[NDArray[np.float32]]:
            yield from self._rows(backbone.features(pool, device)[start:], components, components.pool[start:], device)
            if components.test is not None:
                yield from self._rows(backbone.features(pool, device, test=True), components, components.test, device)

        return self._divided(write_cached(pool, self._cache_path(components), rows), components)

    def encode_others(
        self, others: ImagePool, pool: ImagePool, device: str = "auto", on_progress: OnProgress = no_progress
    ) -> NDArray[np.float32]:
        """See `Encoder.encode_others`."""
        self.check(pool)
        backbone = self.backbone
        components = backbone.encode(pool, device)
        projected = backbone.encode_others(others, pool, device, on_progress)
        features = backbone.features(others, device, like=pool)
        return np.concatenate([*self._rows(features, components, projected, device)])

    def export_input(self, pool: ImagePool) -> ImageInput:
        """The images that its network takes."""
        return self.backbone.export_input(pool)

    def export_module(self, pool: ImagePool) -> FeatureLatentModule:
        """Network, VAE and components of all features as one network."""
        from tuilabel.encoders.vae.checkpoint import load_feature_checkpoint
        from tuilabel.encoders.vae.export import FeatureLatentModule

        network, projection = self.backbone.export_module(pool)
        model, _ = load_feature_checkpoint(self.checkpoint)
        return FeatureLatentModule(network, projection, model, self.backbone.encode(pool).compact or 0)

    def _rows(
        self, features: NDArray[np.float16], components: Latents, projected: NDArray[np.float32], device: str
    ) -> Iterator[NDArray[np.float32]]:
        """Posterior means of features (n, F), followed by the components of all their blocks; a block at a time."""
        import torch

        from tuilabel.encoders.device import resolve_device
        from tuilabel.encoders.vae.checkpoint import load_feature_checkpoint

        on = resolve_device(device)
        model, _ = load_feature_checkpoint(self.checkpoint, on)
        last = self.backbone.last_block(features)
        for start in range(0, len(features), CHUNK):
            part = slice(start, start + CHUNK)
            with torch.inference_mode():
                means = model.latents(torch.from_numpy(last[part].astype(np.float32)).to(on)).cpu().numpy()
            if not np.isfinite(means).all():
                raise TuilabelError(f"{self.checkpoint} gives latents that are not finite: train the VAE again")
            yield np.concatenate([means, projected[part, components.compact or 0 :]], axis=1, dtype=np.float32)

    def _divided(self, latents: Latents, components: Latents) -> Latents:
        wide = components.pool.shape[1] - (components.compact or 0)
        return replace(latents, compact=latents.pool.shape[1] - wide)

    def _cache_path(self, components: Latents) -> Path:
        """The cache file: its name stands for the images, the network, its projection, and the VAE."""
        assert components.path is not None
        return components.path.with_name(f"{components.path.stem}-{digest_of(self.checkpoint)}.npy")
