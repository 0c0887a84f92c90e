"""The VAE: model, training, checkpoints, encoding to latents."""
