"""Check everything that a labelling session depends on: terminal, device, data, disks."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tuilabel.datasets import list_datasets
from tuilabel.encoders.device_check import gpu_count
from tuilabel.encoders.vae.header import find_checkpoint
from tuilabel.errors import TuilabelError
from tuilabel.files import cache_dir, config_file, is_on_network
from tuilabel.terminal import Probe, TerminalInfo, detect

NARROW, LOW = 60, 16  # columns below which the statistics are hidden; rows below which images get too small
SLOW = 150  # milliseconds of round trip that a user notices
ROOM = 2 << 30  # bytes; decoded images, latents and labels of the built-in datasets need much less


@dataclass(frozen=True)
class Finding:
    """One thing that was checked; a problem makes labelling impossible, a note does not.

    Attributes
    ----------
    advice : what to do about it; empty if there is nothing to do.
    """

    name: str
    found: str
    mark: Literal["ok", "note", "problem"] = "ok"
    advice: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """Everything that was checked."""

    terminal: TerminalInfo
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        """What makes labelling impossible."""
        return tuple(finding for finding in self.findings if finding.mark == "problem")

    def to_json(self) -> dict[str, Any]:
        """The diagnosis as a JSON document."""
        return {
            "ok": not self.problems,
            "problems": [finding.name for finding in self.problems],
            "terminal": asdict(self.terminal),
            "findings": [asdict(finding) for finding in self.findings],
        }

    def raise_for_problems(self) -> None:
        """Raise `TuilabelError` if labelling is impossible."""
        if self.problems:
            raise TuilabelError(
                "; ".join(f"{problem.name}: {problem.found} ({problem.advice})" for problem in self.problems)
            )


def diagnose(
    project: Path | None = None, data_dir: Path | None = None, images: str = "auto", colour: str = "auto"
) -> Diagnosis:
    """Check everything. If standard input is a terminal, it is queried for its capabilities once.

    Parameters
    ----------
    project : the directory whose disk is checked; None for ./mnist.tuilabel.
    data_dir : a torchvision root; None for `$TUILABEL_DATA` or the cache.
    images, colour : how to draw images and in which colours; "auto" to detect it.

    Raises
    ------
    UsageError : if `images` or `colour` is unknown.
    """
    with Probe() as probe:
        terminal = detect(images, colour, probe.replies)
    findings = [
        *_terminal_findings(terminal),
        _python(),
        _device(),
        *_data(data_dir),
        _folder("cache", cache_dir(), "set TUILABEL_CACHE to a folder on a local disk"),
        Finding("defaults", f"{config_file()}{'' if config_file().is_file() else ', no such file'}"),
        _folder("project", project or Path("mnist.tuilabel"), "choose another `project` directory"),
    ]
    return Diagnosis(terminal, tuple(findings))


def _terminal_findings(terminal: TerminalInfo) -> Iterator[Finding]:
    name = " ".join(filter(None, (terminal.name, terminal.version))) or "unknown"
    dumb = terminal.term == "dumb"
    yield Finding(
        "terminal",
        f"{name}, TERM is {terminal.term or 'not set'}" + (", over SSH" if terminal.over_ssh else ""),
        "problem" if dumb else "ok" if terminal.term else "note",
        "a dumb terminal has no screen: set TERM to your terminal, such as xterm-256color" if dumb else "",
    )
    yield Finding("multiplexer", terminal.multiplexer or "none")
    limited = terminal.colours != "truecolor" and not terminal.colours_forced
    colours = {"truecolor": "16 million", "256": "256", "16": "16"}[terminal.colours]
    yield Finding(
        "colours",
        f"{colours} ({terminal.colours_why})",
        "note" if limited else "ok",
        "if `colour=truecolor` makes the test card smoother, use it, or set TUILABEL_COLOR=truecolor"
        if limited
        else "",
    )
    yield Finding("images", f"{_kind(terminal.images)} ({terminal.images_why})")
    cell = "" if terminal.cell_pixels is None else ", a cell of {} × {} pixels".format(*terminal.cell_pixels)
    small = terminal.columns < NARROW or terminal.rows < LOW
    yield Finding(
        "size",
        f"{terminal.columns} × {terminal.rows} cells{cell}",
        "note" if small else "ok",
        f"enlarge the terminal to at least {NARROW} × {LOW} cells to see the statistics" if small else "",
    )
    if terminal.round_trip_ms is None:
        timed_out = terminal.probe == "no answer"
        advice = "every start waits 2 s for the terminal to answer; set `images` and `colour` to avoid that"
        yield Finding("latency", terminal.probe, "note", advice if timed_out else "")
    else:
        slow = terminal.round_trip_ms > SLOW
        advice = "the screen responds this long after a keypress; you can type ahead within a batch"
        yield Finding("latency", f"{terminal.round_trip_ms:.0f} ms", "note" if slow else "ok", advice if slow else "")


def _kind(images: str) -> str:
    names = {
        "blocks": "half-blocks, quadrants where images are small",
        "fine-blocks": "half-blocks, sextants where images are small",
        "halfblock": "half-blocks",
        "quadrant": "quadrants",
        "sextant": "sextants",
        "ascii": "plain characters",
    }
    return names.get(images, images)


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
        return Finding(
            "device", "a GPU, but torch was built without GPU support", "note", "install torch with CUDA or ROCm"
        )
    if gpus:
        return Finding("device", "1 GPU" if gpus == 1 else f"{gpus} GPUs")
    if sys.platform == "darwin" and os.uname().machine == "arm64":
        return Finding("device", "mps")
    return Finding("device", f"cpu, {os.cpu_count()} processors")


def _data(data_dir: Path | None) -> Iterator[Finding]:
    available = [info.name for info in list_datasets(data_dir) if info.state in ("bundled", "cached", "here")]
    yield Finding(
        "data", ", ".join(available), "ok" if available else "problem", "" if available else "reinstall tuilabel"
    )
    with_vae = []
    for name in available:
        try:
            find_checkpoint(name)
        except TuilabelError:
            continue
        with_vae.append(name)
    yield Finding(
        "VAEs",
        f"for {', '.join(with_vae)}" if with_vae else "none",
        "ok" if with_vae else "note",
        "" if with_vae else "`tuilabel train-vae DATASET` trains one",
    )


def _folder(name: str, path: Path, advice: str) -> Finding:
    """Check whether a folder, or the one it would be created in, is writable, has space, and is on a local disk."""
    existing = path if path.exists() else next(parent for parent in path.absolute().parents if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Finding(name, f"{path} cannot be written", "problem", advice)
    free = shutil.disk_usage(existing).free
    found = f"{path}, {_size(path) if path.exists() else 'to be created'}, {_bytes(free)} free"
    if free < ROOM:
        return Finding(name, found, "note", f"little space left: {advice}")
    if is_on_network(path.absolute() / "file"):
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
