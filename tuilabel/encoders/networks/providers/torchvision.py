"""`torchvision:NAME`: networks trained on ImageNet; `torchvision:NAME@FILE` takes other weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuilabel.encoders.cache import OnProgress
from tuilabel.encoders.networks.names import NetworkName
from tuilabel.encoders.networks.network import Description, Network, TorchNetwork
from tuilabel.encoders.networks.weights import (
    download,
    downloading,
    load_weights,
    other_architecture,
    sha256_of,
    weights_digest,
)
from tuilabel.errors import TuilabelError, unknown_name

if TYPE_CHECKING:
    import torch
    from torch import nn

HASH = r"-([0-9a-f]{8,})\.pth$"  # torchvision names weights by the beginning of their SHA-256
SMALLEST = 96  # pixels; the largest useful side is that of the weights' own preprocessing


def describe(name: NetworkName) -> Description:
    """See `Provider`."""
    weights, file = _weights(name)
    (side,) = weights.transforms().crop_size
    flexible = max(weights.meta["min_size"]) < side
    return Description((SMALLEST if flexible else side, side), weights_digest([file] if file.is_file() else []))


def fetch(name: NetworkName, on_progress: OnProgress) -> None:
    """See `Provider`."""
    weights, file = _weights(name)
    with downloading(name.model, file.parent):
        download(weights.url, file, on_progress)


def load(name: NetworkName, device: torch.device) -> Network:
    """See `Provider`; raises `TuilabelError` if the file does not have the digest that its name promises."""
    from torchvision import models

    weights, file = _weights(name)
    promised = re.search(HASH, file.name) if name.weights is None else None
    if promised is not None and not sha256_of(file).startswith(promised[1]):
        raise TuilabelError(f"{file} is damaged, or holds other weights than its name says: delete it")
    module, head = without_head(models.get_model(name.model), name.model)
    state = {key: value for key, value in load_weights(file).items() if key.rpartition(".")[0] != head}
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise other_architecture(name.model, file) from error
    transforms = weights.transforms()
    mean, std = ([255 * value for value in values] for values in (transforms.mean, transforms.std))
    return TorchNetwork(module, weights_digest([file]) or "", device, mean=mean, std=std)


def without_head(module: nn.Module, name: str) -> tuple[nn.Module, str]:
    """The network without its last linear layer, and what that was called."""
    from torch import nn

    heads = [path for path, layer in module.named_modules() if isinstance(layer, nn.Linear)]
    if not heads:
        raise TuilabelError(f"{name} has no linear layer at its end: use another network")
    parent, _, last = heads[-1].rpartition(".")
    setattr(module.get_submodule(parent), last, nn.Identity())
    return module, heads[-1]


def _weights(name: NetworkName) -> tuple[Any, Path]:
    """The newest weights of a network, and the file that holds them, perhaps once they were downloaded."""
    import torch
    from torchvision import models

    known = models.list_models(module=models)
    if name.model not in known:
        raise unknown_name("network of torchvision", name.model, known)
    weights = models.get_model_weights(name.model).DEFAULT
    return weights, name.weights or Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rpartition("/")[2]
