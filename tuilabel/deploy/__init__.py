"""Export a project's model as one file that runs without tuilabel."""

from __future__ import annotations

from tuilabel.deploy.card import ModelCard
from tuilabel.deploy.write import FORMATS, TOLERANCE, Agreement, check_format, write_model

__all__ = ["FORMATS", "TOLERANCE", "Agreement", "ModelCard", "check_format", "write_model"]
