"""Which backbones there are; imports no torch."""

from __future__ import annotations

from tuilabel.errors import unknown_name

BACKBONES = {
    "resnet18": "torchvision",
    "resnet50": "torchvision",
    "convnext_tiny": "torchvision",
    "efficientnet_v2_s": "torchvision",
    "vit_b_16": "torchvision",
    "dinov2": "timm",
}
"""By name, with the library that has them; dinov2 is the small vision transformer of Oquab et al. 2023."""


def check_backbone(name: str) -> None:
    """Raise `UsageError` where there is no encoder called `name`."""
    if name not in BACKBONES:
        raise unknown_name("encoder", name, ("vae", "pca", *BACKBONES))
