"""Latents from the features of a pretrained network. Imports torch only to compute features."""

from __future__ import annotations

import glob
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.encoders.base import Encoder, EncoderOptions, TextSearch
from tuilabel.encoders.cache import Latents, OnProgress, no_progress, read_cached, write_cached
from tuilabel.encoders.image_input import ImageInput
from tuilabel.encoders.networks import pictures, projection
from tuilabel.encoders.networks.feature_file import FeatureFile
from tuilabel.encoders.networks.network import (
    Network,
    TorchNetwork,
    describe_network,
    fetch_weights,
    knows_texts,
    load_network,
    load_text_tower,
)
from tuilabel.encoders.networks.projection import Projection
from tuilabel.encoders.networks.views import View
from tuilabel.errors import TuilabelError
from tuilabel.files import cache_dir

if TYPE_CHECKING:
    from torch import nn

CHUNK = 16_384  # rows that are compared with a text at once
BLOCK, SECONDS = 64, 1.0  # images, or time: after so much features are stored, and progress is reported


@dataclass(frozen=True)
class NetworkEncoder(Encoder):
    """The features of a pretrained network, projected to the principal components of the pool's; both are cached.

    Features are computed once for each image, and an interrupted extraction is resumed. The projection is that of the
    whole pool, so latents change when the pool grows.
    """

    network: str

    @property
    def name(self) -> str:
        """The network's name."""
        return self.network

    @classmethod
    def choose(cls, _pool: ImagePool, options: EncoderOptions) -> NetworkEncoder:
        """Suits every pool; the weights are loaded or downloaded when it encodes."""
        return cls(options.encoder)

    def fetch(self, on_progress: OnProgress = no_progress) -> None:
        """See `Encoder.fetch`."""
        fetch_weights(self.network, on_progress)

    def available(self, pool: ImagePool) -> Latents | None:
        """The latents, if the features of all images are in the cache."""
        features = self.available_features(pool)
        if features is None:
            return None
        test = self.available_features(pool, test=True)
        return None if test is None and pool.test is not None else self._latents(pool, features, test)

    def encode(self, pool: ImagePool, device: str = "auto", on_progress: OnProgress = no_progress) -> Latents:
        """See `Encoder.encode`."""
        latents = self.available(pool)
        if latents is not None:
            return latents
        n, m = _size(pool), _size(pool, test=True)
        features = self.features(pool, device, lambda done, _: on_progress(done, n + m))
        test = self.features(pool, device, lambda done, _: on_progress(n + done, n + m), test=True) if m else None
        return self._latents(pool, features, test)

    def encode_others(
        self, others: ImagePool, pool: ImagePool, device: str = "auto", on_progress: OnProgress = no_progress
    ) -> NDArray[np.float32]:
        """Other images, seen in the size of the pool's, with the projection of the pool."""
        project = self.projection(self.features(pool, device, on_progress))
        return project(self.features(others, device, on_progress, like=pool))

    def text_search(self, pool: ImagePool) -> TextSearch | None:
        """By the cosine of the angle between the features of text and image, before any projection."""
        if not knows_texts(self.network):
            return None

        def similarity(text: str) -> NDArray[np.float32]:
            features = self.available_features(pool)
            if features is None:
                raise TuilabelError(f"not all images are encoded by {self.network} yet: search when they are")
            wanted = load_text_tower(self.network)(text)
            cosines = [_cosine(features[start : start + CHUNK], wanted) for start in range(0, len(features), CHUNK)]
            return np.concatenate(cosines)

        return similarity

    def export_input(self, pool: ImagePool) -> ImageInput:
        """Squares of the side at which the network sees the pool."""
        return pictures.input_of_side(self.side(pool))

    def export_module(self, pool: ImagePool) -> nn.Sequential:
        """The network, then the projection of the pool; see `Encoder.export_module`."""
        from torch import nn

        from tuilabel.encoders.networks.export import NetworkFeatures, ProjectionModule

        network = load_network(self.network, "cpu")
        if not isinstance(network, TorchNetwork):
            raise TuilabelError(
                f"a model that uses the function {self.network} cannot be exported: a file cannot hold it; `predict` "
                "works with it, or choose another `encoder`"
            )
        projection = self.projection(self.features(pool))
        return nn.Sequential(NetworkFeatures(network), ProjectionModule(projection)).eval()

    def available_features(
        self, pool: ImagePool, *, test: bool = False, like: ImagePool | None = None, view: View | None = None
    ) -> NDArray[np.float16] | None:
        """What `features` returns, if that is in the cache for all images; else None."""
        if not any(_folder().glob(f"{glob.escape(self._prefix(pool))}-*")):
            return None  # without asking for the digest, which may take the import of a library
        digest = describe_network(self.network).digest
        rows = None if digest is None else self._file(pool, digest, like or pool, test, view).rows()
        total = _size(pool, test=test)
        return None if rows is None or len(rows) < total else rows[:total]

    def features(
        self,
        pool: ImagePool,
        device: str = "auto",
        on_progress: OnProgress = no_progress,
        *,
        test: bool = False,
        like: ImagePool | None = None,
        view: View | None = None,
    ) -> NDArray[np.float16]:
        """The network's features of all images of a pool, as they are, from the cache or computed now.

        Parameters
        ----------
        test : those of the test split instead.
        like : show the images to the network in the size for this pool.
        view : those of augmented copies instead; of these the last block alone, see `last_block`.

        Returns
        -------
        float16 (N, F), memory-mapped, read-only.

        Raises
        ------
        UsageError : if the network or the device is not available.
        TuilabelError : if the weights cannot be loaded, features are not finite, or the cache cannot be written.
        """
        stored = self.available_features(pool, test=test, like=like, view=view)
        if stored is not None:
            return stored
        network = load_network(self.network, device)
        file = self._file(pool, network.digest, like or pool, test, view)
        total, rows = _size(pool, test=test), file.rows()
        done = 0 if rows is None else len(rows)
        on_progress(done, total)
        side = self.side(like or pool)
        with file.writer() as write:
            batches = pictures.pictures(pool, done, side, network.batch, test=test)
            for block in self._blocks(network, batches if view is None else view.of_batches(batches, done)):
                write(done, block if view is None else self.last_block(block))
                done += len(block)
                on_progress(done, total)
        rows = file.rows()
        if rows is None or len(rows) < total:
            raise TuilabelError(f"{file.path} cannot be read back: check the disk, or set TUILABEL_CACHE")
        return rows[:total]

    def last_block(self, features: NDArray[np.float16]) -> NDArray[np.float16]:
        """The columns of features (n, F) with the network's own summary of an image."""
        blocks = describe_network(self.network).blocks
        return features[:, -blocks[-1].width :] if blocks else features

    def projection(self, features: NDArray[np.float16]) -> Projection:
        """From features to latents, fitted on features (N, F) of the whole pool."""
        return Projection.fit(features, describe_network(self.network).blocks)

    def side(self, pool: ImagePool) -> int:
        """The side in pixels at which the network sees the images of a pool."""
        return pictures.side_for(pool, describe_network(self.network).sides)

    def _blocks(self, network: Network, batches: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.float16]]:
        block: list[NDArray[np.float16]] = []
        begun = time.monotonic()
        for images in batches:
            with np.errstate(over="ignore"):
                features = network.features(images).astype(np.float16)
            if not np.isfinite(features).all():
                raise TuilabelError(f"{self.network} gives features that are not finite: use another encoder")
            block.append(features)
            if sum(map(len, block)) >= BLOCK or time.monotonic() - begun >= SECONDS:
                yield np.concatenate(block)
                block, begun = [], time.monotonic()
        if block:
            yield np.concatenate(block)

    def _prefix(self, pool: ImagePool) -> str:
        return f"{pool.cache_name}-{re.sub('[^A-Za-z0-9._-]+', '-', self.network)}"

    def _stem(self, pool: ImagePool, digest: str | None, like: ImagePool) -> str:
        """The name of cached files: all that features depend on."""
        return f"{self._prefix(pool)}-{digest}-{self.side(like)}-{pictures.VERSION}"

    def _file(self, pool: ImagePool, digest: str, like: ImagePool, test: bool, view: View | None) -> FeatureFile:
        part = "-test" if test else "" if view is None else f"-{view.name}"
        return FeatureFile(_folder() / f"{self._stem(pool, digest, like)}{part}.features")

    def _latents(self, pool: ImagePool, features: NDArray[np.float16], test: NDArray[np.float16] | None) -> Latents:
        stem = self._stem(pool, describe_network(self.network).digest, pool)
        path = cache_dir() / "latents" / f"{stem}-{projection.VERSION}-{len(pool)}.npy"  # they change as it grows

        def rows(_start: int) -> Iterator[NDArray[np.float32]]:
            project = self.projection(features)
            for part in (features, *(() if test is None else (test,))):
                for start in range(0, len(part), projection.CHUNK):
                    yield project(part[start : start + projection.CHUNK])

        latents = read_cached(pool, path) or write_cached(pool, path, rows)
        blocks = describe_network(self.network).blocks
        return replace(latents, compact=projection.compact_width(len(features), features.shape[1], blocks))


def _size(pool: ImagePool, *, test: bool = False) -> int:
    return len(pool) if not test else 0 if pool.test is None else len(pool.test.images)


def _cosine(features: NDArray[np.float16], wanted: NDArray[np.float32]) -> NDArray[np.float32]:
    """Between features (n, F) and (F,): (n,)."""
    rows = features.astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(wanted)
    cosine: NDArray[np.float32] = (rows @ wanted) / np.maximum(lengths, 1e-12)
    return cosine


def _folder() -> Path:
    return cache_dir() / "features"
