"""`uv run python -m tests.benchmarks gpu`: what a GPU is worth, each time beside a plain loop of torch in the same run.

    uv run python -m tests.benchmarks gpu [--device cuda] [--json FILE]   # some minutes
    uv run python -m tests.benchmarks gpu --device cpu --quick            # the same code on little work, on a CPU

On a machine without a GPU it says so. Rows: what was done, ours, the plain loop, their ratio, memory on the device.
"Ours" of the classifier is that of the CPU, where it always runs; the plain loop scores on the device.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from tests.benchmarks.features import plain_loop, plain_network
from tests.benchmarks.training import plain_epoch
from tuilabel.datasets import ImagePool, open_pool
from tuilabel.encoders.device import precision, resolve_device
from tuilabel.encoders.networks import load_network
from tuilabel.encoders.networks.network import Network
from tuilabel.encoders.vae.checkpoint import load_checkpoint
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.encoders.vae.feature_model import FeatureVAE, FeatureVAEConfig
from tuilabel.encoders.vae.feature_training import train_feature_vae
from tuilabel.encoders.vae.header import FeatureSource, find_checkpoint
from tuilabel.encoders.vae.meter import TrainProgress
from tuilabel.encoders.vae.model import VAE
from tuilabel.encoders.vae.optimizer import OneCycle
from tuilabel.encoders.vae.settings import FeatureSettings, TrainSettings
from tuilabel.encoders.vae.training import train_vae
from tuilabel.learner.mlp import MLPEnsemble

CPU = torch.device("cpu")
SIDE = 192  # pixels
FEATURES, INPUTS = 1408, 256  # of the network behind a feature VAE


@dataclass(frozen=True)
class Row:
    """One measurement; `ours` and `plain` in seconds, or in images a second where `unit` says so."""

    what: str
    unit: str
    ours: float
    plain: float
    megabytes: float | None

    @property
    def ratio(self) -> float:
        """How many times as fast as the plain loop."""
        return self.ours / self.plain if self.unit == "images/s" else self.plain / self.ours


@dataclass(frozen=True)
class Work:
    """How much is done."""

    images: int
    epochs: int
    features: int
    pictures: int
    latents: tuple[int, ...]
    turns: int


FULL = Work(images=60_000, epochs=28, features=20_000, pictures=8_192, latents=(1_000_000, 10_000_000), turns=3)
QUICK = Work(images=512, epochs=2, features=300, pictures=8, latents=(20_000,), turns=1)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks gpu")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, mps or cpu")
    parser.add_argument("--quick", action="store_true", help="little work, to see that it runs")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    options = parser.parse_args(arguments)
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("this machine has no GPU that PyTorch can use: `--device cpu --quick` runs the same code on the CPU")
        return 0
    device = resolve_device(options.device)
    table = Table("what", "ours", "plain loop", "ratio", "memory", box=None, pad_edge=False, header_style="bold")
    rows = []
    for row in measured(device, QUICK if options.quick else FULL):
        rows.append({**asdict(row), "ratio": round(row.ratio, 3)})
        memory = "" if row.megabytes is None else f"{row.megabytes:,.0f} MB"
        digits = ",.0f" if row.unit == "images/s" else ".3g"
        figures = (f"{value:{digits}} {row.unit}" for value in (row.ours, row.plain))
        table.add_row(row.what, *figures, f"{row.ratio:.2f} ×", memory)
    machine = {"device": name_of(device), "torch": torch.__version__, "python": platform.python_version()}
    Console(width=130).print(table)
    print(" · ".join(machine.values()))
    if options.json is not None:
        options.json.write_text(json.dumps({**machine, "quick": options.quick, "rows": rows}, indent=1), "utf-8")
    return 0


def name_of(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def measured(device: torch.device, work: Work) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="tuilabel-gpu-") as folder:
        yield from image_vae(device, work, Path(folder))
        yield from feature_vae(device, work, Path(folder))
        yield from encoders(device, work)
        yield from classifier(device, work)


def image_vae(device: torch.device, work: Work, folder: Path) -> Iterator[Row]:
    images = np.array(open_pool("mnist").images[: work.images])
    ends: dict[int, float] = {}

    def note(now: TrainProgress) -> None:
        ends[now.epoch] = time.perf_counter()

    settings = TrainSettings.for_augmentations("glyphs", epochs=work.epochs)
    with memory(device) as used:
        begin = time.perf_counter()
        train_vae(images, settings, folder / "vae", dataset="m", fingerprint="f", device=str(device), on_progress=note)
        whole = time.perf_counter() - begin
        megabytes = used()
    epoch = statistics.median(np.diff([ends[k] for k in sorted(ends)]))
    plain = statistics.median(plain_epoch(images, OneCycle, device) for _ in range(work.turns))
    yield Row(f"an epoch of the VAE of MNIST, {len(images):,} images", "s", float(epoch), plain, megabytes)
    yield Row(f"… all {work.epochs} epochs, with choosing and compiling", "s", whole, plain * work.epochs, megabytes)


def feature_vae(device: torch.device, work: Work, folder: Path) -> Iterator[Row]:
    rng = np.random.default_rng(0)
    features, *copies = (rng.normal(size=(work.features, FEATURES)).astype(np.float16) for _ in range(3))
    settings = FeatureSettings.for_features(work.features, "photos")
    if work is QUICK:
        settings = FeatureSettings.for_features(work.features, "photos", epochs=2)
    source = FeatureSource("efficientnet_lite2", "0", SIDE)
    with memory(device) as used:
        ours = seconds(
            device,
            lambda: train_feature_vae(
                *(features, copies, settings, folder / "features"),
                **{"source": source, "image_shape": (SIDE, SIDE, 3), "dataset": "m", "fingerprint": "f"},  # type: ignore[arg-type]
                device=str(device),
            ),
        )
        megabytes = used()
    plain = seconds(device, lambda: plain_features(device, settings, work.features))
    what = f"a VAE on {work.features:,} features, {settings.epochs} epochs (plain: without the projection)"
    yield Row(what, "s", ours, plain, megabytes)


def plain_features(device: torch.device, settings: FeatureSettings, count: int) -> None:
    model = FeatureVAE(FeatureVAEConfig(FEATURES, INPUTS, settings.latent_dim)).to(device)
    inputs = torch.randn(3, count, INPUTS, device=device)
    steps = max(1, count // settings.batch_size)
    optimizer = OneCycle(model, settings.lr, settings.epochs * steps)
    for _ in range(settings.epochs):
        for rows in torch.randperm(count, device=device)[: steps * settings.batch_size].view(steps, -1):
            with precision(device):
                terms = model(inputs[1][rows], inputs[0][rows], None, inputs[2][rows])
            optimizer.step(
                terms.reconstruction
                + settings.beta * terms.kl
                - settings.mi_weight * terms.mutual_information
                + settings.contrastive_weight * terms.contrastive
            )


def encoders(device: torch.device, work: Work) -> Iterator[Row]:
    images = np.array(open_pool("mnist").images[: work.images])
    pool = ImagePool.from_arrays(images, (), name="mnist")
    encoder = VAEEncoder(find_checkpoint("mnist"))
    with memory(device) as used:
        ours = rate(device, work.turns, len(images), lambda: [*encoder.batches(pool, 0, str(device))])
        megabytes = used()
    model, _ = load_checkpoint(find_checkpoint("mnist"), device)
    plain = rate(device, work.turns, len(images), lambda: plain_vae(model, images, device))
    yield Row("the VAE of MNIST, encoding", "images/s", ours, plain, megabytes)
    pictures = np.random.default_rng(0).integers(0, 256, (work.pictures, SIDE, SIDE, 3), dtype=np.uint8)
    name = "efficientnet_lite2"
    network = load_network(name, str(device))
    with memory(device) as used:
        ours = rate(device, work.turns, len(pictures), partial(in_batches, network, pictures))
        megabytes = used()
    loop = plain_network(device, name)
    plain = rate(device, work.turns, len(pictures), partial(plain_loop, loop, pictures, device))
    yield Row(f"{name}, {SIDE} pixels, encoding", "images/s", ours, plain, megabytes)


def in_batches(network: Network, pictures: np.ndarray) -> None:
    for start in range(0, len(pictures), network.batch):
        network.features(pictures[start : start + network.batch])


def plain_vae(model: VAE, images: np.ndarray, device: torch.device) -> None:
    with torch.inference_mode():
        for start in range(0, len(images), 1024):
            batch = torch.from_numpy(images[start : start + 1024]).to(device).permute(0, 3, 1, 2).float() / 255
            model.latents(batch).cpu()


def classifier(device: torch.device, work: Work) -> Iterator[Row]:
    """Scoring a pool with the default size of ensemble: ours on the CPU, a plain product in chunks on the device."""
    rng = np.random.default_rng(0)
    labels = np.arange(500) % 10
    centres = 3 * rng.normal(size=(10, 32)).astype(np.float32)
    model = MLPEnsemble(10).fit(centres[labels] + rng.normal(size=(500, 32)).astype(np.float32), labels)
    weights = [weight.to(device) for weight in model.weights]
    for count in work.latents:
        latents = np.tile(centres, (count // 10, 1))
        ours = seconds(CPU, partial(model.predict_proba, latents))
        with memory(device) as used:
            plain = seconds(device, partial(plain_scores, latents, weights, device))
            megabytes = used()
        yield Row(
            f"classifier: {count:,} latents scored on the CPU; plain loop on the device", "s", ours, plain, megabytes
        )


def plain_scores(latents: np.ndarray, weights: list[torch.Tensor], device: torch.device) -> None:
    w1, b1, w2, b2 = weights
    with torch.inference_mode():
        for start in range(0, len(latents), 100_000):
            x = torch.from_numpy(latents[start : start + 100_000]).to(device)
            hidden = (x @ w1 + b1).relu()
            (hidden @ w2 + b2).softmax(-1).mean(0).cpu()


@contextmanager
def memory(device: torch.device) -> Iterator[Callable[[], float | None]]:
    """A function that returns the most memory that was in use on the device, in MB; None where it cannot be asked."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    yield lambda: torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else None


def seconds(device: torch.device, work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin


def rate(device: torch.device, turns: int, count: int, work: Callable[[], object]) -> float:
    """Images a second: the median of some turns, after one that warms up."""
    return count / statistics.median([seconds(device, work) for _ in range(turns + 1)][1:])
