"""A VAE of the images beside the features of a pretrained network. Imports torch only to encode and train.

Where classes come apart by shape, the VAE's latents compare images better than a network that has learned from
photographs; but that network knows textures and parts that a VAE leaves out. So the latents of the VAE, which draw the
first neighbour graph and are what strategies cover, come first, and the learner sees the network's features as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.encoders.base import Decoder, Encoder, EncoderOptions, TextSearch
from tuilabel.encoders.cache import Latents, OnProgress, digest_of, no_progress, read_cached, write_cached
from tuilabel.encoders.image_input import ImageInput
from tuilabel.encoders.networks.encoder import NetworkEncoder
from tuilabel.encoders.networks.pictures import SAMPLE
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.errors import TuilabelError

if TYPE_CHECKING:
    from tuilabel.encoders.joint_module import JointModule

CHUNK = 16_384  # rows
VAE_AND = "vae+"
"""What the name of such an encoder begins with; the name of a network follows."""


@dataclass(frozen=True)
class JointEncoder(Encoder):
    """The means of a VAE of the images, which compare them, then the components of all of a network's features."""

    vae: VAEEncoder
    network: NetworkEncoder

    @property
    def name(self) -> str:
        """`vae+` and the network's name."""
        return f"{VAE_AND}{self.network.name}"

    @property
    def path(self) -> Path:
        """The checkpoint of the VAE."""
        return self.vae.checkpoint

    @classmethod
    def choose(cls, pool: ImagePool, options: EncoderOptions) -> JointEncoder:
        """The VAE as for `--encoder vae`, see `VAEEncoder.choose`, and the network of the name."""
        network = replace(options, encoder=options.encoder.removeprefix(VAE_AND))
        return cls(VAEEncoder.choose(pool, options), NetworkEncoder.choose(pool, network))

    def fetch(self, on_progress: OnProgress = no_progress) -> None:
        """See `Encoder.fetch`."""
        self.network.fetch(on_progress)

    def needs_training(self, pool: ImagePool) -> bool:
        """Whether its VAE does."""
        return self.vae.needs_training(pool)

    def train(
        self,
        pool: ImagePool,
        *,
        device: str = "auto",
        seed: int = 0,
        on_progress: OnProgress = no_progress,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Train its VAE."""
        self.vae.train(pool, device=device, seed=seed, on_progress=on_progress, should_stop=should_stop)

    def available(self, pool: ImagePool) -> Latents | None:
        """The latents, if those of both parts are in the cache."""
        means, components = self.vae.available(pool), self.network.available(pool)
        return None if means is None or components is None else self._beside(pool, means, components)

    def encode(self, pool: ImagePool, device: str = "auto", on_progress: OnProgress = no_progress) -> Latents:
        """See `Encoder.encode`."""
        means = self.vae.encode(pool, device)
        return self._beside(pool, means, self.network.encode(pool, device, on_progress))

    def encode_others(
        self, others: ImagePool, pool: ImagePool, device: str = "auto", on_progress: OnProgress = no_progress
    ) -> NDArray[np.float32]:
        """See `Encoder.encode_others`."""
        compact = self.network.encode(pool, device).compact or 0
        means = self.vae.encode_others(others, pool, device)
        components = self.network.encode_others(others, pool, device, on_progress)
        return np.concatenate([means, components[:, compact:]], axis=1)

    def decoder(self) -> Decoder:
        """That of the VAE, which takes the first columns."""
        return self.vae.decoder()

    def text_search(self, pool: ImagePool) -> TextSearch | None:
        """By the network, if it knows texts."""
        return self.network.text_search(pool)

    def export_input(self, pool: ImagePool) -> ImageInput:
        """The images as they are, if both parts see them so; else see `export_module`."""
        return self.vae.export_input(pool)

    def export_module(self, pool: ImagePool) -> JointModule:
        """Both parts as one network, from images of the pool's size.

        Raises
        ------
        TuilabelError : if they do not see the same images; see `Encoder.export_module`.
        """
        from tuilabel.encoders.joint_module import JointModule

        height, width = pool.images.shape[1:3]
        side = self.network.side(pool)
        sample = np.unique(np.linspace(0, len(pool) - 1, SAMPLE).astype(np.int64))
        copies = any(pool.size_of(index) != (width, height) for index in sample.tolist())
        if copies or max(height, width) >= side:
            raise TuilabelError(
                f"a model that uses {self.name} cannot be exported for images of this size: the VAE sees small copies, "
                f"and the network does not; `predict` works with it, or choose `encoder='{self.network.name}'`"
            )
        network, projection = self.network.export_module(pool)
        vae = self.vae.export_module(pool)
        compact = self.network.encode(pool).compact or 0
        return JointModule(vae, network, projection, compact, (height, width), side)

    def _beside(self, pool: ImagePool, means: Latents, components: Latents) -> Latents:
        assert components.path is not None
        path = components.path.with_name(f"{components.path.stem}-beside-{digest_of(self.vae.checkpoint)}.npy")
        compact = components.compact or 0

        def rows(_start: int) -> Iterator[NDArray[np.float32]]:
            for left, right in ((means.pool, components.pool), (means.test, components.test)):
                if left is not None and right is not None:
                    for start in range(0, len(left), CHUNK):
                        part = slice(start, start + CHUNK)
                        yield np.concatenate([left[part], right[part, compact:]], axis=1)

        latents = read_cached(pool, path) or write_cached(pool, path, rows)
        return replace(latents, compact=means.pool.shape[1])
