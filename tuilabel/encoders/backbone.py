"""Features of networks that others have trained on photographs, in place of the VAE's latents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.error import URLError

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from tuilabel.datasets import ImagePool
from tuilabel.encoders.choose import BACKBONES, check_encoder
from tuilabel.encoders.device import precision, resolve_device
from tuilabel.errors import TuilabelError

SIDE = 224  # pixels that these networks look at
LONGEST = 320  # of a picture that is read for it
BATCH = 64
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, which all of them were trained on


def encoded(name: str, pool: ImagePool, start: int, device: str) -> Iterator[NDArray[np.float32]]:
    """Features, float32 (n, D), of the pool's images and then the test split's, from `start` on, batch by batch.

    Each row has a root mean square of 1.

    Raises
    ------
    UsageError : where there is no such network or device.
    TuilabelError : where its weights are neither here nor to be had.
    """
    check_encoder(name)
    where = resolve_device(device)
    model = (_from_timm(name) if BACKBONES[name] == "timm" else _from_torchvision(name)).eval().to(where)
    n = len(pool.images)
    total = n + (0 if pool.test is None else len(pool.test.images))
    for first in range(start, total, BATCH):
        images = [_image(pool, k) for k in range(first, min(first + BATCH, total))]
        with torch.inference_mode(), precision(where):
            features = model(torch.stack([_square(image) for image in images]).to(where)).float()
        yield (F.normalize(features, dim=1) * features.shape[1] ** 0.5).cpu().numpy()


def _image(pool: ImagePool, k: int) -> NDArray[np.uint8]:
    n = len(pool.images)
    if k < n:
        return pool.picture(k, LONGEST)
    assert pool.test is not None
    image: NDArray[np.uint8] = pool.test.images[k - n]
    return image


def _square(image: NDArray[np.uint8]) -> Tensor:
    """An image (H, W, C) as the network wants it, (3, 224, 224); its proportions give way, nothing is cut off."""
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    pixels = F.interpolate(pixels, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
    return (pixels[0].expand(3, -1, -1) - torch.tensor(_MEAN)[:, None, None]) / torch.tensor(_STD)[:, None, None]


def _from_torchvision(name: str) -> nn.Module:
    from torchvision import models

    url = models.get_model_weights(name).DEFAULT.url
    model: nn.Module = models.get_model(name)
    with_weights = _had(name, lambda: torch.hub.load_state_dict_from_url(url, progress=False, weights_only=True))
    try:
        model.load_state_dict(with_weights)
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
    model: nn.Module = _had(
        name,
        lambda: timm.create_model("vit_small_patch14_dinov2.lvd142m", pretrained=True, num_classes=0, img_size=SIDE),
    )
    return model


def _had(name: str, get: Callable[[], Any]) -> Any:
    try:
        return get()
    except (URLError, OSError, RuntimeError, ValueError) as error:
        cause = getattr(error, "reason", None) or error  # of a URLError, whose own text is for programmers
        reason = " ".join(str(getattr(cause, "strerror", None) or cause).split())[:200] or type(error).__name__
        # What to do comes before the cause: a screen of 80 columns shows the beginning.
        raise TuilabelError(
            f"no weights of {name} here, and no download: give --encoder vae, or put them into "
            f"{torch.hub.get_dir()}/checkpoints, or set TORCH_HOME (HF_HOME for dinov2): {reason}"
        ) from error
