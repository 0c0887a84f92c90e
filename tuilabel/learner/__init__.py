"""Classifiers on latents, their evaluation, and the trainer process."""
