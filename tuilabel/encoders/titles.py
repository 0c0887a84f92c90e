"""What the latents of an encoder are called on the screen. Imports nothing, so that the screen can use it."""

_TITLES = {
    "pca": "thumbnails (PCA)",
    "vae": "VAE of your images",
    "own latents": "your own latents",
    "pixels": "pixels",
}


def title_of(encoder: str) -> str:
    """What an encoder's latents are, in a few words, such as "network features (efficientnet_lite2)"."""
    kind, _, network = encoder.partition("-on:")
    if network:
        return f"{kind.upper()} on network features ({network})"
    if encoder.startswith("vae+"):
        return f"VAE and network features ({encoder.removeprefix('vae+')})"
    return _TITLES.get(encoder, f"network features ({encoder})")
