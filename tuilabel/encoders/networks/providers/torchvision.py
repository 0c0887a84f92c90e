"""Networks of torchvision, trained on ImageNet."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuilabel.encoders.networks.names import NetworkName
from tuilabel.encoders.networks.network import Description, Network, TorchNetwork
from tuilabel.encoders.networks.weights import downloaded, weights_digest
from tuilabel.errors import TuilabelError, unknown_name

if TYPE_CHECKING:
    import torch
    from torch import nn

HASH = r"-([0-9a-f]{8,})\.pth$"  # torchvision names weights by the beginning of their SHA-256
SMALLEST = 96  # pixels; the largest useful side is that of the weights' own preprocessing


def describe(name: NetworkName) -> Description:
    """See `Provider`."""
    weights, file = _weights(name.model)
    (side,) = weights.transforms().crop_size
    flexible = max(weights.meta["min_size"]) < side
    return Description((SMALLEST if flexible else side, side), weights_digest(file)[:16] if file.is_file() else None)


def load(name: NetworkName, device: torch.device) -> Network:
    """See `Provider`."""
    import torch
    from torchvision import models

    weights, file = _weights(name.model)
    module: nn.Module = models.get_model(name.model)
    state = downloaded(
        name.model,
        str(file.parent),
        lambda: torch.hub.load_state_dict_from_url(weights.url, progress=False, weights_only=True, check_hash=True),
    )
    expected = re.search(HASH, file.name)
    digest = weights_digest(file)
    if expected is not None and not digest.startswith(expected[1]):
        raise TuilabelError(f"{file} is damaged, or holds other weights than its name says: delete it")
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise TuilabelError(f"{file} is damaged: delete it") from error
    transforms = weights.transforms()
    mean, std = ([255 * value for value in values] for values in (transforms.mean, transforms.std))
    return TorchNetwork(without_head(module, name.model), digest[:16], device, mean=mean, std=std)


def without_head(module: nn.Module, name: str) -> nn.Module:
    """The network without its last linear layer."""
    from torch import nn

    heads = [path for path, layer in module.named_modules() if isinstance(layer, nn.Linear)]
    if not heads:
        raise TuilabelError(f"{name} has no linear layer at its end: use another network")
    parent, _, last = heads[-1].rpartition(".")
    setattr(module.get_submodule(parent), last, nn.Identity())
    return module


def _weights(model: str) -> tuple[Any, Path]:
    """The newest weights of a network, and the file in torch's cache that holds them once they were downloaded."""
    import torch
    from torchvision import models

    known = models.list_models(module=models)
    if model not in known:
        raise unknown_name("network of torchvision", model, known)
    weights = models.get_model_weights(model).DEFAULT
    return weights, Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rpartition("/")[2]
