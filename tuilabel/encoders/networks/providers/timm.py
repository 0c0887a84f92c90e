"""Networks of timm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuilabel.encoders.networks.names import NetworkName
from tuilabel.encoders.networks.network import Description, Network, TorchNetwork
from tuilabel.encoders.networks.weights import downloaded, weights_digest
from tuilabel.errors import UsageError, unknown_name

if TYPE_CHECKING:
    import torch

SIDE = 224  # pixels, for networks that take any


def describe(name: NetworkName) -> Description:
    """See `Provider`."""
    config = _config(name.model)
    file = _file(config)
    return Description((SIDE, SIDE), None if file is None else weights_digest(file)[:16])


def load(name: NetworkName, device: torch.device) -> Network:
    """See `Provider`."""
    import timm

    config = _config(name.model)
    module = downloaded(
        name.model,
        "the cache of Hugging Face (HF_HOME)",
        lambda: timm.create_model(name.model, pretrained=True, num_classes=0, img_size=SIDE),
    )
    mean, std = ([255 * value for value in values] for values in (config.mean, config.std))
    file = _file(config)
    assert file is not None
    return TorchNetwork(module, weights_digest(file)[:16], device, mean=mean, std=std)


def _config(model: str) -> Any:
    import timm

    config = timm.get_pretrained_cfg(model) if timm.is_model(model) else None
    if config is None:
        raise unknown_name("network of timm", model, timm.list_models(pretrained=True))
    if not config.has_weights:
        raise UsageError(f"timm has no weights for {model!r}: see timm.list_pretrained()")
    return config


def _file(config: Any) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    for file in ("model.safetensors", "pytorch_model.bin"):
        found = try_to_load_from_cache(config.hf_hub_id, file)
        if isinstance(found, str):
            return Path(found)
    return None
