"""Encoders: images to latents, by a VAE, principal components, a pretrained backbone or a table of your own."""
