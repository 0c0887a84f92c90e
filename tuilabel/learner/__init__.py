"""The classifier on latents, one round of learning and asking, and the trainer process."""
