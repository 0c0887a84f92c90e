"""`serve`: label in a browser."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from tuilabel.cli import complete
from tuilabel.cli.app import app
from tuilabel.cli.options import ProjectDir, Quiet, note
from tuilabel.errors import TuilabelError, UsageError, printable
from tuilabel.extras import require

OWN_TOKEN = 32  # bytes


@app.command(epilog="Example: tuilabel serve photos -- --batch 10")
def serve(
    ctx: typer.Context,
    dataset: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATASET]", autocompletion=complete.datasets, help="The images of the project, as for `label`."
        ),
    ] = None,
    options: Annotated[
        list[str] | None, typer.Argument(metavar="[-- OPTIONS]", help="Options of `tuilabel label` for every browser.")
    ] = None,
    project: ProjectDir = None,
    role: Annotated[
        str | None,
        typer.Option(
            "--role",
            autocompletion=complete.choices("owner", "labeller"),
            help="What visitors are, see `label --role`. Default: labeller where a token is needed, else owner.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="The address to listen on; 0.0.0.0 for all. Others than loopback need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 for any that is free.")] = 8000,
    token: Annotated[
        bool, typer.Option("--token", help="Ask for a token on loopback too, where a machine has other users.")
    ] = False,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help="The token, in a file of mode 600. Default: TUILABEL_SERVE_TOKEN, else a new one, printed once.",
        ),
    ] = None,
    public_url: Annotated[
        str | None, typer.Option("--public-url", metavar="URL", help="How visitors reach it through a proxy.")
    ] = None,
    max_sessions: Annotated[int, typer.Option(help="How many browsers may label at once.")] = 8,
    idle: Annotated[float, typer.Option(help="Minutes without a key after which a browser's session ends.")] = 60.0,
    _quiet: Quiet = False,
) -> None:
    """Label in a browser: serve the screen of `label` to people without a terminal."""
    import asyncio
    import signal

    require("textual_serve", "the screen in a browser")
    from tuilabel.project.locate import check_dataset
    from tuilabel.web.access import Access, is_loopback, read_token

    more = [] if options is None else options
    if dataset is not None and dataset.startswith("-"):  # `serve -- --batch 10`
        more, dataset = [dataset, *more], None
    _check_label_options(ctx, more)
    check_dataset(dataset)
    _check_numbers(port, max_sessions, idle)
    public_url = _public(public_url)
    chosen, generated = read_token(token_file, os.environ), False
    if chosen is None and (token or not is_loopback(host) or public_url is not None):
        from secrets import token_urlsafe

        chosen, generated = token_urlsafe(OWN_TOKEN), True
    role = role or ("owner" if chosen is None else "labeller")
    if role not in ("owner", "labeller"):
        raise UsageError(f"role must be owner or labeller, got {role!r}", parameter="role")
    if role == "labeller":
        _check_project(dataset, project)
    from tuilabel.web.server import WebServer

    arguments = [f"--role={role}", *([] if project is None else [f"--project={project}"])]
    server = WebServer(
        arguments=[*arguments, *more, *([] if dataset is None else ["--", dataset])],
        title=Path(dataset or project or "mnist").name,
        access=Access(chosen, public_url),
        max_sessions=max_sessions,
        idle=60 * idle,
        port=port,
    )

    def ready(at: int) -> None:
        name = f"[{host}]" if ":" in host else "localhost" if is_loopback(host) else host
        url = public_url or f"http://{name}:{at}"
        typer.echo(printable(f"{url}/?token={chosen}" if generated else f"{url}/"))
        sys.stdout.flush()
        if chosen is not None and not generated:
            note("visitors are asked for the token that you chose")
        if chosen is not None and not url.startswith("https:") and not is_loopback(host):
            note("the connection is not encrypted: use an SSH tunnel, or a proxy with TLS and --public-url")
        note("Ctrl+C ends it; all answers are saved as they are given")

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await server.run(host, ready, stop)

    asyncio.run(run())


def _check_label_options(ctx: typer.Context, options: list[str]) -> None:
    """Report options that `tuilabel label` does not have now, and not in every browser."""
    group: Any = ctx.find_root().command
    parsed = group.commands["label"].make_context("label", list(options), parent=ctx.parent)
    if parsed.params.get("dataset") is not None:
        raise UsageError("DATASET comes before `--`, once")
    for name in ("annotator", "project"):
        if parsed.params.get(name) is not None:
            where = "each visitor says a name" if name == "annotator" else "give it before `--`"
            raise UsageError(f"--{name} does not go after `--`: {where}")


def _check_project(dataset: str | None, project: Path | None) -> None:
    """Raise `TuilabelError` if there is no project yet, which labellers cannot begin."""
    from tuilabel.project.locate import find_project

    try:
        find_project(dataset, project)
    except TuilabelError as error:
        raise TuilabelError(
            f"{error}. Labellers cannot begin a project: do that with `tuilabel label`, or pass --role owner"
        ) from error


def _check_numbers(port: int, max_sessions: int, idle: float) -> None:
    if not 0 <= port <= 0xFFFF:
        raise UsageError(f"port must be between 0 and 65535, got {port}", parameter="port")
    if max_sessions < 1:
        raise UsageError(f"max_sessions must be at least 1, got {max_sessions}", parameter="max_sessions")
    if not idle > 0:
        raise UsageError(f"idle must be above 0 minutes, got {idle:g}", parameter="idle")


def _public(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/") or parts.query:
        raise UsageError(
            f"public_url must be like https://label.example.org, without a path, got {url!r}", parameter="public_url"
        )
    return f"{parts.scheme}://{parts.netloc}"
