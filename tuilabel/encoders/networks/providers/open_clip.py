"""`open_clip:NAME/PRETRAINED`: networks of OpenCLIP for images and texts; `open_clip:NAME@FILE` takes other weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuilabel.encoders.cache import OnProgress
from tuilabel.encoders.networks.names import NetworkName
from tuilabel.encoders.networks.network import Description, Network, TextTower, TorchNetwork
from tuilabel.encoders.networks.weights import (
    HUB_CACHE,
    download_from_hub,
    downloading,
    hub_file,
    load_weights,
    other_architecture,
    weights_digest,
)
from tuilabel.errors import TuilabelError, UsageError, unknown_name

if TYPE_CHECKING:
    import torch

FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


def describe(name: NetworkName) -> Description:
    """See `Provider`."""
    import open_clip

    model, source = _source(name)
    side = open_clip.get_model_config(model)["vision_cfg"]["image_size"]
    side = side if isinstance(side, int) else side[0]
    file = _file(name, source)
    return Description((side, side), weights_digest([] if file is None else [file]))


def fetch(name: NetworkName, on_progress: OnProgress) -> None:
    """See `Provider`."""
    _, source = _source(name)
    with downloading(name.model, HUB_CACHE):
        download_from_hub(*_on_hub(source), on_progress)


def load(name: NetworkName, device: torch.device) -> Network:
    """See `Provider`; the text tower is left out."""
    _, source = _source(name)
    whole, file = _load_whole(name)
    tower = whole.visual
    mean, std = (
        [255 * value for value in source.get(key) or default]
        for key, default in (("mean", tower.image_mean), ("std", tower.image_std))
    )
    return TorchNetwork(tower, weights_digest([file]) or "", device, mean=mean, std=std)


def load_text(name: NetworkName) -> TextTower:
    """The text tower; raises `TuilabelError` if its weights or its vocabulary cannot be used."""
    import open_clip
    import torch

    model, _ = _source(name)
    try:
        tokenizer = open_clip.get_tokenizer(model)
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise TuilabelError(f"cannot find or download the vocabulary of {model}: {reason}") from error
    whole, _ = _load_whole(name)
    whole.visual = None  # not needed, and most of the memory
    whole.eval()

    def features(text: str) -> NDArray[np.float32]:
        with torch.inference_mode():
            encoded: NDArray[np.float32] = whole.encode_text(tokenizer([text]))[0].float().numpy()
        return encoded

    return features


def _load_whole(name: NetworkName) -> tuple[Any, Path]:
    """Both towers, and the file of their weights."""
    import open_clip

    model, source = _source(name)
    file = _file(name, source)
    assert file is not None
    load_weights(file)  # an error of one line, before OpenCLIP's
    try:
        whole = open_clip.create_model(
            model, pretrained=str(file), force_quick_gelu=bool(source.get("quick_gelu")), require_pretrained=True
        )
    except (RuntimeError, KeyError) as error:
        raise other_architecture(model, file) from error
    return whole, file


def _source(name: NetworkName) -> tuple[str, dict[str, Any]]:
    """The name of the architecture, and where its weights are, as OpenCLIP describes that; empty with a file."""
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    model, _, tag = name.model.partition("/")
    if model not in open_clip.list_models():
        raise unknown_name("network of open_clip", model, open_clip.list_models())
    if name.weights is not None:
        return model, {}
    tags = open_clip.list_pretrained_tags_by_model(model)
    source: dict[str, Any] = get_pretrained_cfg(model, tag) if tag else {}
    if not tag:
        raise UsageError(f"the encoder open_clip:{model} needs a name of weights after a slash: {', '.join(tags)}")
    if not source:
        raise unknown_name(f"weights of {model} in open_clip", tag, tags)
    if not source.get("hf_hub"):
        raise TuilabelError(f"{name.model} is not on the Hugging Face Hub: pass `encoder='open_clip:{model}@FILE'`")
    return model, source


def _file(name: NetworkName, source: dict[str, Any]) -> Path | None:
    return name.weights or hub_file(*_on_hub(source))


def _on_hub(source: dict[str, Any]) -> tuple[str, Sequence[str]]:
    """The repository on the Hugging Face Hub, and the names that the file of weights may have there."""
    repository, _, named = source["hf_hub"].rpartition("/")
    return repository, [named] if named else FILES
