"""Write a model file, run it on images, and only then move it into place."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuilabel.deploy.card import ModelCard
from tuilabel.deploy.integers import store_integers
from tuilabel.errors import TuilabelError, unknown_name
from tuilabel.extras import how_to_install, is_installed
from tuilabel.files import atomic_write

if TYPE_CHECKING:
    from tuilabel.deploy.program import Program

FORMATS = {
    "onnx": "one ONNX graph, for onnxruntime and other runtimes; needs the extra tuilabel[onnx]",
    "torch": "a torch.export program (.pt2), loaded by torch alone",
}
SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}
OPSET = 18
TOLERANCE = 1e-4  # largest difference of any probability
BATCH = 16  # images at once
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
Run = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True)
class Agreement:
    """How closely the written file matches tuilabel's own predictions."""

    images: int
    same_class: int
    """Number of images with the same predicted class."""
    difference: float
    """Largest difference of any probability."""
    latent_difference: float
    """Largest difference of any latent."""


def format_for_path(out: Path) -> str | None:
    """The name of the format with the suffix of `out`; None if there is none."""
    return next((name for name, suffix in SUFFIXES.items() if out.suffix.lower() == suffix), None)


def check_format(file_format: str) -> None:
    """Check that files of this format can be written.

    Raises
    ------
    UsageError : if there is no such format.
    TuilabelError : if a package that it needs is not installed.
    """
    if file_format not in FORMATS:
        raise unknown_name("format", file_format, FORMATS)
    missing = [name for name in ONNX_PACKAGES if file_format == "onnx" and not is_installed(name)]
    if missing:
        raise TuilabelError(f"ONNX needs {', '.join(missing)}: {how_to_install(missing[0])}")


def write_model(
    program: Program,
    card: ModelCard,
    images: NDArray[np.uint8],
    probabilities: NDArray[np.float32],
    latents: NDArray[np.float32],
    out: Path,
    kind: str,
) -> Agreement:
    """Write a model file and `OUT.json`, after checking its predictions on `images`.

    Parameters
    ----------
    images : uint8 (n, H, W, C), n ≥ 1, on which the file is checked.
    probabilities, latents : float32 (n, K) and (n, D), tuilabel's own for them, computed in single precision.
    kind : one of `FORMATS`.

    Raises
    ------
    UsageError : see `check_format`.
    TuilabelError : see `check_format`; if the program cannot be expressed in this format, a file cannot be written, or
        its predictions differ from tuilabel's.
    """
    check_format(kind)
    write, load = (_write_onnx, _load_onnx) if kind == "onnx" else (_write_torch, _load_torch)
    with atomic_write(out) as temporary, atomic_write(card_path(out)) as card_file:
        try:
            with _quietly():
                write(program, card, images[:2], temporary)
                run = load(temporary)
                agreement = _compare(run, images, probabilities, latents)
        except (TuilabelError, OSError):
            raise
        except Exception as error:  # of torch.export, the converter and the runtimes
            reason = " ".join(str(error).split())[:200]
            raise TuilabelError(
                f"a model that uses {card.encoder} cannot be written as {kind}: choose another `file_format` or "
                f"`encoder`; `predict` works with it ({type(error).__name__}: {reason})"
            ) from error
        if not (agreement.difference < TOLERANCE and agreement.same_class == agreement.images):
            raise TuilabelError(
                f"the {kind} model's predictions differ from tuilabel's by up to {agreement.difference:.2g}, and in "
                f"{agreement.images - agreement.same_class} of {agreement.images} classes: nothing was written"
            )
        card_file.write_text(json.dumps(card.document(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return agreement


def batches(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """The images a few at a time, so that the activations of a network fit into little memory."""
    for start in range(0, len(images), BATCH):
        yield images[start : start + BATCH]


def card_path(out: Path) -> Path:
    """The path of the description next to a model file."""
    return out.with_name(f"{out.name}.json")


def _write_onnx(program: Program, card: ModelCard, example: NDArray[np.uint8], path: Path) -> None:
    import torch

    images = torch.from_numpy(np.array(example))
    exported = torch.onnx.export(
        program,
        (images,),
        dynamo=True,
        input_names=["images"],
        output_names=["probabilities", "latents"],
        dynamic_shapes={"images": {0: torch.export.Dim("N", min=1)}},
        opset_version=OPSET,
        verbose=False,
    )
    assert exported is not None
    store_integers(exported.model)
    exported.model.producer_name = "tuilabel"
    exported.model.producer_version = card.version
    exported.model.metadata_props.update(card.properties())
    exported.save(path, external_data=False)


def _write_torch(program: Program, card: ModelCard, example: NDArray[np.uint8], path: Path) -> None:
    import torch

    images = torch.from_numpy(np.array(example))
    exported = torch.export.export(program, (images,), dynamic_shapes={"images": {0: torch.export.Dim("N", min=1)}})
    with path.open("wb") as file:  # given a path, torch would insist on the extension .pt2
        torch.export.save(exported, file, extra_files={"tuilabel.json": json.dumps(card.document())})


def _load_onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        probabilities, latents = session.run(["probabilities", "latents"], {"images": images})
        return probabilities, latents

    return run


def _load_torch(path: Path) -> Run:
    import torch

    with path.open("rb") as file:
        module = torch.export.load(file).module()

    def run(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        with torch.inference_mode():
            probabilities, latents = module(torch.from_numpy(images))
        return probabilities.numpy(), latents.numpy()

    return run


def _compare(
    run: Run, images: NDArray[np.uint8], probabilities: NDArray[np.float32], latents: NDArray[np.float32]
) -> Agreement:
    """Compare on all images, and on the first one alone: the file must accept any batch size."""
    parts = [run(part) for part in (*batches(images), images[:1])]
    file_probabilities, file_latents = (np.concatenate(part) for part in zip(*parts, strict=True))
    n = len(images)
    same = int((file_probabilities[:n].argmax(axis=1) == probabilities.argmax(axis=1)).sum())
    difference, latent_difference = (
        float(np.abs(written - np.concatenate([own, own[:1]])).max(initial=0))
        for written, own in ((file_probabilities, probabilities), (file_latents, latents))
    )
    return Agreement(n, same, difference, latent_difference)


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence warnings of the exporters, which the user cannot do anything about."""
    logger = logging.getLogger("onnxscript")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
