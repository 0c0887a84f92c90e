"""The names of pretrained networks. Does not import torch: names are checked before the screen opens."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from tuilabel.errors import UsageError, unknown_name

BUNDLED = "efficientnet_lite0"

ALIASES = {
    "resnet18": "torchvision:resnet18",
    "resnet50": "torchvision:resnet50",
    "convnext_tiny": "torchvision:convnext_tiny",
    "efficientnet_v2_s": "torchvision:efficientnet_v2_s",
    "vit_b_16": "torchvision:vit_b_16",
    "dinov2": "timm:vit_small_patch14_dinov2.lvd142m",
}
"""Short names of popular networks."""

PROVIDERS = {"torchvision": "torchvision", "timm": "timm"}
"""What stands before the colon, and the package that is needed."""

NETWORKS = (BUNDLED, *ALIASES)
"""Names without a colon."""
FORMS = tuple(f"{provider}:NAME" for provider in PROVIDERS)
"""The forms of all other names."""


@dataclass(frozen=True)
class NetworkName:
    """The parts of a network's name.

    Attributes
    ----------
    provider : a key of `PROVIDERS`, or `bundled`.
    model : the provider's own name.
    """

    provider: str
    model: str


def parse_name(name: str) -> NetworkName:
    """The parts of `efficientnet_lite0`, `resnet18`, `timm:NAME`, `torchvision:NAME`.

    Raises
    ------
    UsageError : if the provider is unknown, or its package is not installed.
    """
    if name == BUNDLED:
        return NetworkName("bundled", name)
    provider, _, model = ALIASES.get(name, name).partition(":")
    if provider not in PROVIDERS or not model:
        raise unknown_name("encoder", name, (*NETWORKS, *FORMS))
    package = PROVIDERS[provider]
    if find_spec(package) is None:
        raise UsageError(f"the encoder {name!r} needs the package {package}: pip install 'tuilabel[encoders]'")
    return NetworkName(provider, model)
