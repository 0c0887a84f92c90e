"""What `export` prints about a model file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuilabel.deploy import TOLERANCE

if TYPE_CHECKING:
    from tuilabel.project.export_model import ExportedModel


def agreement_line(exported: ExportedModel) -> str:
    """How the file compares with tuilabel's own predictions."""
    line = (
        f"{exported.model}: {len(exported.classes)} classes; on {exported.images} images the same classes as "
        f"tuilabel in single precision, probabilities within {exported.difference:.1g}"
    )
    if exported.differs_from_predict >= TOLERANCE:
        line += (
            f" (as `predict` here: {exported.same_as_predict} of the classes, probabilities within "
            f"{exported.differs_from_predict:.1g})"
        )
    return f"{line}; classes and preprocessing in {exported.card}"
