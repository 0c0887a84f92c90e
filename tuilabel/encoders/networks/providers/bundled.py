"""The network that the package contains: no download, ever."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tuilabel.encoders.cache import OnProgress, digest_of
from tuilabel.encoders.networks.names import NetworkName
from tuilabel.encoders.networks.network import Description, Network, TorchNetwork
from tuilabel.encoders.networks.projection import Block
from tuilabel.errors import TuilabelError

if TYPE_CHECKING:
    import torch

SIDES = (96, 192)
"""Measured: digits of 20 × 32 pixels are told apart best at 96, photographs of 32 × 32 at 128, larger ones at 192."""


_CHANNELS = (48, 88, 120, 208, 352)
BLOCKS = (
    *(Block(2 * channels, 1.4) for channels in _CHANNELS),
    *(Block(3 * channels, 0.7) for channels in _CHANNELS[:-1]),
    Block(1280, 2.5),
)
"""The features of `EfficientNetLite2`, with the weights that did best on photographs and digits before a background."""


def describe(name: NetworkName) -> Description:
    """See `Provider`; raises `TuilabelError` if the file is missing."""
    return Description(SIDES, _digest(weights_file(name.model)), BLOCKS)


def fetch(_name: NetworkName, _on_progress: OnProgress) -> None:
    """See `Provider`; there is nothing to download."""


def load(name: NetworkName, device: torch.device) -> Network:
    """See `Provider`."""
    import torch

    from tuilabel.encoders.networks import efficientnet_lite

    file = weights_file(name.model)
    try:
        module = efficientnet_lite.load(file)
    except Exception as error:  # safetensors has errors of its own
        raise TuilabelError(f"{file} is damaged: install tuilabel again") from error
    mean, std = efficientnet_lite.MEAN, efficientnet_lite.STD
    return TorchNetwork(module, _digest(file), device, mean=(mean, mean, mean), std=(std, std, std), half=torch.float16)


def weights_file(name: str) -> Path:
    """The file with the weights, inside the package."""
    return Path(__file__).parents[1] / f"{name}.safetensors"


@cache
def _digest(file: Path) -> str:
    return digest_of(file)
