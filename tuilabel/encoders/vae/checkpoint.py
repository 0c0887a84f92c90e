"""Reading and writing models as safetensors files; nothing is ever unpickled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tuilabel.encoders.vae.feature_model import FeatureVAE, FeatureVAEConfig
from tuilabel.encoders.vae.header import FORMAT, CheckpointHeader, read_header
from tuilabel.encoders.vae.model import VAE, VAEConfig
from tuilabel.errors import TuilabelError
from tuilabel.files import atomic_write


def save_tensors(path: Path, tensors: Mapping[str, Tensor], header: CheckpointHeader) -> None:
    """Write tensors with a header, atomically.

    Raises
    ------
    TuilabelError : if the file cannot be written.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_write(path) as temporary:
        try:
            save_file(contiguous, temporary, {"format": FORMAT, "header": header.to_json(), "place": header.place})
        except SafetensorError as error:
            raise TuilabelError(f"cannot write {path}: {error}") from error


def load_tensors(path: Path) -> tuple[dict[str, Tensor], CheckpointHeader]:
    """The tensors and the header of a checkpoint; raises `TuilabelError` if it is damaged."""
    header = read_header(path)
    try:
        return load_file(path), header
    except (SafetensorError, OSError, ValueError) as error:
        raise TuilabelError(f"the checkpoint {path} is damaged ({error}): copy or train it again") from error


def with_smoothing(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A model's tensors, with a smoothing of 0 if there is none, as in files of format 1."""
    return {"smoothing": torch.zeros(()), **tensors}


def save_checkpoint(path: Path, model: nn.Module, header: CheckpointHeader) -> None:
    """Write a model's weights and its header to `path`."""
    save_tensors(path, model.state_dict(), header)


def load_checkpoint(path: Path, device: torch.device | None = None) -> tuple[VAE, CheckpointHeader]:
    """The VAE of images in a checkpoint, ready to encode (evaluation mode), and its header.

    Raises
    ------
    TuilabelError : if the file is missing, truncated, damaged or not a tuilabel VAE.
    """
    tensors, header = load_tensors(path)
    with _fitting(path):
        model = VAE(VAEConfig.from_json(header.architecture))
        model.load_state_dict(with_smoothing(tensors))
    model = model.to(device or torch.device("cpu"), memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.eval(), header


def load_feature_checkpoint(path: Path, device: torch.device | None = None) -> tuple[FeatureVAE, CheckpointHeader]:
    """Like `load_checkpoint`, for a VAE on features."""
    tensors, header = load_tensors(path)
    with _fitting(path):
        model = FeatureVAE(FeatureVAEConfig.from_json(header.architecture))
        model.load_state_dict(tensors)
    return model.to(device or torch.device("cpu")).eval(), header


@contextmanager
def _fitting(path: Path) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError, TypeError, KeyError) as error:
        raise TuilabelError(f"the weights in {path} do not fit its header: copy or train it again") from error
