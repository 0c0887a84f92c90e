"""The group of all commands: what they are called, and where they are.

Typer needs milliseconds to make a command of a function with fifty options, so only the command that is run is imported
and made; the list of commands in `--help` needs their names and summaries alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import pairwise
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from tuilabel.cli.errors import from_config, in_options, longest
from tuilabel.errors import TuilabelError, UsageError

COMMANDS = {
    "train-vae": ("vae", "Train the VAE on all images of a dataset, without labels."),
    "encode": (
        "encode",
        "Encode a dataset and cache its latents, or write them to a folder, here or on a Ray cluster.",
    ),
    "label": ("label", "Label images by keypress while a classifier learns from your labels."),
    "review": ("label", "Review labels that are likely wrong, flagged or disputed; keep or change each with one key."),
    "stats": ("label", "Show a project's labels by class and annotator, and its accuracy with an interval."),
    "serve": ("serve", "Label in a browser: serve the screen of `label` to people without a terminal."),
    "team": ("team", "Show who labels a project, who is here now, and what each may do."),
    "export": ("exchange", "Export the labels of a project for other programs, or the model trained on them."),
    "import": (
        "exchange",
        "Import labels from a file or from class folders; without --apply, only show what would change.",
    ),
    "move-store": (
        "move_store",
        "Move a project's labels to PostgreSQL, or back into its directory; both are compared before anything changes.",
    ),
    "backup": ("recovery", "Copy a project's labels to a file, also while somebody labels."),
    "restore": ("recovery", "Put a backup in the place of a project's labels, which are kept beside it."),
    "repair": (
        "recovery",
        "Put a project's labels together from damaged files, rescue files and snapshots; nothing is overwritten.",
    ),
    "predict": ("predict", "Predict every image with the project's model, with calibrated probabilities."),
    "simulate": ("simulate", "Replay active learning with the true labels, and compare query strategies."),
    "thesis": ("simulate", "Test the six claims of Tonnaer 2017 on a dataset, with the true labels as the annotator."),
    "make-colour-digits": ("simulate", "Make `colour-digits`, a substitute for SVHN: MNIST digits on photographs."),
    "datasets": ("about", "List the built-in datasets and show which ones are on this machine."),
    "strategies": ("about", "List the query strategies."),
    "doctor": (
        "about",
        "Check what labelling depends on (terminal, colours, images, device, data, disks) and print a test card.",
    ),
}
"""The module of each command and the first line of its docstring, in the order of the help."""

_WITH_OUT = ("simulate", "thesis")  # commands that write their document to `--out FILE`


class Commands(Mapping[str, Any]):
    """Typer's command of each name, made when it is asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            import_module(f"tuilabel.cli.{COMMANDS[name][0]}")
            from tuilabel.cli.app import app

            alone = typer.Typer(add_completion=False, rich_markup_mode=app.rich_markup_mode)
            alone.registered_commands = [
                info
                for info in app.registered_commands
                if name == (info.name or info.callback.__name__)  # type: ignore[union-attr]
            ]
            self._made[name] = get_command(alone)
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in COMMANDS

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class CommandGroup(TyperGroup):
    """The group of all commands; errors raised by a command are reworded to name its options."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = Commands()

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the signature is click's
        """The names of all commands, in the order of the help."""
        return list(self.commands)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help, with the names and summaries of the commands."""
        whole = self.commands
        self.commands = {name: TyperCommand(name, help=summary) for name, (_, summary) in COMMANDS.items()}
        try:
            super().format_help(ctx, formatter)
        finally:
            self.commands = whole

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line; raises `UsageError` for `--json FILE`, which earlier versions had."""
        for option, value in pairwise(args):
            if args[0] in _WITH_OUT and option == "--json" and value.lower().endswith(".json"):
                raise UsageError(f"--json takes no file, it prints to stdout: to write one, pass `--out {value}`")
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed

    def invoke(self, ctx: Any) -> Any:
        """Run the command; raises `TuilabelError` with a message that names options.

        Options that are not given are as the user's configuration file says.
        """
        from tuilabel.cli.config import user_defaults

        ctx.default_map = user_defaults(self.commands)
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            if error.ctx is not None and error.param is not None and from_config(error.ctx, error.param.name or ""):
                from tuilabel.files import config_file

                option = longest(error.param.opts).removeprefix("--")
                raise UsageError(f"{config_file()}: {option}: {error.message}") from error
            raise
        except TuilabelError as error:
            command = self.commands.get(ctx.invoked_subcommand or "")
            parameter = error.parameter if isinstance(error, UsageError) else None
            error.args = (in_options(str(error), command.params if command else (), parameter),)
            raise
