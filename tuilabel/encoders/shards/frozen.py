"""An encoder that no longer depends on the pool: it is fitted on a sample once, and then encodes image by image.

A view says how one image becomes a row of features; a head projects features to latents, and is what a sample is for.
Both are in one small file, next to the shards, from which workers on any machine load them.
"""

from __future__ import annotations

import hashlib
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets.decode import Decoded, decode, resize_to
from tuilabel.datasets.library.library import copy_shape
from tuilabel.encoders.cache import digest_of
from tuilabel.encoders.joint import VAE_AND
from tuilabel.encoders.networks import pictures
from tuilabel.encoders.networks.network import describe_network, fetch_weights, load_network
from tuilabel.encoders.networks.projection import Block, Projection
from tuilabel.encoders.pca import PCA
from tuilabel.encoders.vae.header import ON_FEATURES, read_header
from tuilabel.errors import TuilabelError, UsageError

ENCODER, CHECKPOINT = "_encoder.npz", "_vae.safetensors"

Features = Callable[[NDArray[np.uint8]], NDArray[Any]]
"""Images uint8 (n, …), as `View.prepare` makes them, to features (n, F)."""


class Head(Protocol):
    """A projection of features."""

    def __call__(self, features: NDArray[Any], /) -> NDArray[np.float32]:
        """Latents, float32 (n, D), of features (n, F)."""


class View(ABC):
    """How one image becomes a row of features, whatever the others are."""

    @property
    def needs_checkpoint(self) -> bool:
        """Whether it is a VAE's."""
        return False

    @abstractmethod
    def prepare(self, data: bytes) -> NDArray[np.uint8]:
        """The image in a file as the network gets to see it; raises `DecodeError`."""

    @abstractmethod
    def load(self, device: str, checkpoint: Path | None) -> Features:
        """The function from such images to features.

        Raises
        ------
        TuilabelError, UsageError : if weights cannot be loaded, or are others than those of the sample, or there is no
            such device.
        """


@dataclass(frozen=True)
class NetworkView(View):
    """A pretrained network sees a square."""

    network: str
    side: int
    digest: str

    def prepare(self, data: bytes) -> NDArray[np.uint8]:
        """See `View.prepare`."""
        return pictures.prepared(data, self.side)

    def load(self, device: str, _checkpoint: Path | None = None) -> Features:
        """See `View.load`."""
        network = load_network(self.network, device)
        if network.digest != self.digest:
            raise TuilabelError(
                f"the weights of {self.network} on this machine are not those that the latents were begun with: "
                "install the same ones, or name another folder by `out`"
            )

        def features(images: NDArray[np.uint8]) -> NDArray[np.float16]:
            parts = [network.features(images[k : k + network.batch]) for k in range(0, len(images), network.batch)]
            with np.errstate(over="ignore"):
                rows = np.concatenate(parts).astype(np.float16)
            if not np.isfinite(rows).all():
                raise TuilabelError(f"{self.network} gives features that are not finite: use another encoder")
            return rows

        return features


@dataclass(frozen=True)
class CopyView(View):
    """A small copy, like those in the cache of a pool: for principal components, or for a VAE."""

    shape: tuple[int, int, int]
    digest: str = ""
    """Of the VAE's checkpoint; empty for principal components, which take the copies themselves."""

    @property
    def needs_checkpoint(self) -> bool:
        """See `View.needs_checkpoint`."""
        return bool(self.digest)

    def prepare(self, data: bytes) -> NDArray[np.uint8]:
        """See `View.prepare`."""
        height, width, channels = self.shape
        return resize_to(decode(data, 2 * max(height, width)).image, height, width, channels)

    def load(self, device: str, checkpoint: Path | None) -> Features:
        """See `View.load`."""
        if checkpoint is None:
            return lambda images: images
        import torch

        from tuilabel.encoders.device import precision, resolve_device
        from tuilabel.encoders.vae.checkpoint import load_checkpoint
        from tuilabel.encoders.vae.inputs import to_input

        on = resolve_device(device)
        model, _ = load_checkpoint(checkpoint, on)

        def means(images: NDArray[np.uint8]) -> NDArray[np.float32]:
            with torch.inference_mode(), precision(on):
                rows: NDArray[np.float32] = model.latents(to_input(images, model.config, on)).float().cpu().numpy()
            if not np.isfinite(rows).all():
                raise TuilabelError("the VAE gives latents that are not finite: train it again")
            return rows

        return means


@dataclass(frozen=True)
class FrozenEncoder:
    """An encoder that is ready to encode any image.

    Attributes
    ----------
    name : of the encoder.
    head : None if features are latents.
    """

    name: str
    view: View
    head: Head | None

    @property
    def compact(self) -> int | None:
        """How many of the first columns compare images best; see `Latents`."""
        return self.head.compact if isinstance(self.head, Projection) else None

    @property
    def digest(self) -> str:
        """Of all that latents depend on besides the image, 16 hexadecimal digits."""
        digest = hashlib.blake2b(self._settings().encode(), digest_size=8)
        for array in self._arrays().values():
            digest.update(array.tobytes())
        return digest.hexdigest()

    def latents(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Latents, float32 (n, D), of features (n, F)."""
        rows: NDArray[np.float32] = (self.head(features) if self.head else features).astype(np.float32, copy=False)
        return rows

    def to_bytes(self) -> bytes:
        """The content of a file that `from_bytes` reads."""
        file = io.BytesIO()
        arrays: dict[str, Any] = {"settings": np.array(self._settings()), **self._arrays()}
        np.savez(file, allow_pickle=False, **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> FrozenEncoder:
        """The encoder in a file; raises `TuilabelError` if it is damaged. Nothing is unpickled."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                settings = json.loads(str(stored["settings"]))
                arrays = {name: stored[name] for name in stored.files if name != "settings"}
            view = _view(settings["view"])
            head: Head | None = None
            if "scale" in arrays:
                blocks = tuple(Block(int(width), float(weight)) for width, weight in settings["blocks"])
                head = Projection(blocks, **arrays, compact=int(settings["compact"]))
            elif arrays:
                head = PCA(**arrays)
            return cls(str(settings["name"]), view, head)
        except Exception as error:  # zipfile, numpy and json raise almost anything
            raise TuilabelError(f"{ENCODER} is damaged: encode into another folder") from error

    def _settings(self) -> str:
        document: dict[str, Any] = {"name": self.name, "view": asdict(self.view)}  # type: ignore[call-overload]
        if isinstance(self.head, Projection):
            document |= {"blocks": self.head.blocks, "compact": self.head.compact}
        return json.dumps(document, sort_keys=True)

    def _arrays(self) -> dict[str, NDArray[np.float32]]:
        if isinstance(self.head, Projection):
            return {"mean": self.head.mean, "scale": self.head.scale, "axes": self.head.axes}
        return {"mean": self.head.mean, "axes": self.head.axes} if isinstance(self.head, PCA) else {}


def _view(settings: dict[str, Any]) -> View:
    if "network" in settings:
        return NetworkView(**settings)
    height, width, channels = settings["shape"]
    return CopyView((height, width, channels), settings["digest"])


# -- fitting -----------------------------------------------------------------------------------------------------------


def view_for(encoder: str, images: Sequence[Decoded], checkpoint: Path | None = None) -> View:
    """How an encoder sees images like these; its weights are downloaded if they are not here.

    Parameters
    ----------
    images : some of them, at most twice as large as a small copy.
    checkpoint : of the VAE, for `vae`.

    Raises
    ------
    UsageError : if there is no such network, or the encoder needs all images at once.
    TuilabelError : if the checkpoint is damaged, or weights cannot be downloaded.
    """
    if encoder == "vae":
        if checkpoint is None:
            raise UsageError("encoder vae must have been trained: pass `checkpoint`, a file of `train-vae`")
        header = read_header(checkpoint)
        if header.features is not None:
            raise UsageError(f"checkpoint {checkpoint} is a VAE on features: shards need one of images, or a network")
        return CopyView(header.image_shape, digest_of(checkpoint))
    if encoder == "pca":
        return CopyView(copy_shape([(image.height, image.width) for image in images], not all(i.grey for i in images)))
    if encoder.startswith((ON_FEATURES, VAE_AND)):
        raise UsageError(f"encoder {encoder} must see all images at once: shards need a network, pca, or vae")
    fetch_weights(encoder)
    described = describe_network(encoder)
    assert described.digest is not None  # the weights are here
    side = pictures.side_of([image.width * image.height for image in images], described.sides)
    return NetworkView(encoder, side, described.digest)


def fit(encoder: str, view: View, features: NDArray[Any]) -> FrozenEncoder:
    """The encoder, with its head fitted on features (n, …), n ≥ 1, of a sample."""
    if isinstance(view, NetworkView):
        return FrozenEncoder(encoder, view, Projection.fit(features, describe_network(encoder).blocks))
    assert isinstance(view, CopyView)
    return FrozenEncoder(encoder, view, None if view.needs_checkpoint else PCA.fit(features))
