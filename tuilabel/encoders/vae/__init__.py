"""The convolutional VAE: model, training, checkpoints."""
