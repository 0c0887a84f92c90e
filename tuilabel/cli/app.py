"""The Typer application and its global options."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated

import typer

from tuilabel.cli.group import CommandGroup
from tuilabel.version import __version__

app = typer.Typer(
    name="tuilabel",
    cls=CommandGroup,
    help="Label images in the terminal, in the latent space of a VAE: a classifier from as few keypresses as possible.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@dataclass
class Mode:
    """Global state set by the options before the command."""

    debug: bool = False
    """Whether errors show a traceback."""


mode = Mode()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tuilabel {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and debug messages.")] = False,
    no_remote: Annotated[
        bool, typer.Option("--no-remote", help="Read no URL, whether it is typed or named in a table of images.")
    ] = False,
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    import logging

    mode.debug = debug
    if no_remote:
        os.environ["TUILABEL_NO_REMOTE"] = "1"  # of the processes that this one starts, too
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, format="%(name)s: %(message)s")
