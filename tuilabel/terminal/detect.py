"""How to show images and in how many colours, decided from arguments, environment and the terminal's replies."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from tuilabel.errors import UsageError
from tuilabel.terminal.probe import Replies

COLOUR_CHOICES = ("auto", "truecolor", "256", "16")
IMAGE_CHOICES = ("auto", "halfblock", "quadrant", "sextant", "kitty", "iterm2", "sixel", "ascii")
GRAPHICS = ("kitty", "iterm2", "sixel")
"""Images that the terminal draws itself."""
REQUESTED = "as requested"

# Terminals by the beginning of their name, as in their reply or in TERM.
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
_PLACEHOLDERS = {"kitty": (0, 28), "ghostty": (1, 0)}  # the first version that draws Unicode placeholders
_ITERM2 = {"iterm2": (2, 9), "iterm": (2, 9), "wezterm": (0, 0)}
_FEWEST_REGISTERS = 64
_SEXTANTS = {"kitty": (0, 20), "ghostty": (1, 0), "wezterm": (0, 0), "foot": (1, 8), "contour": (0, 3)}
_VTE_SEXTANTS = 6400  # draws sextants itself since 0.64


@dataclass(frozen=True)
class TerminalInfo:
    """A terminal, what was decided for it, and why."""

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
    blocks: str
    """The block characters to use where the terminal does not draw images itself: "blocks" or "fine-blocks"."""
    passthrough: bool
    """Whether images go through tmux."""
    sixel: bool
    registers: int | None
    """Colours that a Sixel image may have; None if the terminal does not say."""
    columns: int
    rows: int
    cell_pixels: tuple[int, int] | None
    round_trip_ms: float | None
    probe: str
    """Whether the terminal was queried, and whether it replied."""
    utf8: bool = True
    """Whether it gets other characters than ASCII; tmux writes none to a client that has not said so."""

    @property
    def colours_forced(self) -> bool:
        """Whether the user chose the colours."""
        return self.colours_why in (REQUESTED, "TUILABEL_COLOR")

    @property
    def colours_dropped(self) -> bool:
        """Whether SSH may have dropped the variable that announces 16 million colours."""
        return self.over_ssh and self.colours != "truecolor" and not self.colours_forced


def check_choices(images: str, colour: str, environ: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Fill in `images` and `colour` from TUILABEL_IMAGES and TUILABEL_COLOR if they are "auto".

    Raises
    ------
    UsageError : if a value is unknown, or the two do not go together.
    """
    environ = os.environ if environ is None else environ
    chosen = []
    for parameter, variable, value, choices in (
        ("images", "TUILABEL_IMAGES", images, IMAGE_CHOICES),
        ("colour", "TUILABEL_COLOR", colour, COLOUR_CHOICES),
    ):
        source = parameter
        if value == "auto" and environ.get(variable):
            source, value = variable, environ[variable]
        if value not in choices:
            raise UsageError(f"{source} must be one of {', '.join(choices)}, got {value!r}", parameter=source)
        chosen.append(value)
    if chosen == ["kitty", "16"]:
        raise UsageError("`images='kitty'` needs 256 colours, which encode the ids of images: pass `colour='256'`")
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
    images, colour : one of `IMAGE_CHOICES` and `COLOUR_CHOICES`; "auto" leaves the decision to this function.
    replies : the terminal's replies to a `Probe`; None if it was not queried.

    Raises
    ------
    UsageError : if a value is unknown, or the two do not go together.
    """
    environ = os.environ if environ is None else environ
    replies = replies or Replies()
    forced_images, forced_colour = check_choices(images, colour, environ)
    multiplexer = _multiplexer(replies, environ)
    names = [] if multiplexer else _names(replies, environ)
    passthrough = bool(environ.get("TMUX")) and (forced_images == "kitty" or _tmux_passes_images_on())
    blocks, blocks_why = _blocks(multiplexer, names, replies, environ)
    colours, colours_why = _colours(forced_colour, colour != "auto", multiplexer, names, replies, environ)
    utf8 = _has_utf8(environ)
    if forced_images != "auto":
        shown, shown_why = forced_images, REQUESTED if images != "auto" else "TUILABEL_IMAGES"
    else:
        drawn = (
            None
            if "NO_COLOR" in environ and forced_colour == "auto"
            else (_graphics(colours, multiplexer, names, replies, passthrough=passthrough))
        )
        plain = None if utf8 else ("ascii", "nothing says that the terminal has UTF-8")
        shown, shown_why = drawn or plain or _characters(colours, forced_colour, environ) or (blocks, blocks_why)
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
        blocks=blocks,
        passthrough=passthrough,
        sixel=replies.sixel,
        registers=replies.registers,
        columns=size.columns,
        rows=size.lines,
        cell_pixels=replies.cell_pixels,
        round_trip_ms=None if replies.round_trip is None else 1000 * replies.round_trip,
        probe=_probe_outcome(replies, environ),
        utf8=utf8,
    )


def _probe_outcome(replies: Replies, environ: Mapping[str, str]) -> str:
    if not replies.asked:
        return f"not asked: {'input or output is not a terminal' if environ.get('TERM') else 'TERM is not set'}"
    return "answered" if replies.answered else "no answer"


def _multiplexer(replies: Replies, environ: Mapping[str, str]) -> str | None:
    """The multiplexer in use: on this machine or, according to TERM and the replies, at the user's end of SSH."""
    for variable, name in (("TMUX", "tmux"), ("STY", "screen"), ("ZELLIJ", "zellij")):
        if environ.get(variable):
            return name
    name = (replies.name or "").lower()
    if name.startswith(("tmux", "zellij")):
        return name.split()[0]
    term = environ.get("TERM", "")
    return next((name for name in ("tmux", "screen") if term == name or term.startswith(f"{name}-")), None)


def _names(replies: Replies, environ: Mapping[str, str]) -> list[str]:
    """The names of the terminal in lower case."""
    program = _local(environ, "TERM_PROGRAM").removesuffix(".app")
    names = [replies.name or "", environ.get("TERM", "").removeprefix("xterm-"), program]
    return [name.lower() for name in names if name]


def _local(environ: Mapping[str, str], variable: str) -> str:
    """A variable set by the terminal; empty over SSH, where it may describe another terminal."""
    return "" if environ.get("SSH_CONNECTION") else environ.get(variable, "")


def _colours(
    forced: str,
    requested: bool,
    multiplexer: str | None,
    names: list[str],
    replies: Replies,
    environ: Mapping[str, str],
) -> tuple[str, str]:
    term = environ.get("TERM", "")
    if forced != "auto":
        return forced, REQUESTED if requested else "TUILABEL_COLOR"
    announced = environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
    if announced and multiplexer != "screen":
        return "truecolor", "from COLORTERM"
    if environ.get("TMUX") and _tmux_has_truecolor():
        return "truecolor", "tmux reports that its terminal has them"
    if environ.get("WT_SESSION"):
        return "truecolor", "Windows Terminal has them"
    if not multiplexer and (supported := next((name for name in names if name.startswith(_TRUECOLOR)), None)):
        return "truecolor", f"{supported} has them"
    if term.endswith("-direct"):
        return "truecolor", f"TERM is {term}"
    if replies.truecolor:
        return "truecolor", "the terminal reports them"
    if "256color" in term or "kitty" in term:
        return "256", f"TERM is {term}, and nothing indicates more"
    return "16", f"TERM is {term or 'not set'}"


def _graphics(
    colours: str, multiplexer: str | None, names: list[str], replies: Replies, *, passthrough: bool
) -> tuple[str, str] | None:
    """How the terminal draws images itself, and why it is believed to; None if it does not."""
    if multiplexer:
        return ("kitty", "tmux passes them on to a terminal that draws them") if passthrough else None
    name = replies.name or (names[0] if names else "the terminal")
    if colours != "16" and replies.kitty_graphics and _is_supported(_PLACEHOLDERS, names, replies.version):
        return "kitty", f"{name} draws images itself"
    if replies.iterm2_images or (replies.answered and _is_supported(_ITERM2, names, replies.version)):
        return "iterm2", f"{name} draws images itself"
    enough = replies.registers is None or replies.registers >= _FEWEST_REGISTERS
    if replies.sixel and replies.cell_pixels is not None and enough:
        return "sixel", f"{name} reports that it draws them"
    return None


def _characters(colours: str, forced_colour: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Whether there are too few colours for anything but characters, and why."""
    if "NO_COLOR" in environ and forced_colour == "auto":
        return "ascii", "NO_COLOR is set"
    return ("blocks", "photographs in half-blocks, grey images in characters") if colours == "16" else None


def _blocks(multiplexer: str | None, names: list[str], replies: Replies, environ: Mapping[str, str]) -> tuple[str, str]:
    if multiplexer:
        return "blocks", f"inside {multiplexer} only characters are reliable"
    vte = (replies.version if replies.name == "VTE" else None) or _local(environ, "VTE_VERSION")
    if _is_supported(_SEXTANTS, names, replies.version) or environ.get("WT_SESSION"):
        return "fine-blocks", "the terminal draws sextants itself"
    if vte.isdigit() and int(vte) >= _VTE_SEXTANTS:
        return "fine-blocks", "the terminal draws sextants itself"
    return "blocks", "nothing indicates finer pictures"


def _is_supported(minimums: Mapping[str, tuple[int, int]], names: list[str], version: str | None) -> bool:
    """Whether the terminal is one of `minimums` and new enough; without a reported version it is assumed to be."""
    match = re.match(r"(\d+)\.(\d+)", version or "")
    actual = (int(match[1]), int(match[2])) if match else (9999, 0)
    return any(
        name.startswith(terminal) and actual >= minimum for terminal, minimum in minimums.items() for name in names
    )


def _has_utf8(environ: Mapping[str, str]) -> bool:
    encoding = getattr(sys.__stderr__, "encoding", None) or "utf-8"  # which Textual writes to
    known = encoding.lower().replace("-", "").startswith("utf8")
    return known and not (environ.get("TMUX") and _tmux("#{client_utf8}") == "0")


def _tmux_has_truecolor() -> bool:
    return "RGB" in _tmux("#{client_termfeatures}").split(",")


def _tmux_passes_images_on() -> bool:
    """Whether tmux passes on what is meant for its terminal, and that one draws Unicode placeholders."""
    name, _, passthrough = _tmux("#{client_termname} #{allow-passthrough}").partition(" ")
    return name.startswith(("xterm-kitty", "xterm-ghostty")) and passthrough in ("on", "all", "1", "2")


def _tmux(form: str) -> str:
    """What tmux says about itself, in a format of its own; empty if it does not answer."""
    command = ["tmux", "display-message", "-p", form]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=1, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
