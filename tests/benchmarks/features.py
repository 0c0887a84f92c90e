"""Features of the bundled network, compared with a plain loop over the same network as others have it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tests.helpers.folders import jpeg, picture
from tuilabel.datasets import ImagePool, open_pool
from tuilabel.encoders.device import resolve_device
from tuilabel.encoders.networks import NetworkEncoder, load_network
from tuilabel.encoders.networks.efficientnet_lite import Convolution
from tuilabel.encoders.networks.network import TorchNetwork
from tuilabel.encoders.networks.pictures import pictures

SIDE = 192  # pixels
IMAGES = {"cpu": 64, "cuda": 8192}
BATCH = {"cpu": 32, "cuda": 256}  # of the plain loop
FILES = 200
TURNS = 5


def rate_of_features(folder: Path) -> Iterator[tuple[str, str, str]]:
    device = resolve_device("auto")
    network = load_network("efficientnet_lite2", str(device))
    assert isinstance(network, TorchNetwork)
    n = IMAGES[device.type]
    images = np.random.default_rng(0).integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8)
    plain = plain_network(device)
    ours, theirs = [], []
    for turn in range(TURNS + 1):  # in turns, so that other load on the machine affects both
        mine = seconds(lambda: [network.features(images[k : k + network.batch]) for k in range(0, n, network.batch)])
        loop = seconds(lambda: plain_loop(plain, images, device))
        if turn:  # the first warms up
            ours.append(mine)
            theirs.append(loop)
    ratios = sorted(b / a for a, b in zip(ours, theirs, strict=True))
    against = "bfloat16" if device.type == "cuda" else "float32"
    yield (
        f"features of {n} images of {SIDE} pixels, compared with a plain {against} loop with batch norms",
        f"{statistics.median(ratios):.2f} × ({ratios[0]:.2f} to {ratios[-1]:.2f})",
        "0.95 ×" if device.type == "cuda" else "2.5 ×",
    )
    yield "… in images per second", f"{n / statistics.median(ours):,.0f} ({n / statistics.median(theirs):,.0f})", ""
    pool = photographs(folder / "photographs")
    reading = seconds(lambda: [*pictures(pool, 0, SIDE, network.batch)])
    whole = seconds(lambda: NetworkEncoder("efficientnet_lite2").features(pool, str(device)))
    alone = FILES * statistics.median(ours) / n
    yield (
        f"… of {FILES} JPEGs of 640 × 480 in a folder, images per second (reading alone, computing alone)",
        f"{FILES / whole:,.0f} ({FILES / reading:,.0f}, {FILES / alone:,.0f})",
        "",
    )


def plain_network(device: torch.device, name: str = "efficientnet_lite2") -> nn.Module:
    """The network in the layout of the original: each convolution is followed by a batch norm."""
    network = load_network(name, "cpu")
    assert isinstance(network, TorchNetwork)

    def unfold(module: nn.Module) -> None:
        for name, child in module.named_children():
            if isinstance(child, Convolution):
                norm = nn.BatchNorm2d(child.out_channels)
                assert child.bias is not None
                norm.bias.data.copy_(child.bias.data)
                child.bias = None
                setattr(module, name, nn.Sequential(child, norm))
            else:
                unfold(child)

    unfold(network.module)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    return network.module.eval().to(device, dtype).to(memory_format=torch.contiguous_format)


def plain_loop(network: nn.Module, images: np.ndarray, device: torch.device) -> None:
    with torch.inference_mode():
        dtype = next(network.parameters()).dtype
        for start in range(0, len(images), BATCH[device.type]):
            pixels = torch.from_numpy(images[start : start + BATCH[device.type]]).to(device)
            network(((pixels.permute(0, 3, 1, 2).float() - 127) / 128).to(dtype).contiguous()).float().cpu()


def photographs(folder: Path) -> ImagePool:
    folder.mkdir()
    large = picture("green", 0, 640, 480)
    for k in range(FILES):
        (folder / f"{k}.jpg").write_bytes(jpeg(large.rotate(k)))
    return open_pool(str(folder))


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
