"""What `tuilabel doctor` finds out: everything a labelling session stands on, and what to do where it is missing."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from tuilabel.cli.render.testcard import test_card
from tuilabel.datasets import list_datasets
from tuilabel.encoders.device_check import gpu_count
from tuilabel.encoders.vae.header import find_checkpoint
from tuilabel.errors import TuilabelError
from tuilabel.files import cache_dir, on_network
from tuilabel.terminal import Probe, TerminalInfo, detect

NARROW, LOW = 60, 16  # columns and rows below which the figures beside the images go, or the images
SLOW = 150  # milliseconds of round trip that one feels
ROOM = 2 << 30  # bytes that decoded images, latents and labels of the data sets known by name stay well under
MARKS = {"ok": "green", "note": "yellow", "problem": "bold red"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; a problem makes labelling impossible, a note does not."""

    name: str
    found: str
    mark: Literal["ok", "note", "problem"] = "ok"
    advice: str = ""


@dataclass(frozen=True)
class Report:
    """Everything that was found."""

    terminal: TerminalInfo
    findings: tuple[Finding, ...]

    def document(self) -> dict[str, Any]:
        """What `doctor --json` prints."""
        problems = [finding.name for finding in self.findings if finding.mark == "problem"]
        return {
            "ok": not problems,
            "problems": problems,
            "terminal": asdict(self.terminal),
            "findings": [asdict(finding) for finding in self.findings],
        }

    def raise_for_problems(self) -> None:
        """Raise `TuilabelError` where labelling is impossible."""
        problems = [finding for finding in self.findings if finding.mark == "problem"]
        if problems:
            raise TuilabelError("; ".join(f"{one.name}: {one.found} ({one.advice})" for one in problems))


def examine(project: Path | None, data_dir: Path | None, images: str, colour: str) -> Report:
    """Look at everything; the terminal is asked one question where there is one.

    Raises
    ------
    UsageError : where `images` or `colour` is unknown.
    """
    with Probe() as probe:
        terminal = detect(images, colour, probe.replies)
    findings = [
        *_terminal_findings(terminal),
        _python(),
        _device(),
        *_data(data_dir),
        _folder("cache", cache_dir(), "set TUILABEL_CACHE to a folder on a local disk"),
        _folder("project", project or Path("mnist.tuilabel"), "name another --project"),
    ]
    return Report(terminal, tuple(findings))


def show(report: Report) -> None:
    """Print the report, and the test card where somebody can look at it."""
    on_screen = sys.stdout.isatty()
    terminal = report.terminal
    system = {"truecolor": "truecolor", "256": "256", "16": "standard"}[terminal.colours]
    coloured = on_screen or terminal.colours_forced
    console = Console(
        color_system=system if coloured else None,  # type: ignore[arg-type]
        force_terminal=coloured or None,
        no_color=False if terminal.colours_forced else None,
        width=None if on_screen or "COLUMNS" in os.environ else 110,
        highlight=False,
    )
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for one in report.findings:
        advice = f"\n[dim]{one.advice}[/]" if one.advice else ""
        table.add_row(one.name, f"[{MARKS[one.mark]}]{one.mark}[/]", f"{one.found}{advice}")
    console.print(table)
    console.print()
    if coloured:
        test_card(console, terminal)
    else:
        console.print("The test card needs a terminal, or --color to print its colours into a pipe.")


def _terminal_findings(terminal: TerminalInfo) -> Iterator[Finding]:
    name = " ".join(filter(None, (terminal.name, terminal.version))) or "unknown"
    dumb = terminal.term == "dumb"
    yield Finding(
        "terminal",
        f"{name}, TERM is {terminal.term or 'not set'}" + (", over SSH" if terminal.over_ssh else ""),
        "problem" if dumb else "ok" if terminal.term else "note",
        "a dumb terminal has no screen: set TERM to what it is, such as xterm-256color" if dumb else "",
    )
    yield Finding("multiplexer", terminal.multiplexer or "none")
    few = terminal.colours != "truecolor" and not terminal.colours_forced
    colours = {"truecolor": "16 million", "256": "256", "16": "16"}[terminal.colours]
    yield Finding(
        "colours",
        f"{colours} ({terminal.colours_why})",
        "note" if few else "ok",
        "if the test card is smoother with --color truecolor, use that, or TUILABEL_COLOR=truecolor" if few else "",
    )
    yield Finding("images", f"{_kind(terminal.images)} ({terminal.images_why})")
    cell = "" if terminal.cell_pixels is None else ", a cell of {} × {} pixels".format(*terminal.cell_pixels)
    small = terminal.columns < NARROW or terminal.rows < LOW
    yield Finding(
        "size",
        f"{terminal.columns} × {terminal.rows} cells{cell}",
        "note" if small else "ok",
        f"from {NARROW} × {LOW} on there is room for the figures" if small else "",
    )
    if terminal.round_trip_ms is None:
        late = terminal.probe == "no answer"
        advice = "the terminal answers no question within 2 s: each start waits for it; --images and --color end that"
        yield Finding("latency", terminal.probe, "note", advice if late else "")
    else:
        slow = terminal.round_trip_ms > SLOW
        advice = "answers show that much later than keys are pressed; keys may be typed ahead within a batch"
        yield Finding("latency", f"{terminal.round_trip_ms:.0f} ms", "note" if slow else "ok", advice if slow else "")


def _kind(images: str) -> str:
    known = {
        "blocks": "half-blocks, quadrants where images are small",
        "fine-blocks": "half-blocks, sextants where images are small",
        "halfblock": "half-blocks",
        "quadrant": "quadrants",
        "sextant": "sextants",
        "ascii": "plain characters",
    }
    return known.get(images, images)


def _python() -> Finding:
    try:
        torch = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return Finding("torch", "not installed", "problem", "install it: pip install torch")
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("torch", f"{torch}, Python {version}, tuilabel {importlib.metadata.version('tuilabel')}")


def _device() -> Finding:
    gpus = gpu_count()
    if gpus and "+cpu" in importlib.metadata.version("torch"):
        return Finding("device", "a GPU, but torch was built without one", "note", "install torch with CUDA or ROCm")
    if gpus:
        return Finding("device", "1 GPU" if gpus == 1 else f"{gpus} GPUs")
    if sys.platform == "darwin" and os.uname().machine == "arm64":
        return Finding("device", "mps")
    return Finding("device", f"cpu, {os.cpu_count()} processors")


def _data(data_dir: Path | None) -> Iterator[Finding]:
    sets = list_datasets(data_dir)
    here = [one.name for one in sets if one.state in ("bundled", "cached", "here")]
    yield Finding("data", ", ".join(here), "ok" if here else "problem", "" if here else "install tuilabel anew")
    with_vae = []
    for name in here:
        try:
            find_checkpoint(name)
        except TuilabelError:
            continue
        with_vae.append(name)
    yield Finding(
        "VAEs",
        f"for {', '.join(with_vae)}" if with_vae else "none",
        "ok" if with_vae else "note",
        "" if with_vae else "tuilabel train-vae DATASET makes one",
    )


def _folder(name: str, path: Path, advice: str) -> Finding:
    """Whether a folder, or the one it would be made in, can be written, on what, and how much is in it."""
    there = path if path.exists() else next(parent for parent in path.absolute().parents if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Finding(name, f"{path} cannot be written", "problem", advice)
    free = shutil.disk_usage(there).free
    found = f"{path}, {_size(path) if path.exists() else 'to be made'}, {_bytes(free)} free"
    if free < ROOM:
        return Finding(name, found, "note", f"little room: {advice}")
    if on_network(path.absolute() / "file"):
        return Finding(name, f"{found}, on a network file system", "note", f"slower and less safe: {advice}")
    return Finding(name, found)


def _size(path: Path) -> str:
    return _bytes(sum(file.stat().st_size for file in path.rglob("*") if file.is_file()))


def _bytes(n: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if n < 1000 or unit == "GB":
            break
        n /= 1000
    return f"{n:.0f} {unit}"
