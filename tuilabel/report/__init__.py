"""A report on a project's model on one page: how accurate it is, what it confuses, what to check."""

from __future__ import annotations

from tuilabel.report.content import ClassRow, Page, Pair, Tile
from tuilabel.report.page import render
from tuilabel.report.samples import Sampler, Samples

__all__ = ["ClassRow", "Page", "Pair", "Sampler", "Samples", "Tile", "render"]
