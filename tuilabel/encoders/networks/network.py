"""A loaded network: images in, features out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from tuilabel.encoders.cache import OnProgress, no_progress
from tuilabel.encoders.networks.names import NetworkName, parse_name
from tuilabel.encoders.networks.projection import Block

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

CPU_BATCH, GPU_BATCH = 8, 256
"""Images at once: on a CPU so few that the activations stay in its cache, which makes it twice as fast as 32."""


@dataclass(frozen=True)
class Description:
    """What is known about a network without loading it.

    Attributes
    ----------
    sides : the smallest and the largest useful side of the input in pixels; equal if the network takes only one size.
    digest : of its weights; None if they are not on this machine yet.
    blocks : how its features are divided, see `Block`; empty for one block.
    """

    sides: tuple[int, int]
    digest: str | None
    blocks: tuple[Block, ...] = ()


TextTower = Callable[[str], NDArray[np.float32]]
"""A text to features (F,), in the same space as those of images."""


class Network(ABC):
    """A function from images to features, on a device.

    Attributes
    ----------
    digest : of the weights, 16 hexadecimal digits: part of the name of all that is computed with them.
    batch : how many images at once are fastest.
    """

    digest: str
    batch: int = CPU_BATCH

    @abstractmethod
    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features (B, F) of images (B, S, S, 3), S a side that the network takes."""


class TorchNetwork(Network):
    """A network of torch.

    Parameters
    ----------
    module : images float32 (B, 3, S, S) to features (B, F).
    mean, std : of the pixel values 0…255 in each channel, with which the input is standardised.
    half : precision on a GPU, by default bfloat16 where there is that; on CPUs it is float32.

    Attributes
    ----------
    module : the network, in evaluation mode on its device.
    mean, std : float32 (1, 3, 1, 1), on the device.
    """

    def __init__(
        self,
        module: nn.Module,
        digest: str,
        device: torch.device,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        half: torch.dtype | None = None,
    ) -> None:
        import torch

        from tuilabel.encoders.device import half_precision
        from tuilabel.encoders.memory import Fitting

        self.digest, self.device = digest, device
        self.batch = CPU_BATCH if device.type == "cpu" else GPU_BATCH
        halved = device.type == "cuda" and half_precision(device)
        self.dtype = half or torch.bfloat16 if halved else torch.float32
        self.module = module.eval().to(device, self.dtype).to(memory_format=torch.channels_last)
        self.mean, self.std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (mean, std))
        self._fitting = Fitting(self._features, device)

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Network.features`; when memory runs out, it goes on with fewer images at once, in the end on the CPU."""
        return self._fitting(images)

    def _features(self, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.float32]:
        import torch

        if device != self.device:
            self.device, self.dtype = device, torch.float32
            self.module = self.module.to(device, torch.float32)
            self.mean, self.std = self.mean.to(device), self.std.to(device)
        with torch.inference_mode():
            features: NDArray[np.float32] = self.module(self.input_of(images)).float().cpu().numpy()
        return features

    def input_of(self, images: NDArray[np.uint8]) -> Tensor:
        """The standardised input (B, 3, S, S), channels last in memory as the images are."""
        import torch

        pixels = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).float()
        return ((pixels - self.mean) / self.std).to(self.dtype)


class Provider(Protocol):
    """A module that provides networks.

    For the bundled network only `load` needs torch; others have to import their library for every answer.
    """

    def describe(self, name: NetworkName) -> Description:
        """What is known without loading it; raises `UsageError` if there is no such network."""

    def fetch(self, name: NetworkName, on_progress: OnProgress) -> None:
        """Download its weights; `on_progress` gets (bytes done, in total); raises `TuilabelError` if that fails."""

    def load(self, name: NetworkName, device: torch.device) -> Network:
        """Load it, once its weights are there; raises `TuilabelError` if they cannot be used."""


def describe_network(name: str) -> Description:
    """What is known about a network without loading it.

    Raises
    ------
    UsageError : if there is no such network.
    """
    parsed = parse_name(name)
    return _provider(parsed).describe(parsed)


def fetch_weights(name: str, on_progress: OnProgress = no_progress) -> None:
    """Download the weights of a network if they are not on this machine.

    Parameters
    ----------
    on_progress : called with (bytes done, bytes in total), for each file.

    Raises
    ------
    UsageError : if there is no such network.
    TuilabelError : if they cannot be downloaded.
    """
    parsed = parse_name(name)
    if describe_network(name).digest is None:
        _provider(parsed).fetch(parsed, on_progress)


def load_network(name: str, device: str = "auto") -> Network:
    """Load a network; its weights are downloaded if they are not on this machine.

    Raises
    ------
    UsageError : if there is no such network, or no such device.
    TuilabelError : if its weights cannot be found, downloaded or used.
    """
    from tuilabel.encoders.device import resolve_device

    torch_device = resolve_device(device)
    fetch_weights(name)
    parsed = parse_name(name)
    return _provider(parsed).load(parsed, torch_device)


def knows_texts(name: str) -> bool:
    """Whether a network has a text tower, whose features can be compared with those of images."""
    return parse_name(name).provider == "open_clip"


@lru_cache(1)
def load_text_tower(name: str) -> TextTower:
    """The text tower of a network that `knows_texts`, on the CPU; the last one stays loaded.

    Raises
    ------
    UsageError : if there is no such network.
    TuilabelError : if its weights or its vocabulary cannot be found, downloaded or used.
    """
    from tuilabel.encoders.networks.providers import open_clip

    fetch_weights(name)
    return open_clip.load_text(parse_name(name))


def _provider(name: NetworkName) -> Provider:
    provider: Provider = import_module(f"tuilabel.encoders.networks.providers.{name.provider}")
    return provider
