"""The names of pretrained networks. Does not import torch: names are checked before the screen opens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tuilabel.errors import UsageError, unknown_name
from tuilabel.extras import how_to_install, is_installed
from tuilabel.user_code import is_module

BUNDLED = "efficientnet_lite2"

ALIASES = {
    "resnet18": "torchvision:resnet18",
    "resnet50": "torchvision:resnet50",
    "convnext_tiny": "torchvision:convnext_tiny",
    "efficientnet_v2_s": "torchvision:efficientnet_v2_s",
    "vit_b_16": "torchvision:vit_b_16",
    "dinov2": "timm:vit_small_patch14_dinov2.lvd142m",
}
"""Short names of popular networks; dinov2 is the small vision transformer of Oquab et al. 2023,
https://arxiv.org/abs/2304.07193."""

NETWORKS = (BUNDLED, *ALIASES)
"""Names without a colon."""

PROVIDERS = {"torchvision": "torchvision", "timm": "timm", "hf": "transformers", "open_clip": "open_clip"}
"""What stands before the colon, and the package that is needed."""

FORMS = ("torchvision:NAME", "timm:NAME", "hf:MODEL", "open_clip:NAME/PRETRAINED", "package.module:function")
"""The forms of all other names; `@FILE` after the name of a network gives the file of its weights."""


@dataclass(frozen=True)
class NetworkName:
    """The parts of a network's name.

    Attributes
    ----------
    provider : a module of `providers`.
    model : the provider's own name.
    weights : a file of weights on this machine; None for the provider's own.
    """

    provider: str
    model: str
    weights: Path | None = None


def parse_name(name: str) -> NetworkName:
    """The parts of a name of one of the `FORMS`, or in `NETWORKS`.

    Raises
    ------
    UsageError : if there is no such provider or module, its package is not installed, or the file is missing.
    """
    if name == BUNDLED:
        return NetworkName("bundled", name)
    provider, _, model = ALIASES.get(name, name).partition(":")
    if provider not in PROVIDERS or not model:
        if model and is_module(provider):
            return NetworkName("function", name)
        raise unknown_name("encoder", name, (*NETWORKS, *FORMS))
    package = PROVIDERS[provider]
    if not is_installed(package):
        raise UsageError(f"the encoder {name!r} needs the package {package}: {how_to_install(package)}")
    model, at, file = model.partition("@")
    if not at:
        return NetworkName(provider, model)
    if provider == "hf" or not Path(file).is_file():
        hint = "name its folder, as hf:FOLDER" if provider == "hf" else "must be a file of weights"
        raise UsageError(f"the encoder {name!r} cannot use {file!r}: {hint}")
    return NetworkName(provider, model, Path(file))
