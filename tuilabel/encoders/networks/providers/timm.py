"""`timm:NAME`: networks of timm; `timm:NAME@FILE` takes other weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuilabel.encoders.cache import OnProgress
from tuilabel.encoders.networks.names import NetworkName
from tuilabel.encoders.networks.network import Description, Network, TorchNetwork
from tuilabel.encoders.networks.weights import (
    HUB_CACHE,
    download_from_hub,
    downloading,
    hub_file,
    load_weights,
    other_architecture,
    weights_digest,
)
from tuilabel.errors import UsageError, unknown_name

if TYPE_CHECKING:
    import torch

SMALLEST, LARGEST, SIDE = 96, 256, 224
"""Sides in pixels: of networks that take any; those that want more than `LARGEST`, as DINOv2, get `SIDE`."""
FILES = ("model.safetensors", "pytorch_model.bin")


def describe(name: NetworkName) -> Description:
    """See `Provider`."""
    config = _config(name.model)
    own = int(config.input_size[1])
    side = own if own <= LARGEST else SIDE
    file = _file(name, config)
    return Description(
        (side if config.fixed_input_size else SMALLEST, side), weights_digest([] if file is None else [file])
    )


def fetch(name: NetworkName, on_progress: OnProgress) -> None:
    """See `Provider`."""
    config = _config(name.model)
    with downloading(name.model, HUB_CACHE):
        download_from_hub(config.hf_hub_id, FILES, on_progress)


def load(name: NetworkName, device: torch.device) -> Network:
    """See `Provider`."""
    import timm

    config = _config(name.model)
    side = describe(name).sides[1]
    resized = {"img_size": side} if config.fixed_input_size and side != config.input_size[1] else {}
    file = _file(name, config)
    assert file is not None
    state = load_weights(file)  # an error of one line, before timm's
    head = config.classifier if isinstance(config.classifier, str) else (config.classifier or ("",))[0]
    # With the number of classes that the file has, timm accepts no weights of another architecture.
    classes = len(state.get(f"{head}.weight", ()))
    overlay = {"file": str(file), "num_classes": classes}
    try:
        module = timm.create_model(
            name.model, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=classes, **resized
        )
    except (RuntimeError, KeyError) as error:
        raise other_architecture(name.model, file) from error
    module.reset_classifier(0)
    mean, std = ([255 * value for value in values] for values in (config.mean, config.std))
    return TorchNetwork(module, weights_digest([file]) or "", device, mean=mean, std=std)


def _config(model: str) -> Any:
    import timm

    config = timm.get_pretrained_cfg(model) if timm.is_model(model) else None
    if config is None:
        raise unknown_name("network of timm", model, timm.list_models(pretrained=True))
    return config


def _file(name: NetworkName, config: Any) -> Path | None:
    if name.weights is not None:
        return name.weights
    if not config.hf_hub_id:
        raise UsageError(f"timm has no weights for {name.model!r}: pass `encoder='timm:{name.model}@FILE'`")
    return hub_file(config.hf_hub_id, FILES)
