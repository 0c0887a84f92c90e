"""Features of networks that were pretrained on photographs. Imports torch only to encode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

import numpy as np
from numpy.typing import NDArray

from tuilabel.datasets import ImagePool
from tuilabel.encoders.base import BatchEncoder, EncoderOptions
from tuilabel.errors import TuilabelError

if TYPE_CHECKING:
    from torch import Tensor, nn

NETWORKS = {
    "resnet18": "torchvision",
    "resnet50": "torchvision",
    "convnext_tiny": "torchvision",
    "efficientnet_v2_s": "torchvision",
    "vit_b_16": "torchvision",
    "dinov2": "timm",
}
"""Pretrained networks and the library that provides them; dinov2 is the small vision transformer of Oquab et al. 2023,
https://arxiv.org/abs/2304.07193."""

INPUT_SIDE = 224  # pixels
MAX_SIDE = 320  # pixels; images are read at this size, then resized to INPUT_SIDE
BATCH = 64
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, on which all of them were trained


@dataclass(frozen=True)
class BackboneEncoder(BatchEncoder):
    """The features of a pretrained network, normalised so that each row has a root mean square of 1."""

    network: str

    @property
    def name(self) -> str:
        """The network's name."""
        return self.network

    @property
    def cache_key(self) -> str:
        """The network's name."""
        return self.network

    @classmethod
    def choose(cls, _pool: ImagePool, options: EncoderOptions) -> BackboneEncoder:
        """Suits every pool; the weights are loaded or downloaded when it encodes."""
        return cls(options.encoder)

    def batches(self, pool: ImagePool, start: int, device: str) -> Iterator[NDArray[np.float32]]:
        """See `BatchEncoder.batches`; raises `TuilabelError` if the weights are missing and cannot be downloaded."""
        import torch
        from torch.nn import functional as F

        from tuilabel.encoders.device import precision, resolve_device

        torch_device = resolve_device(device)
        load = _from_timm if NETWORKS[self.network] == "timm" else _from_torchvision
        model = load(self.network).eval().to(torch_device)
        total = len(pool.images) + (0 if pool.test is None else len(pool.test.images))
        for first in range(start, total, BATCH):
            images = [_image(pool, row) for row in range(first, min(first + BATCH, total))]
            with torch.inference_mode(), precision(torch_device):
                features = model(torch.stack([_resized(image) for image in images]).to(torch_device)).float()
            yield (F.normalize(features, dim=1) * features.shape[1] ** 0.5).cpu().numpy()


def _image(pool: ImagePool, row: int) -> NDArray[np.uint8]:
    n = len(pool.images)
    if row < n:
        return pool.picture(row, MAX_SIDE)
    assert pool.test is not None
    image: NDArray[np.uint8] = pool.test.images[row - n]
    return image


def _resized(image: NDArray[np.uint8]) -> Tensor:
    """An image (H, W, C) as the network's input, (3, 224, 224): squeezed, not cropped."""
    import torch
    from torch.nn import functional as F

    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    pixels = F.interpolate(pixels, (INPUT_SIDE, INPUT_SIDE), mode="bilinear", antialias=True, align_corners=False)
    return (pixels[0].expand(3, -1, -1) - torch.tensor(_MEAN)[:, None, None]) / torch.tensor(_STD)[:, None, None]


def _from_torchvision(name: str) -> nn.Module:
    import torch
    from torch import nn
    from torchvision import models

    url = models.get_model_weights(name).DEFAULT.url
    model: nn.Module = models.get_model(name)
    weights = _weights(name, lambda: torch.hub.load_state_dict_from_url(url, progress=False, weights_only=True))
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise TuilabelError(f"the weights of {name} in {torch.hub.get_dir()} are damaged: delete them") from error
    head = [path for path, module in model.named_modules() if isinstance(module, nn.Linear)][-1]
    parent, _, last = head.rpartition(".")
    setattr(model.get_submodule(parent), last, nn.Identity())
    return model


def _from_timm(name: str) -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise TuilabelError(f"{name} needs the package timm: pip install 'tuilabel[encoders]'") from error
    assert name == "dinov2"
    model: nn.Module = _weights(
        name,
        lambda: timm.create_model(
            "vit_small_patch14_dinov2.lvd142m", pretrained=True, num_classes=0, img_size=INPUT_SIDE
        ),
    )
    return model


def _weights(name: str, load: Callable[[], Any]) -> Any:
    import torch

    try:
        return load()
    except (URLError, OSError, RuntimeError, ValueError) as error:
        cause = getattr(error, "reason", None) or error  # a URLError's own text is written for programmers
        reason = " ".join(str(getattr(cause, "strerror", None) or cause).split())[:200] or type(error).__name__
        # What to do comes before the cause: a screen of 80 columns shows the beginning.
        raise TuilabelError(
            f"cannot find or download the weights of {name}: pass `encoder='vae'`, or put them into "
            f"{torch.hub.get_dir()}/checkpoints, or set TORCH_HOME (HF_HOME for dinov2): {reason}"
        ) from error
