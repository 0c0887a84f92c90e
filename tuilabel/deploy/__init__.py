"""Export a project's model as one file that runs without tuilabel."""

from __future__ import annotations

from tuilabel.deploy.card import ModelCard
from tuilabel.deploy.write import FORMATS, SUFFIXES, TOLERANCE, Agreement, check_format, format_for_path, write_model

__all__ = [
    "FORMATS",
    "SUFFIXES",
    "TOLERANCE",
    "Agreement",
    "ModelCard",
    "check_format",
    "format_for_path",
    "write_model",
]
