"""Errors of the core in the words of the command line."""

from __future__ import annotations

import pytest
from typer.main import get_command

from tuilabel.cli import app
from tuilabel.cli.errors import in_options


@pytest.mark.parametrize(
    ("command", "text", "parameter", "expected"),
    [
        ("label", "batch_size must be at least 1, got 0", "batch_size", "--batch must be at least 1, got 0"),
        ("train-vae", "batch_size must be at least 1, got 0", "batch_size", "--batch-size must be at least 1, got 0"),
        ("train-vae", "latent_dim must be at least 1, got 0", None, "--latent-dim must be at least 1, got 0"),
        ("predict", "file_format xml is unknown", "file_format", "--format xml is unknown"),
        ("predict", "out is full", None, "out is full"),
        ("predict", "p.csv already exists: pass `force=True`", None, "p.csv already exists: pass `--force`"),
        ("simulate", "or pass `audit=False`", None, "or pass `--no-audit`"),
        ("export", "give `encoder='pca'`", None, "give `--encoder pca`"),
        ("stats", "run `tuilabel label` or `force`", None, "run `tuilabel label` or `force`"),
    ],
)
def test_options_stand_for_parameters(command: str, text: str, parameter: str | None, expected: str) -> None:
    params = get_command(app).commands[command].params  # type: ignore[attr-defined]
    assert in_options(text, params, parameter) == expected
