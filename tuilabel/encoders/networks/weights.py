"""Files of weights: their digests, and how they come to this machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from tuilabel.encoders.cache import OnProgress
from tuilabel.encoders.networks.names import BUNDLED
from tuilabel.errors import TuilabelError
from tuilabel.files import atomic_write

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 1 << 20  # bytes
HUB_CACHE = "the cache of Hugging Face (HF_HOME)"
"""Where `download_from_hub` puts weights, for `downloading`."""


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file of weights, 64 hexadecimal digits; it is read once for each state of the file.

    Raises
    ------
    TuilabelError : if it cannot be read.
    """
    try:
        state = file.stat()
        return _sha256(file, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise TuilabelError(f"cannot read {file}: {error.strerror or error}") from error


def weights_digest(files: Sequence[Path]) -> str | None:
    """A digest of all files that a network is loaded from, 16 hexadecimal digits; None if there are none."""
    if not files:
        return None
    return hashlib.sha256("".join(map(sha256_of, files)).encode()).hexdigest()[:16]


@contextmanager
def downloading(name: str, folder: Path | str) -> Iterator[None]:
    """Turn every error of a download into a `TuilabelError` of one line.

    Parameters
    ----------
    name : of the network.
    folder : where the user could put its weights.
    """
    try:
        yield
    except TuilabelError:
        raise
    except Exception as error:  # of urllib, of Hugging Face's library, of the libraries below that
        cause = getattr(error, "reason", None) or error  # a URLError's own text is written for programmers
        reason = " ".join(str(getattr(cause, "strerror", None) or cause).split())[:200] or type(error).__name__
        # What to do comes before the cause: a screen of 80 columns shows the beginning.
        raise TuilabelError(
            f"cannot find or download the weights of {name}: pass `encoder='{BUNDLED}'`, or put them into {folder}: "
            f"{reason}"
        ) from error


def download(url: str, file: Path, on_progress: OnProgress) -> None:
    """Download a file, atomically; `on_progress` is called with (bytes done, bytes in total).

    Raises
    ------
    OSError, HTTPException : if it cannot be downloaded, or the connection ends too early.
    TuilabelError : if it cannot be written.
    """
    with urlopen(url, timeout=30) as source, atomic_write(file) as temporary, temporary.open("wb") as target:
        done, total = 0, int(source.headers.get("Content-Length") or 0)
        while chunk := source.read(CHUNK):
            target.write(chunk)
            done += len(chunk)
            on_progress(done, max(done, total))
        if done < total:
            raise HTTPException(f"the connection ended after {done:,} of {total:,} bytes")


def hub_file(repository: str, names: Sequence[str]) -> Path | None:
    """The first of these files of a model on the Hugging Face Hub that its library has in its cache; None without."""
    from huggingface_hub import try_to_load_from_cache

    found = (try_to_load_from_cache(repository, name) for name in names)
    return next((Path(path) for path in found if isinstance(path, str)), None)


def download_from_hub(repository: str, names: Sequence[str], on_progress: OnProgress) -> Path:
    """Download the first of these files that a model on the Hugging Face Hub has, into the cache of its library.

    Raises what that library raises; without a network at once, without its minute of retries.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError
    from huggingface_hub.utils import logging, tqdm

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "file": quiet, "disable": False})
            self.done = self.n  # counted here: a bar that transformers has switched off for all does not

        def update(self, n: float | None = 1) -> bool | None:
            shown: bool | None = super().update(n)
            self.done += n or 0
            on_progress(int(self.done), int(self.total or 0))
            return shown

    logging.set_verbosity_error()
    for name in names:
        try:
            get_hf_file_metadata(hf_hub_url(repository, name))
        except EntryNotFoundError:
            continue
        with Path(os.devnull).open("w") as quiet:
            return Path(hf_hub_download(repository, name, tqdm_class=Bar))
    raise FileNotFoundError(f"{repository} has no {' or '.join(names)}")


def load_weights(file: Path) -> dict[str, Tensor]:
    """The tensors in a .safetensors file, or in one that torch wrote; nothing else is unpickled.

    Raises
    ------
    TuilabelError : if the file is missing, damaged, or holds anything else.
    """
    import torch

    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        stored = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # of pickle, zipfile, torch and safetensors
        raise TuilabelError(f"{file} is damaged, or no file of weights: replace or delete it") from error
    stored = stored.get("state_dict", stored) if isinstance(stored, dict) else stored
    if not isinstance(stored, dict) or not all(isinstance(value, torch.Tensor) for value in stored.values()):
        raise TuilabelError(f"{file} holds no weights by name (a state_dict): save module.state_dict()")
    return stored


def other_architecture(name: str, file: Path | str) -> TuilabelError:
    """The error for weights that do not fit a network."""
    return TuilabelError(f"the weights in {file} are not those of {name}: name the network that they belong to")


@lru_cache(maxsize=64)
def _sha256(file: Path, _size: int, _changed: int) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
