"""Errors of the core, with the option names of the command line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

import tuilabel
from tuilabel.cli import app
from tuilabel.cli.errors import in_options

OPTION = re.compile(r"(?<![\w-])--[a-z]")


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
def test_messages_name_options_instead_of_parameters(
    command: str, text: str, parameter: str | None, expected: str
) -> None:
    params = get_command(app).commands[command].params  # type: ignore[attr-defined]
    assert in_options(text, params, parameter) == expected


def test_the_core_names_no_options() -> None:
    package = Path(tuilabel.__file__).parent
    core = [path for path in package.rglob("*.py") if path.relative_to(package).parts[0] not in ("cli", "tui", "web")]
    found = [f"{path.relative_to(package)}: {text}" for path in core for text in messages(path) if OPTION.search(text)]
    assert not found


def messages(path: Path) -> Iterator[str]:
    """The string literals of a module that are not docstrings; a whole command line is not a message."""
    tree = ast.parse(path.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in docstrings:
            continue
        if not node.value.startswith("tuilabel "):
            yield node.value
