"""`python -m tests.benchmarks rates`: what an image costs, and so what 100 million cost (docs/scale.md)."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tests.helpers.events import event
from tuilabel.datasets import open_pool
from tuilabel.datasets.decode import decode
from tuilabel.encoders.networks import load_network
from tuilabel.encoders.networks.network import TorchNetwork
from tuilabel.encoders.pca import PCA
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.encoders.vae.header import find_checkpoint
from tuilabel.encoders.vae.model import VAE, VAEConfig
from tuilabel.labels import LabelStore

Rows = Iterator[tuple[str, str, str]]
MANY = 100_000_000
TURNS = 3
EVENTS = 20_000


def rates(folder: Path) -> Rows:
    """Images a second on all cores (decoding: on one), and core hours for 100 million."""
    cores, pool, rng = torch.get_num_threads(), open_pool("mnist"), np.random.default_rng(0)
    jpeg = io.BytesIO()
    coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8)).resize((500, 375))
    noisy = np.clip(np.asarray(coarse) + rng.normal(0, 6, (375, 500, 3)), 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(jpeg, "JPEG", quality=85)
    yield _row("decode a JPEG of 500 × 375", 100, lambda: [decode(jpeg.getvalue(), 192) for _ in range(100)], 1)
    digits = np.array(pool.images[:20_000])
    yield _row("pca of 28 × 28", len(digits), lambda: PCA.fit(digits)(digits), cores)
    encoder = VAEEncoder(find_checkpoint("mnist"))
    rows = sum(map(len, islice(encoder.batches(pool, 0, "cpu"), 8)))
    yield _row("vae of 28 × 28", rows, lambda: [*islice(encoder.batches(pool, 0, "cpu"), 8)], cores)
    yield _row("vae of 64 × 64 in colour", 512, _vae_of_photographs(512), cores)
    for name, side in (("efficientnet_lite2", 192), ("resnet18", 224), ("dinov2", 224)):
        n = 64 if side == 192 else 16
        yield _row(f"{name} of {side} × {side}", n, _network(name, n, side), cores)
    store = LabelStore.open(folder / "rates.db")
    begin = time.perf_counter()
    store.append([event(k) for k in range(EVENTS)])
    seconds = time.perf_counter() - begin
    store.close()
    size = (folder / "rates.db").stat().st_size
    yield "labels on disk, of one transaction", f"{EVENTS / seconds:,.0f} a second, {size / EVENTS:.0f} bytes each", ""


def _row(what: str, n: int, work: Callable[[], object], cores: int) -> tuple[str, str, str]:
    seconds = []
    for _ in range(1 + TURNS):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    each = statistics.median(seconds[1:]) / n
    return (
        what,
        f"{1 / each / cores:,.0f} a second and core; 100 million: {MANY * each * cores / 3600:,.0f} core hours",
        "",
    )


def _vae_of_photographs(n: int) -> Callable[[], object]:
    model = VAE(VAEConfig(height=64, width=64, channels=3)).eval().to(memory_format=torch.channels_last)
    images = torch.rand(n, 3, 64, 64).to(memory_format=torch.channels_last)

    def work() -> None:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            model.latents(images)

    return work


def _network(name: str, n: int, side: int) -> Callable[[], object]:
    """Speed does not depend on weights, which are not downloaded."""
    images = np.random.default_rng(0).integers(0, 256, (n, side, side, 3), dtype=np.uint8)
    if name == "efficientnet_lite2":
        network = load_network(name, "cpu")
        assert isinstance(network, TorchNetwork)
        return lambda: [network.features(images[k : k + network.batch]) for k in range(0, n, network.batch)]
    if name == "resnet18":
        from torchvision.models import resnet18

        module = resnet18().eval()
    else:
        import timm

        module = timm.create_model("vit_small_patch14_dinov2.lvd142m", img_size=side, num_classes=0).eval()
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255).to(memory_format=torch.channels_last)

    def work() -> None:
        with torch.inference_mode():
            for k in range(0, n, 8):
                module(x[k : k + 8])

    return work
