"""A project's model on one page: what it can, where it errs, what to look at."""

from __future__ import annotations

from tuilabel.report.content import ClassRow, Page, Pair, Tile
from tuilabel.report.page import render
from tuilabel.report.samples import Sampler, Samples

__all__ = ["ClassRow", "Page", "Pair", "Sampler", "Samples", "Tile", "render"]
