"""The command line that trains a VAE, as its checkpoint records it."""

from __future__ import annotations

import shlex
from dataclasses import fields, replace
from pathlib import Path

from tuilabel.datasets import DatasetRef
from tuilabel.project.train_vae import TrainingPlan, default_settings


def train_command(
    dataset: DatasetRef, plan: TrainingPlan, *, out: Path | None, data_dir: Path | None, device: str
) -> str:
    """The `tuilabel train-vae` command for a plan, with only the options that differ from their defaults."""
    words = ["tuilabel", "train-vae", dataset.location]
    if dataset.labels_from_folders:
        words.append("--labels-from-folders")
    if plan.network is not None:
        words += ["--on", plan.network]
    settings, pool = plan.settings, plan.pool
    defaults = default_settings(pool, settings.augmentations, on=plan.network)
    defaults = replace(defaults, augmentations=pool.augmentations)
    for field in fields(settings):
        value = getattr(settings, field.name)
        if value == getattr(defaults, field.name):
            continue
        name = field.name.replace("_", "-")
        words += [f"--{name}" if value else f"--no-{name}"] if isinstance(value, bool) else [f"--{name}", f"{value}"]
    for name, option in (("out", out), ("data-dir", data_dir), ("device", None if device == "auto" else device)):
        if option is not None:
            words += [f"--{name}", str(option)]
    return shlex.join(words)
