"""Progress and result of training a VAE."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from tuilabel.cli.render.console import output_console
from tuilabel.cli.render.preview import preview
from tuilabel.encoders.vae.decode import reconstruct
from tuilabel.encoders.vae.header import feature_encoder
from tuilabel.encoders.vae.meter import TrainProgress
from tuilabel.encoders.vae.model import VAE
from tuilabel.project.train_vae import TrainedVAE, TrainingPlan

PREVIEW_IMAGES = 16


@contextmanager
def training_progress(console: Console) -> Iterator[Callable[[TrainProgress], None]]:
    """Show training: a live line on a terminal, one line per epoch elsewhere."""
    if not console.is_terminal:
        yield lambda now: console.print(_figures(now), soft_wrap=True) if now.images_done == now.images_total else None
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("{task.fields[figures]}"))
    with Progress(*columns, console=console, expand=True, transient=True) as bar:
        task = bar.add_task("starting", total=None, figures="")

        def show(now: TrainProgress) -> None:
            description, _, figures = _figures(now).partition(" · ")
            bar.update(
                task, description=description, completed=now.images_done, total=now.images_total, figures=figures
            )
            if now.images_done == now.images_total:
                bar.console.print(_figures(now))

        yield show


def _figures(now: TrainProgress) -> str:
    minutes, seconds = divmod(round(now.seconds_left), 60)
    return (
        f"epoch {now.epoch:>{len(str(now.epochs))}}/{now.epochs} · {now.images_per_second:,.0f} images/s · "
        f"reconstruction {now.reconstruction:.2f} · KL {now.kl:.2f} · "
        f"mutual information {now.mutual_information:.2f} nats · "
        f"{minutes}:{seconds:02} left"
    )


def print_summary(trained: TrainedVAE, plan: TrainingPlan) -> None:
    """Print the losses and, on a terminal, images above their reconstructions."""
    console = output_console()
    pool, metrics = plan.pool, trained.metrics
    if console.is_terminal and isinstance(trained.model, VAE):
        images = (pool.images if pool.test is None else pool.test.images)[:PREVIEW_IMAGES]
        console.print(preview(images, reconstruct(trained.model, images), console.width))
    loss = metrics["reconstruction_nats"] + metrics["kl_nats"]
    encoder = "" if trained.network is None else f" --encoder {feature_encoder(trained.network)}"
    most = trained.settings["epochs"]
    if trained.epochs < most:
        console.print(
            f"ended after {trained.epochs} of {most} epochs: the neighbours of held-out images no longer improved",
            soft_wrap=True,
        )
    console.print(
        f"{trained.checkpoint}: {loss:.2f} nats per image, {metrics['seconds'] / 60:.1f} minutes. "
        f"Next: tuilabel label {pool.name}{encoder}",
        soft_wrap=True,
    )
