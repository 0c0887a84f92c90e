"""The encoders by name, and the choice of an encoder for a pool. Does not import torch."""

from __future__ import annotations

from pathlib import Path

from tuilabel.datasets import ImagePool
from tuilabel.encoders.automatic import AUTO, candidates, chosen_by_images
from tuilabel.encoders.base import Encoder, EncoderOptions
from tuilabel.encoders.joint import VAE_AND, JointEncoder
from tuilabel.encoders.networks.encoder import NetworkEncoder
from tuilabel.encoders.networks.names import FORMS, NETWORKS, parse_name
from tuilabel.encoders.pca import PCAEncoder
from tuilabel.encoders.tables.encoder import LatentTable
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.encoders.vae.feature_encoder import FeatureVAEEncoder
from tuilabel.encoders.vae.header import ON_FEATURES
from tuilabel.errors import unknown_name

ENCODERS: dict[str, type[Encoder]] = {
    "vae": VAEEncoder,
    "pca": PCAEncoder,
    **dict.fromkeys(NETWORKS, NetworkEncoder),
}

ON_NETWORK, AND_NETWORK = f"{ON_FEATURES}NETWORK", f"{VAE_AND}NETWORK"
NAMES = (AUTO, *ENCODERS)
"""What `--encoder` accepts, besides names of the `FORMS` of networks."""
DEFAULT_ENCODER = AUTO


def check_encoder(name: str) -> None:
    """Raise `UsageError` if there is no encoder called `name`, or a package that it needs is not installed."""
    if name not in (AUTO, *ENCODERS) and ":" not in name and not name.startswith(VAE_AND):
        raise unknown_name("encoder", name, (AUTO, *ENCODERS, *FORMS, ON_NETWORK, AND_NETWORK))
    if name != AUTO and issubclass(_kind(name), NetworkEncoder | FeatureVAEEncoder | JointEncoder):
        parse_name(name.removeprefix(ON_FEATURES).removeprefix(VAE_AND))


def choose_encoder(
    encoder: str,
    pool: ImagePool,
    *,
    checkpoint: Path | None = None,
    latents: Path | None = None,
    project: Path | None = None,
) -> Encoder:
    """The encoder for a pool; a VAE of your own images may need training first, see `Encoder.needs_training`.

    Parameters
    ----------
    encoder : a name from `NAMES`, or a network's, see `networks.names`; after `vae-on:` for a VAE on its features,
        after `vae+` for a VAE of the images beside them.
        "auto" is settled by the look of the images.
    checkpoint : of the VAE; by default the one for the dataset, see `find_checkpoint`, or the project's own.
    latents : a table of your own latents, which takes precedence; see `LatentTable`.
    project : the project's directory.

    Raises
    ------
    UsageError : if `encoder` is unknown.
    TuilabelError : if a file is missing, damaged or made for other images, or there is no VAE for a built-in
        dataset.
    """
    options = EncoderOptions(encoder, checkpoint, latents, project)
    if latents is not None:
        return LatentTable.choose(pool, options)
    check_encoder(encoder)
    return chosen_by_images(pool, options) if encoder == AUTO else _kind(encoder).choose(pool, options)


def candidate_encoders(
    encoder: str,
    pool: ImagePool,
    *,
    checkpoint: Path | None = None,
    latents: Path | None = None,
    project: Path | None = None,
) -> tuple[Encoder, ...]:
    """The encoders between which a session chooses as it goes, best first; one, unless `encoder` is "auto".

    Parameters and errors are those of `choose_encoder`.
    """
    if encoder == AUTO and latents is None:
        return candidates(pool, EncoderOptions(encoder, checkpoint, latents, project))
    return (choose_encoder(encoder, pool, checkpoint=checkpoint, latents=latents, project=project),)


def _kind(name: str) -> type[Encoder]:
    if name.startswith(VAE_AND):
        return JointEncoder
    return FeatureVAEEncoder if name.startswith(ON_FEATURES) else ENCODERS.get(name, NetworkEncoder)
