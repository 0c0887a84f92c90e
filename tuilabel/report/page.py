"""The page: one self-contained HTML file, without network access or scripts."""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tuilabel.report.charts import learning_curve
from tuilabel.report.content import Page

MATRIX_UP_TO = 20  # classes; larger matrices are unreadable
CLASSES_WITH_PICTURES = 120
LONGEST = 200  # characters of a name


def render(page: Page) -> str:
    """The report as HTML. Names of classes, files and annotators are always shown as text.

    It has at most 350 pictures: with 200 labels of MNIST the page has 0.14 MB, with coloured photographs 0.8 MB.
    """
    environment = Environment(
        loader=PackageLoader("tuilabel.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters["percent"] = percent
    environment.filters["number"] = lambda n: f"{n:,}"
    return environment.get_template("page.html.j2").render(
        page=page,
        curve=learning_curve(page.curve) if page.curve else None,
        matrix=_matrix(page) if len(page.classes) <= MATRIX_UP_TO else None,
        pictured=page.classes[:CLASSES_WITH_PICTURES],
    )


def percent(share: float, digits: int = 1) -> str:
    """0.9734 as "97.3 %"."""
    return f"{100 * share:.{digits}f} %"


def _printable(value: Any) -> Any:
    """Text with control characters made visible and its length limited."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    text = "".join(_visible(c) for c in value)
    return text if len(text) <= LONGEST or text.startswith("data:image/") else text[: LONGEST - 1] + "…"


def _visible(character: str) -> str:
    return character if unicodedata.category(character)[0] != "C" else f"\\x{ord(character):02x}"


def _matrix(page: Page) -> list[list[tuple[int, int]]] | None:
    """The count of each cell and the strength of its colour, 0 to 90."""
    if page.confusion is None:
        return None
    right = page.confusion.diagonal()
    mistakes = page.confusion - np.diag(right)
    depth = np.ceil(60 * np.sqrt(mistakes / max(1, mistakes.max()))).astype(int)
    np.fill_diagonal(depth, np.ceil(90 * right / np.maximum(page.confusion.sum(axis=1), 1)))
    return [
        list(zip(counts, depths, strict=True))
        for counts, depths in zip(page.confusion.tolist(), depth.tolist(), strict=True)
    ]
