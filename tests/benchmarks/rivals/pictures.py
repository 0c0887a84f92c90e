"""Images: decoding them, features of a network, an epoch of a VAE; each beside a plain loop that does the same."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from tests.benchmarks.features import SIDE as FEATURE_SIDE
from tests.benchmarks.features import plain_loop, plain_network
from tests.benchmarks.images import SIDE, decode_with_pillow
from tests.benchmarks.rivals.limits import convolutions
from tests.benchmarks.rivals.task import Contender, Limit, Task, take_turns
from tests.benchmarks.training import AdamWAlone, plain_epoch, trained_epoch
from tuilabel.datasets import open_pool
from tuilabel.datasets.decode import decode
from tuilabel.encoders.networks import load_network
from tuilabel.encoders.networks.network import TorchNetwork
from tuilabel.encoders.vae.optimizer import OneCycle
from tuilabel.encoders.vae.settings import TrainSettings

PICTURES, TURNS = 64, 5
EPOCH = 10_000  # images
CPU = torch.device("cpu")


def decoding(_: Path) -> Iterator[Task]:
    """JPEGs of 500 × 375, as in ImageNet, to at most 128 pixels a side; on one core."""
    rng, files = np.random.default_rng(0), []
    for _turn in range(40):
        coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8)).resize((500, 375))
        noisy = np.clip(np.asarray(coarse) + rng.normal(0, 6, (375, 500, 3)), 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(noisy).save(file, "JPEG", quality=85)
        files.append(file.getvalue())
    ways: dict[str, Callable[[bytes], object]] = {
        "tuilabel": lambda data: decode(data, SIDE),
        "Pillow: open, convert, thumbnail": decode_with_pillow,
        "torchvision: decode, resize": decode_with_torchvision,
    }
    seconds = take_turns({name: lambda way=way: [*map(way, files)] for name, way in ways.items()}, 7)  # type: ignore[misc]
    yield Task(
        f"{len(files)} JPEGs of 500 × 375 to {SIDE} pixels",
        [Contender(name, each) for name, each in seconds.items()],
    )


def decode_with_torchvision(data: bytes) -> torch.Tensor:
    """The same as uint8 (C, H, W), smoothed, as its documentation advises."""
    from torchvision.io import ImageReadMode, decode_jpeg
    from torchvision.transforms.v2.functional import resize

    image = decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), mode=ImageReadMode.RGB)
    height, width = image.shape[1:]
    scale = SIDE / max(height, width)
    return resize(image, [round(scale * height), round(scale * width)], antialias=True)


def features(_: Path) -> Iterator[Task]:
    """The bundled network on the CPU beside the same weights with batch norms in a plain float32 loop."""
    network = load_network("efficientnet_lite2", "cpu")
    assert isinstance(network, TorchNetwork)
    images = np.random.default_rng(0).integers(0, 256, (PICTURES, FEATURE_SIDE, FEATURE_SIDE, 3), dtype=np.uint8)
    chunks = [images[k : k + network.batch] for k in range(0, PICTURES, network.batch)]
    plain = plain_network(CPU)
    with FlopCounterMode(display=False) as counter:
        plain_loop(plain, images, CPU)
    seconds = take_turns(
        {
            "tuilabel": lambda: [*map(network.features, chunks)],
            "a plain loop of torch with timm's layout of the network, float32": lambda: plain_loop(plain, images, CPU),
        },
        TURNS,
    )
    yield Task(
        f"Features of {PICTURES} images of {FEATURE_SIDE} pixels by EfficientNet-Lite2",
        [Contender(name, each) for name, each in seconds.items()],
        _limit(counter.get_total_flops(), torch.float32),
    )


def epoch(folder: Path) -> Iterator[Task]:
    """An epoch of the default VAE beside a plain torch loop over the same model and views."""
    images = np.array(open_pool("mnist").images[:EPOCH])
    batch = TrainSettings(epochs=1).batch_size
    with FlopCounterMode(display=False) as counter:
        plain_epoch(images[:batch], OneCycle)
    seconds = take_turns(
        {
            "tuilabel": lambda: trained_epoch(images, folder / "epoch.safetensors"),
            "a plain loop of torch": lambda: plain_epoch(images, OneCycle),
            "a plain loop of torch with AdamW in place of Muon": lambda: plain_epoch(images, AdamWAlone),
        },
        3,
    )
    yield Task(
        f"An epoch of the default VAE on {EPOCH:,} digits",
        [Contender(name, each) for name, each in seconds.items()],
        _limit(counter.get_total_flops() * (len(images) // batch), torch.bfloat16),
    )


def _limit(operations: float, dtype: torch.dtype) -> Limit:
    peak, kind = convolutions(dtype), str(dtype).removeprefix("torch.")
    return Limit(
        operations / peak,
        f"{operations / 1e9:,.0f} billion operations at {peak / 1e9:,.0f} billion a second in {kind} convolutions",
    )
