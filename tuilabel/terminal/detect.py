"""What the terminal can show, decided from what was asked for, the environment and the terminal's answer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from tuilabel.errors import UsageError
from tuilabel.terminal.probe import Replies

COLOUR_CHOICES = ("auto", "truecolor", "256", "16")
IMAGE_CHOICES = ("auto", "halfblock", "quadrant", "sextant", "kitty", "ascii")

# Terminals by the beginning of their name, as they answer it or as TERM has it.
_TRUECOLOR = (
    "kitty",
    "ghostty",
    "wezterm",
    "foot",
    "iterm2",
    "alacritty",
    "contour",
    "konsole",
    "vte",
    "rio",
    "mintty",
)
_PLACEHOLDERS = {"kitty": (0, 28), "ghostty": (1, 0)}  # since which version they draw Unicode placeholders
_SEXTANTS = {"kitty": (0, 20), "ghostty": (1, 0), "wezterm": (0, 0), "foot": (1, 8), "contour": (0, 3)}
_VTE_SEXTANTS = 6400  # draws them itself since 0.64


@dataclass(frozen=True)
class TerminalInfo:
    """A terminal as detected, and what was decided for it; each decision with its reason."""

    term: str
    name: str | None
    version: str | None
    multiplexer: str | None
    over_ssh: bool
    colours: str
    """truecolor, 256 or 16."""
    colours_why: str
    images: str
    """A renderer's name, or "blocks" or "fine-blocks", which choose by the size of a picture."""
    images_why: str
    sixel: bool
    columns: int
    rows: int
    cell_pixels: tuple[int, int] | None
    round_trip_ms: float | None
    probe: str
    """What became of the question to the terminal."""

    @property
    def colours_forced(self) -> bool:
        """Whether the colours were asked for."""
        return self.colours_why in ("--color", "TUILABEL_COLOR")

    @property
    def colours_dropped(self) -> bool:
        """Whether SSH may have lost the word that the terminal has 16 million colours."""
        return self.over_ssh and self.colours != "truecolor" and not self.colours_forced


def check_choices(images: str, colour: str, environ: Mapping[str, str] | None = None) -> tuple[str, str]:
    """What was asked for by option or variable: (images, colour), each "auto" where nothing was.

    Raises
    ------
    UsageError : where a choice is unknown.
    """
    environ = os.environ if environ is None else environ
    chosen = []
    for option, variable, given, choices in (
        ("--images", "TUILABEL_IMAGES", images, IMAGE_CHOICES),
        ("--color", "TUILABEL_COLOR", colour, COLOUR_CHOICES),
    ):
        source = option
        if given == "auto" and environ.get(variable):
            source, given = variable, environ[variable]
        if given not in choices:
            raise UsageError(f"unknown {source} {given!r}: give {', '.join(choices)}")
        chosen.append(given)
    if chosen == ["kitty", "16"]:
        raise UsageError("--images kitty needs 256 colours or more, as images are numbered by them: give --color 256")
    return chosen[0], chosen[1]


def detect(
    images: str = "auto",
    colour: str = "auto",
    replies: Replies | None = None,
    environ: Mapping[str, str] | None = None,
) -> TerminalInfo:
    """Decide how to show images, and in how many colours.

    Parameters
    ----------
    images, colour : what was asked for (`--images`, `--color`), "auto" where nothing was.
    replies : the terminal's answer to a `Probe`; None where nobody asked.

    Raises
    ------
    UsageError : where a choice is unknown.
    """
    environ = os.environ if environ is None else environ
    replies = replies or Replies()
    forced_images, forced_colour = check_choices(images, colour, environ)
    multiplexer = _multiplexer(replies, environ)
    names = [] if multiplexer else _names(replies, environ)
    colours, colours_why = _colours(forced_colour, colour != "auto", multiplexer, names, replies, environ)
    if forced_images != "auto":
        shown, shown_why = forced_images, "--images" if images != "auto" else "TUILABEL_IMAGES"
    else:
        shown, shown_why = _images(colours, forced_colour, multiplexer, names, replies, environ)
    size = shutil.get_terminal_size()
    return TerminalInfo(
        term=environ.get("TERM", ""),
        name=replies.name or _local(environ, "TERM_PROGRAM") or None,
        version=replies.version,
        multiplexer=multiplexer,
        over_ssh=any(environ.get(name) for name in ("SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT")),
        colours=colours,
        colours_why=colours_why,
        images=shown,
        images_why=shown_why,
        sixel=replies.sixel,
        columns=size.columns,
        rows=size.lines,
        cell_pixels=replies.cell_pixels,
        round_trip_ms=None if replies.round_trip is None else 1000 * replies.round_trip,
        probe=_probe_word(replies, environ),
    )


def _probe_word(replies: Replies, environ: Mapping[str, str]) -> str:
    if not replies.asked:
        return "not asked: no terminal at both ends" if environ.get("TERM") else "not asked: TERM is not set"
    return "answered" if replies.answered else "no answer"


def _multiplexer(replies: Replies, environ: Mapping[str, str]) -> str | None:
    """What stands between program and terminal: here, or by TERM and answer at the near end of an SSH line."""
    for variable, name in (("TMUX", "tmux"), ("STY", "screen"), ("ZELLIJ", "zellij")):
        if environ.get(variable):
            return name
    said = (replies.name or "").lower()
    if said.startswith(("tmux", "zellij")):
        return said.split()[0]
    term = environ.get("TERM", "")
    return next((name for name in ("tmux", "screen") if term == name or term.startswith(f"{name}-")), None)


def _names(replies: Replies, environ: Mapping[str, str]) -> list[str]:
    """Lower-case names the terminal goes by."""
    program = _local(environ, "TERM_PROGRAM").removesuffix(".app")
    names = [replies.name or "", environ.get("TERM", "").removeprefix("xterm-"), program]
    return [name.lower() for name in names if name]


def _local(environ: Mapping[str, str], variable: str) -> str:
    """A variable that a terminal sets; over SSH it would speak of another one."""
    return "" if environ.get("SSH_CONNECTION") else environ.get(variable, "")


def _colours(
    forced: str,
    by_option: bool,
    multiplexer: str | None,
    names: list[str],
    replies: Replies,
    environ: Mapping[str, str],
) -> tuple[str, str]:
    term = environ.get("TERM", "")
    if forced != "auto":
        return forced, "--color" if by_option else "TUILABEL_COLOR"
    told = environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
    if told and multiplexer != "screen":
        return "truecolor", "COLORTERM says so"
    if environ.get("TMUX") and _tmux_has_truecolor():
        return "truecolor", "tmux says that its terminal has them"
    if environ.get("WT_SESSION"):
        return "truecolor", "Windows Terminal has them"
    if not multiplexer and (known := next((name for name in names if name.startswith(_TRUECOLOR)), None)):
        return "truecolor", f"{known} has them"
    if term.endswith("-direct"):
        return "truecolor", f"TERM is {term}"
    if replies.truecolor:
        return "truecolor", "the terminal says so"
    if "256color" in term or "kitty" in term:
        return "256", f"TERM is {term}, and nothing says that there are more"
    return "16", f"TERM is {term or 'not set'}"


def _images(
    colours: str,
    forced_colour: str,
    multiplexer: str | None,
    names: list[str],
    replies: Replies,
    environ: Mapping[str, str],
) -> tuple[str, str]:
    if "NO_COLOR" in environ and forced_colour == "auto":
        return "ascii", "NO_COLOR is set"
    if colours == "16":
        return "ascii", "16 colours are too few for images"
    if multiplexer:
        return "blocks", f"inside {multiplexer} only characters are dependable"
    if replies.kitty_graphics and _one_of(_PLACEHOLDERS, names, replies.version):
        return "kitty", f"{replies.name or names[0]} draws images itself"
    vte = (replies.version if replies.name == "VTE" else None) or _local(environ, "VTE_VERSION")
    if _one_of(_SEXTANTS, names, replies.version) or environ.get("WT_SESSION"):
        return "fine-blocks", "the terminal draws sextants itself"
    if vte.isdigit() and int(vte) >= _VTE_SEXTANTS:
        return "fine-blocks", "the terminal draws sextants itself"
    return "blocks", "nothing says that there is more"


def _one_of(known: Mapping[str, tuple[int, int]], names: list[str], version: str | None) -> bool:
    """Whether the terminal is one of `known`, and as new as it must be; new enough where it does not say."""
    found = re.match(r"(\d+)\.(\d+)", version or "")
    said = (int(found[1]), int(found[2])) if found else (9999, 0)
    return any(name.startswith(terminal) and said >= since for terminal, since in known.items() for name in names)


def _tmux_has_truecolor() -> bool:
    command = ["tmux", "display-message", "-p", "#{client_termfeatures}"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=1, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    return "RGB" in said.strip().split(",")
