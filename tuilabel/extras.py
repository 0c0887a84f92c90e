"""Packages that are installed only with an extra of tuilabel, and what to say where one is missing."""

from __future__ import annotations

from importlib.util import find_spec

from tuilabel.errors import TuilabelError

EXTRA_OF = {
    "matplotlib": "plots",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
    "open_clip": "encoders",
    "pillow_heif": "heic",
    "psycopg": "postgres",
    "pyarrow": "parquet",
    "ray": "ray",
    "textual_serve": "serve",
    "timm": "encoders",
    "transformers": "encoders",
}
"""The extra that installs a package, by its name of import."""


def is_installed(package: str) -> bool:
    """Whether a package is there to be imported; it is not loaded."""
    try:
        return find_spec(package) is not None
    except ValueError:  # blocked, as by a test
        return False


def how_to_install(package: str) -> str:
    """The command that installs a package, by its extra if it has one."""
    extra = EXTRA_OF.get(package)
    return f"pip install 'tuilabel[{extra}]'" if extra else f"pip install {package}"


def require(package: str, purpose: str) -> None:
    """Check that a package of an extra is installed.

    Parameters
    ----------
    purpose : what needs it, the subject of the message: "reading Parquet files".

    Raises
    ------
    TuilabelError : if it is not; with the command that installs it.
    """
    if not is_installed(package):
        raise TuilabelError(f"{purpose} needs the package {package}: {how_to_install(package)}")
