"""`hf:MODEL`: vision models of transformers, by their name on the Hugging Face Hub, or in a folder on this machine."""

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
    other_architecture,
    weights_digest,
)
from tuilabel.errors import TuilabelError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

SIDE = 224  # pixels, where neither preprocessing nor model names a size
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and std, where the preprocessing names none
CONFIG, PREPROCESSING = "config.json", "preprocessor_config.json"


def describe(name: NetworkName) -> Description:
    """See `Provider`."""
    folder = _folder(name.model)
    files = [] if folder is None else _weights(folder)
    if folder is None or not files:
        return Description((SIDE, SIDE), None)
    side = _side(_config(folder), _preprocessing(folder))
    return Description((side, side), weights_digest([folder / CONFIG, *files]))


def fetch(name: NetworkName, on_progress: OnProgress) -> None:
    """See `Provider`."""
    from huggingface_hub import list_repo_files

    if Path(name.model).is_dir():
        raise TuilabelError(f"there are no weights in the folder {name.model}: save a model with save_pretrained")
    with downloading(name.model, HUB_CACHE):
        present = list_repo_files(name.model)
        kind = ".safetensors" if any(map(_is_safe, present)) else ".bin"
        for file in present:
            if file in (PREPROCESSING, f"model{kind}", f"pytorch_model{kind}") or _is_part(file, kind):
                download_from_hub(name.model, [file], on_progress)
        download_from_hub(name.model, [CONFIG], on_progress)  # last: with it, all is there


def load(name: NetworkName, device: torch.device) -> Network:
    """See `Provider`; the vision tower of a model that has one."""
    from transformers import AutoModel
    from transformers.utils import logging

    folder = _folder(name.model)
    assert folder is not None
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    files = _weights(folder)
    try:
        model, loading = AutoModel.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, dtype="float32"
        )
    except Exception as error:  # of transformers, safetensors and torch
        reason = " ".join(str(error).split())[:200]
        raise TuilabelError(
            f"cannot load {name.model} from {folder}: it is damaged or no vision model: {reason}"
        ) from error
    missing = {key for key in loading["missing_keys"] if "pooler" not in key and not key.startswith("text_model.")}
    if missing or loading["mismatched_keys"]:
        raise other_architecture(name.model, folder)
    tower = getattr(model, "vision_model", model)
    preprocessing = _preprocessing(folder)
    mean, std = (
        [255 * value for value in preprocessing.get(key) or default]
        for key, default in zip(("image_mean", "image_std"), IMAGENET, strict=True)
    )
    pooled = not any("pooler" in key for key in loading["missing_keys"])
    digest = weights_digest([folder / CONFIG, *files]) or ""
    return TorchNetwork(_pooling(tower, pooled=pooled), digest, device, mean=mean, std=std)


def _pooling(tower: nn.Module, *, pooled: bool) -> nn.Module:
    """The model with one vector per image as its output.

    That is its pooled output if the weights have one; else the class token, or the mean of all tokens if there is none.
    """
    from torch import nn

    has_class_token = any("cls_token" in key or "class_embedding" in key for key, _ in tower.named_parameters())

    class Pooling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tower = tower

        def forward(self, pixels: Tensor) -> Tensor:
            output = self.tower(pixel_values=pixels)
            vectors: Tensor | None = getattr(output, "pooler_output", None)
            if pooled and vectors is not None:
                return vectors.flatten(1)
            tokens: Tensor = output.last_hidden_state
            if tokens.ndim == 4:  # a feature map
                return tokens.mean((2, 3))
            return tokens[:, 0] if has_class_token else tokens.mean(1)

    return Pooling()


def _folder(model: str) -> Path | None:
    """Where the model is on this machine; None if it has to be downloaded."""
    if Path(model).is_dir():
        return Path(model)
    config = hub_file(model, [CONFIG])
    return None if config is None else config.parent


def _weights(folder: Path) -> list[Path]:
    safe = sorted(folder.glob("*.safetensors"))
    return safe or sorted(folder.glob("pytorch_model*.bin"))


def _config(folder: Path) -> dict[str, Any]:
    from transformers import PretrainedConfig

    try:
        config: dict[str, Any] = PretrainedConfig.get_config_dict(folder)[0]
    except (OSError, ValueError) as error:
        raise TuilabelError(f"{folder / CONFIG} is missing or damaged: download the model again") from error
    vision: dict[str, Any] = config.get("vision_config", config)
    return vision


def _preprocessing(folder: Path) -> dict[str, Any]:
    """The settings of the model's preprocessing; empty if it has none."""
    import json

    try:
        settings = json.loads((folder / PREPROCESSING).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return settings if isinstance(settings, dict) else {}


def _side(config: dict[str, Any], preprocessing: dict[str, Any]) -> int:
    for size in (preprocessing.get("crop_size"), preprocessing.get("size"), config.get("image_size")):
        if isinstance(size, dict):
            size = size.get("height") or size.get("shortest_edge")
        if isinstance(size, int):
            return size
    return SIDE


def _is_safe(file: str) -> bool:
    return file.endswith(".safetensors") and "/" not in file


def _is_part(file: str, kind: str) -> bool:
    """Whether this is a part of weights in several files, or their index."""
    return "/" not in file and (("-of-" in file and file.endswith(kind)) or file.endswith(f"{kind}.index.json"))
