"""tuilabel: label images in the terminal, with active learning in the latent space of a VAE.

The names below are the public Python API. Each is loaded when it is first used, so that `import tuilabel` costs next to
nothing and loads neither torch nor Textual.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tuilabel.version import __version__

if TYPE_CHECKING:
    from tuilabel.api import export, predict, statistics
    from tuilabel.datasets import DatasetRef, ImagePool, ImageSplit, open_pool
    from tuilabel.encoders import encode
    from tuilabel.errors import TuilabelError, UsageError
    from tuilabel.learner.classifier import LatentClassifier
    from tuilabel.learner.trainer.inline import InlineTrainer
    from tuilabel.project.open_session import open_session
    from tuilabel.project.options import SessionOptions
    from tuilabel.project.predict import Predictions
    from tuilabel.session import LabellingSession
    from tuilabel.simulation.simulate import simulate
    from tuilabel.strategies import query

__all__ = [
    "DatasetRef",
    "ImagePool",
    "ImageSplit",
    "InlineTrainer",
    "LabellingSession",
    "LatentClassifier",
    "Predictions",
    "SessionOptions",
    "TuilabelError",
    "UsageError",
    "__version__",
    "encode",
    "export",
    "open_pool",
    "open_session",
    "predict",
    "query",
    "simulate",
    "statistics",
]

_MODULES = {
    **dict.fromkeys(("export", "predict", "statistics"), "tuilabel.api"),
    **dict.fromkeys(("DatasetRef", "ImagePool", "ImageSplit", "open_pool"), "tuilabel.datasets"),
    **dict.fromkeys(("TuilabelError", "UsageError"), "tuilabel.errors"),
    "InlineTrainer": "tuilabel.learner.trainer.inline",
    "LabellingSession": "tuilabel.session",
    "LatentClassifier": "tuilabel.learner.classifier",
    "Predictions": "tuilabel.project.predict",
    "SessionOptions": "tuilabel.project.options",
    "encode": "tuilabel.encoders",
    "open_session": "tuilabel.project.open_session",
    "query": "tuilabel.strategies",
    "simulate": "tuilabel.simulation.simulate",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'tuilabel' has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
